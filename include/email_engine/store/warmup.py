"""Writing down what the warm-up decided: all of one tenant's day in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from email_engine.decision import Decision
from email_engine.fleet.model import Mode
from email_engine.lifecycle.machine import Event, next_state
from email_engine.reputation.rates import rates
from email_engine.store import brakes, decisions, ips, schema, versions
from email_engine.warmup.carried_state import carried_state_after
from email_engine.warmup.forecast import forecast
from email_engine.warmup.plan import IpDecision
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import Action
from email_engine.warmup.provider_limits import UNBOUND
from email_engine.warmup.snapshot import observation_document

PIPELINE = "warmup_advance"
_KEEPS_STATE = {Action.PAUSE: Event.PAUSE, Action.RESUME: Event.RESUME}


@dataclass(frozen=True, slots=True)
class Writing:
    """Who writes, when, for which day, by which policy. `effective`: the first day that the decision can shape.
    `policy`: the one of the digest; without it no forecast is written. `at_once`: the day still runs, and its own allowances
    change."""

    day: date
    effective: date
    as_of: datetime
    policy_digest: str
    actor: str
    dag_id: str
    run_id: str
    policy: Policy | None = None
    pipeline: str = PIPELINE
    at_once: bool = False

    @property
    def run_key(self) -> str:
        """A day is closed once; while it runs it is looked at many times."""
        return self.as_of.isoformat(timespec="seconds") if self.at_once else self.day.isoformat()

    @property
    def allowances_from(self) -> date:
        """The first UTC day of new allowances."""
        return self.day if self.at_once else self.effective


def last_decided(conn: Connection, tenant: str) -> date | None:
    """The newest UTC day that was closed for the tenant."""
    rows = schema.decisions.c
    newest = select(func.max(rows.run_key)).where(rows.tenant == tenant, rows.pipeline == PIPELINE)
    key: str | None = conn.execute(newest).scalar_one()
    return date.fromisoformat(key) if key else None


def decided(conn: Connection, tenant: str, day: date) -> frozenset[str]:
    """Addresses whose decision for the UTC day stands already."""
    rows = schema.decisions.c
    query = select(rows.subject).where(
        rows.tenant == tenant, rows.pipeline == PIPELINE, rows.run_key == day.isoformat()
    )
    return frozenset(conn.execute(query).scalars())


def record(conn: Connection, ip_decisions: Sequence[IpDecision], writing: Writing) -> int | None:
    """Writes every outcome; those of a tenant in `observe` as decisions that were not applied, and nothing else.

    Returns the new fleet version, None when nothing changed that a deployment or a sync must follow."""
    version: int | None = None
    for ip_decision in ip_decisions:
        ip = ip_decision.observation.ip
        acts = ip.mode is Mode.ACT
        decision_id = decisions.record(
            conn, _decision(ip_decision, writing, acts), writing.dag_id, writing.run_id
        )
        if not acts:
            continue
        if ip_decision.changes and version is None:
            reason = f"{writing.pipeline} of {ip.tenant} for {writing.day}"
            version = versions.bump(conn, reason, (writing.dag_id, writing.run_id))
        _stats(conn, ip_decision, writing.day)
        ips.update_plan(conn, ip.ip_id, **_plan_columns(ip_decision, writing))
        if version is not None and ip_decision.changes:
            _apply(conn, ip_decision, writing, decision_id, version)
    return version


def _decision(ip_decision: IpDecision, writing: Writing, acts: bool) -> Decision:
    ip = ip_decision.observation.ip
    return Decision(
        tenant=ip.tenant,
        pipeline=writing.pipeline,
        subject=str(ip.address),
        run_key=writing.run_key,
        action=ip_decision.proposal.action.value,
        reason=ip_decision.reason,
        as_of=writing.as_of,
        policy_digest=writing.policy_digest,
        applied=acts,
        inputs=ip_decision.inputs
        | {"effective": writing.allowances_from.isoformat()}
        | ip_decision.result
        | {"observed": observation_document(ip_decision.observation)},
        verdicts=ip_decision.verdicts,
    )


def _stats(conn: Connection, ip_decision: IpDecision, day: date) -> None:
    observation = ip_decision.observation
    counts = observation.days.on(day)
    if not observation.given and not counts.sent + counts.deferred + counts.complained:
        return
    row = {
        "phase": observation.ip.phase,
        "allowance": observation.given,
        "sent": counts.sent,
        "delivered": counts.delivered,
        "bounced": counts.bounced,
        "deferred": counts.deferred,
        "complained": counts.complained,
    }
    conn.execute(
        upsert(schema.warmup_daily_stats)
        .values(tenant=observation.ip.tenant, ip_id=observation.ip.ip_id, day=day, **row)
        .on_conflict_do_update(index_elements=["ip_id", "day"], set_=row)
    )


def _plan_columns(ip_decision: IpDecision, writing: Writing) -> dict[str, Any]:
    proposal, seen = ip_decision.proposal, ip_decision.observation
    week, carried = rates(seen.days, writing.day), carried_state_after(ip_decision, writing.effective)
    columns: dict[str, Any] = {
        "bounce_rate_7d": week.bounce_rate,
        "spam_rate_7d": week.complaint_rate,
        "phase": carried.phase,
        "phase_started_on": carried.phase_started_on,
        "sent_days_in_phase": carried.sent_days,
        "last_stop_at": _moment(carried.last_stop_at, seen.last_stop_at, writing),
        "current_daily_quota": ip_decision.allowance,
        "paces": dict(carried.throttle_factors),
        "slowed_on": {name: day.isoformat() for name, day in carried.slowed_on.items()},
        "last_list_stop_at": _moment(carried.last_list_stop_at, seen.last_list_stop_at, writing),
        "score": proposal.score.value,
        "score_low": proposal.score.low if proposal.score.known else None,
        "score_high": proposal.score.high if proposal.score.known else None,
    }
    if carried.paused_until != seen.ip.paused_until:
        paused = carried.paused_until is not None
        columns |= {"paused": paused, "pause_until": carried.paused_until}
        columns["pause_reason"] = ip_decision.reason if paused else None
    if proposal.action is Action.GRADUATE:
        columns["completed_at"] = writing.as_of
    if writing.policy is not None:
        ahead = forecast(ip_decision, writing.policy, writing.day, writing.effective)
        columns |= {"graduates_on": ahead.graduates_on, "blocked_by": ahead.blocked_by}
    return columns


def _moment(after: datetime | None, before: datetime | None, writing: Writing) -> datetime | None:
    """A stop during the day happened when it was decided, not when the next day begins."""
    return writing.as_of if writing.at_once and after != before else after


def _bounds(ip_decision: IpDecision) -> dict[str, int]:
    """Bounds of providers that change."""
    before, now = ip_decision.observation.bounds, ip_decision.bounds
    ended = {provider: UNBOUND for provider in before if provider not in now}
    return ended | {provider: n for provider, n in now.items() if before.get(provider) != n}


def _apply(
    conn: Connection, ip_decision: IpDecision, writing: Writing, decision_id: int, version: int
) -> None:
    ip, proposal, reason = ip_decision.observation.ip, ip_decision.proposal, ip_decision.reason
    who = (writing.actor, writing.as_of, decision_id, writing.dag_id, writing.run_id)
    event = proposal.event or _KEEPS_STATE.get(proposal.action)
    if event is not None:
        to, until = next_state(ip.state, event), proposal.quarantine_until
        ips.transition(conn, ip.ip_id, event, to, reason, *who, quarantine_until=until)
    if ip_decision.allowance != ip_decision.observation.standing:
        ips.set_allowance(
            conn, ip.ip_id, ip.tenant, writing.allowances_from, ip_decision.allowance, version, decision_id
        )
    for provider, messages in _bounds(ip_decision).items():
        ips.set_allowance(
            conn, ip.ip_id, ip.tenant, writing.allowances_from, messages, version, decision_id, provider
        )
    if ip_decision.stops:
        brakes.engage(conn, ip, reason, *who)
    elif ip_decision.releases:
        brakes.ask_release(conn, ip.ip_id, writing.as_of)
