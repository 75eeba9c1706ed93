"""Writing down what a person moved: decision, event, state, plan, allowance and brake, all in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from email_engine.decision import Decision, Origin
from email_engine.fleet.model import IpRecord
from email_engine.lifecycle.change import IpChange
from email_engine.plural import amount
from email_engine.store import versions
from email_engine.store.fleet import domain_warmups
from email_engine.store.judgement import decisions
from email_engine.store.judgement.writer import apply_change
from email_engine.warmup.domain_warmup import domain_after
from email_engine.warmup.proposal import RELEASES, Action, Proposal
from email_engine.warmup.rows import WHOLE
from email_engine.warmup.snapshot import observation_document
from email_engine.warmup.transition_request import Request
from email_engine.warmup.transitions_by_hand import Move

PIPELINE = "ip_transition"


@dataclass(frozen=True, slots=True)
class Asking:
    """Who moves, by which policy; the origin's run is the key under which it counts once."""

    request: Request
    origin: Origin
    policy_digest: str


def done(conn: Connection, run_id: str, ip: IpRecord) -> bool:
    """Did the run move the IP already?"""
    return decisions.find(conn, PIPELINE, str(ip.address), run_id) is not None


def record(conn: Connection, moves: Sequence[Move], asking: Asking) -> int | None:
    """Writes every move and returns the new fleet version, None without any move.

    Raises `InputError` if a state is another by now; then nothing of the transaction may stay."""
    if not moves:
        return None
    request, ids = asking.request, (asking.origin.dag_id, asking.origin.run_id)
    version = versions.bump(conn, f"{request.event} of {amount(len(moves), 'IP')}: {request.reason}", ids)
    for move in moves:
        decision_id = decisions.record(conn, _decision(move, asking), *ids)
        apply_change(conn, _change(move, asking), asking.origin, decision_id, version)
        before = move.observation.ip.domain_warmup
        after = domain_after(move.observation, move.proposal, asking.origin.as_of.date())
        if after != before:
            domain_warmups.keep(conn, move.observation.ip.ip_id, after)
    return version


def _decision(move: Move, asking: Asking) -> Decision:
    ip, request = move.observation.ip, asking.request
    return Decision(
        tenant=ip.tenant,
        pipeline=PIPELINE,
        subject=str(ip.address),
        run_key=str(asking.origin.run_id),
        action=request.event.value,
        reason=f"{asking.origin.actor}: {move.reason}",
        as_of=asking.origin.as_of,
        policy_digest=asking.policy_digest,
        inputs={
            "from": ip.state.value,
            "to": move.transition.to.value,
            "reason": request.reason,
            "cause": request.cause,
            "until": request.until and request.until.isoformat(),
            "allowance": move.allowance,
            "observed": observation_document(move.observation),
        },
    )


def _change(move: Move, asking: Asking) -> IpChange:
    proposal, row = move.proposal, move.transition
    return IpChange(
        ip=move.observation.ip,
        reason=move.reason,
        allowed_from=asking.origin.as_of.date(),
        event=row.event,
        state=row.to,
        columns={"quarantine_until": proposal.quarantine_until} if row.moves else {},
        plan=_plan_columns(move, asking),
        allowances={} if move.allowance is None else {WHOLE: move.allowance},
        stops=move.stops,
        releases=proposal.action in RELEASES,
    )


def _plan_columns(move: Move, asking: Asking) -> dict[str, Any]:
    proposal = move.proposal
    columns: dict[str, Any] = {"phase": proposal.phase, **_pause(proposal, move.reason)}
    if proposal.new_phase:
        columns |= {"phase_started_on": asking.origin.as_of.date(), "sent_days_in_phase": 0}
    if move.allowance is not None:
        columns["current_daily_quota"] = move.allowance
    return columns


def _pause(proposal: Proposal, reason: str) -> dict[str, Any]:
    if proposal.action is Action.RETIRE:
        return {}
    return {
        "paused": proposal.pause is not None,
        "pause_until": proposal.pause and proposal.pause.until,
        "pause_reason": reason if proposal.pause else None,
    }
