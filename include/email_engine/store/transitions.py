"""Writing down what a person moved: decision, event, state, plan, allowance and brake, all in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from email_engine.decision import Decision
from email_engine.fleet.model import IpRecord
from email_engine.plural import amount
from email_engine.store import brakes, decisions, ips, versions
from email_engine.warmup.proposal import RELEASES, Action, Proposal
from email_engine.warmup.snapshot import observation_document
from email_engine.warmup.transition_request import Request
from email_engine.warmup.transitions_by_hand import Move

PIPELINE = "ip_transition"


@dataclass(frozen=True, slots=True)
class Asking:
    """Who moves, when, by which policy; `run_id` is the key under which it counts once."""

    request: Request
    as_of: datetime
    policy_digest: str
    actor: str
    dag_id: str
    run_id: str


def done(conn: Connection, run_id: str, ip: IpRecord) -> bool:
    """Did the run move the IP already?"""
    return decisions.find(conn, PIPELINE, str(ip.address), run_id) is not None


def record(conn: Connection, moves: Sequence[Move], asking: Asking) -> int | None:
    """Writes every move and returns the new fleet version, None without any move.

    Raises `InputError` if a state is another by now; then nothing of the transaction may stay."""
    if not moves:
        return None
    request, ids = asking.request, (asking.dag_id, asking.run_id)
    version = versions.bump(conn, f"{request.event} of {amount(len(moves), 'IP')}: {request.reason}", ids)
    for move in moves:
        decision_id = decisions.record(conn, _decision(move, asking), *ids)
        _apply(conn, move, asking, decision_id, version)
    return version


def _decision(move: Move, asking: Asking) -> Decision:
    ip, request = move.observation.ip, asking.request
    return Decision(
        tenant=ip.tenant,
        pipeline=PIPELINE,
        subject=str(ip.address),
        run_key=asking.run_id,
        action=request.event.value,
        reason=f"{asking.actor}: {move.reason}",
        as_of=asking.as_of,
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


def _apply(conn: Connection, move: Move, asking: Asking, decision_id: int, version: int) -> None:
    ip, proposal, row = move.observation.ip, move.proposal, move.transition
    who = (asking.actor, asking.as_of, decision_id, asking.dag_id, asking.run_id)
    columns: dict[str, Any] = {"quarantine_until": proposal.quarantine_until} if row.moves else {}
    ips.transition(conn, ip.ip_id, row.event, row.to, move.reason, *who, **columns)
    ips.update_plan(conn, ip.ip_id, **_plan_columns(move, asking))
    if move.allowance is not None:
        day = asking.as_of.date()
        ips.set_allowance(conn, ip.ip_id, ip.tenant, day, move.allowance, version, decision_id)
    if move.stops:
        brakes.engage(conn, ip, move.reason, *who)
    elif proposal.action in RELEASES:
        brakes.ask_release(conn, ip.ip_id, asking.as_of)


def _plan_columns(move: Move, asking: Asking) -> dict[str, Any]:
    proposal = move.proposal
    columns: dict[str, Any] = {"phase": proposal.phase, **_pause(proposal, move.reason)}
    if proposal.new_phase:
        columns |= {"phase_started_on": asking.as_of.date(), "sent_days_in_phase": 0}
    if move.allowance is not None:
        columns["current_daily_quota"] = move.allowance
    return columns


def _pause(proposal: Proposal, reason: str) -> dict[str, Any]:
    if proposal.action is Action.RETIRE:
        return {}
    paused = proposal.paused_until is not None
    return {
        "paused": paused,
        "pause_until": proposal.paused_until,
        "pause_reason": reason if paused else None,
    }
