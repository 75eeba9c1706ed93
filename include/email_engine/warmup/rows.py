"""What the warm-up decided, as the rows that are written of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from email_engine.decision import Decision, Origin
from email_engine.fleet.model import DomainWarmup, Mode
from email_engine.fleet.providers import OTHER
from email_engine.lifecycle.change import IpChange
from email_engine.lifecycle.machine import Event, next_state
from email_engine.reputation.rates import rates
from email_engine.warmup.carried_state import carried_state_after
from email_engine.warmup.domain_warmup import domain_after
from email_engine.warmup.forecast import forecast
from email_engine.warmup.plan import IpDecision
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import Action
from email_engine.warmup.provider_limits import SUSPENDED, UNBOUND
from email_engine.warmup.snapshot import observation_document

PIPELINE = "warmup_advance"
WHOLE = "*"
_KEEPS_STATE = {Action.PAUSE: Event.PAUSE, Action.RESUME: Event.RESUME}


@dataclass(frozen=True, slots=True)
class Writing:
    """Who writes, for which day, by which policy. `effective`: the first day that the decision can shape.
    `policy`: the one of the digest; without it no forecast is written. `at_once`: the day still runs, and its own allowances
    change."""

    day: date
    effective: date
    origin: Origin
    policy_digest: str
    policy: Policy | None = None
    pipeline: str = PIPELINE
    at_once: bool = False

    @property
    def as_of(self) -> datetime:
        return self.origin.as_of

    @property
    def run_key(self) -> str:
        """A day is closed once; while it runs it is looked at many times."""
        return self.as_of.isoformat(timespec="seconds") if self.at_once else self.day.isoformat()

    @property
    def allowances_from(self) -> date:
        """The first UTC day of new allowances."""
        return self.day if self.at_once else self.effective


@dataclass(frozen=True, slots=True)
class WarmupRow:
    """One IP's. `day_stats`: columns of table `warmup_daily_stats`, None for a day of which there is nothing to say; `plan`: of
    `warmup_plans`; `change`: None where nothing changes that a deployment or a sync must follow; `suspended`: mailbox providers
    whose queues must stand still from now on; `domain`: its domain's own warm-up from now on,
    `domain_before`: until now. Of a tenant in `observe` only `decision` is written."""

    ip_id: int
    decision: Decision
    day_stats: Mapping[str, Any] | None
    plan: Mapping[str, Any]
    change: IpChange | None
    suspended: frozenset[str] = frozenset()
    domain: DomainWarmup | None = None
    domain_before: DomainWarmup | None = None

    @property
    def tenant(self) -> str:
        return self.decision.tenant


def rows_of(ip_decisions: Sequence[IpDecision], writing: Writing) -> list[WarmupRow]:
    """In the order of the decisions."""
    return [_row(ip_decision, writing) for ip_decision in ip_decisions]


def _row(ip_decision: IpDecision, writing: Writing) -> WarmupRow:
    ip = ip_decision.observation.ip
    acts = ip.mode is Mode.ACT
    return WarmupRow(
        ip_id=ip.ip_id,
        decision=_decision(ip_decision, writing, acts),
        day_stats=_stats(ip_decision, writing.day) if acts else None,
        plan=_plan_columns(ip_decision, writing) if acts else {},
        change=_change(ip_decision, writing) if acts and ip_decision.changes else None,
        suspended=_suspended(ip_decision) if acts else frozenset(),
        domain=domain_after(ip_decision.observation, ip_decision.proposal, writing.effective),
        domain_before=ip.domain_warmup,
    )


def _suspended(ip_decision: IpDecision) -> frozenset[str]:
    """What no list of domains covers has no queue that could be named."""
    factors = ip_decision.proposal.throttle_factors
    return frozenset(name for name, factor in factors.items() if factor == SUSPENDED) - {WHOLE, OTHER}


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


def _stats(ip_decision: IpDecision, day: date) -> dict[str, Any] | None:
    observation = ip_decision.observation
    counts = observation.days.on(day)
    if not observation.given and not counts.sent + counts.deferred + counts.complained:
        return None
    return {
        "phase": observation.ip.phase,
        "allowance": observation.given,
        "sent": counts.sent,
        "delivered": counts.delivered,
        "bounced": counts.bounced,
        "deferred": counts.deferred,
        "complained": counts.complained,
    }


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
        "stops": [{"day": stop.day.isoformat(), "kind": stop.kind} for stop in carried.stops],
        "slowed_on": {name: day.isoformat() for name, day in carried.slowed_on.items()},
        "last_list_stop_at": _moment(carried.last_stream_stop_at, seen.last_stream_stop_at, writing),
        "score": proposal.score.value,
        "score_low": proposal.score.low if proposal.score.known else None,
        "score_high": proposal.score.high if proposal.score.known else None,
    }
    if carried.pause != seen.ip.pause:
        columns |= {
            "paused": carried.pause is not None,
            "pause_until": carried.pause and carried.pause.until,
            "pause_reason": ip_decision.reason if carried.pause else None,
        }
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


def _change(ip_decision: IpDecision, writing: Writing) -> IpChange:
    ip, proposal = ip_decision.observation.ip, ip_decision.proposal
    event = proposal.event or _KEEPS_STATE.get(proposal.action)
    whole = (
        {} if ip_decision.allowance == ip_decision.observation.standing else {WHOLE: ip_decision.allowance}
    )
    return IpChange(
        ip=ip,
        reason=ip_decision.reason,
        allowed_from=writing.allowances_from,
        event=event,
        state=next_state(ip.state, event) if event is not None else None,
        columns={"quarantine_until": proposal.quarantine_until},
        allowances=whole | _bounds(ip_decision),
        stops=ip_decision.stops,
        releases=ip_decision.releases,
    )
