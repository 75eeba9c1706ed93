"""The end of a UTC day for a whole fleet, decided by the functions that `warmup_advance` decides with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from email_engine.fleet.model import SENDING_STATES, Fleet
from email_engine.fleet.traffic import NO_DAYS, DayCounts, by_day
from email_engine.reputation.evidence import GateVerdict
from email_engine.reputation.gates import Asked
from email_engine.reputation.named import suspicions, too_many
from email_engine.reputation.score import NO_SCORE, Score
from email_engine.simulation.life import Life, after, observe, quotas
from email_engine.suppression.outage import SenderMail
from email_engine.suppression.policy import shipped_suppression_policy
from email_engine.warmup.observation import PROVIDER_DAYS, midnight, window
from email_engine.warmup.outages import Spans, down, met, spans_of, sums_of, without_outages
from email_engine.warmup.peers import peers_of
from email_engine.warmup.plan import IpDecision, plan_tenant
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import Action

_WORST = (GateVerdict.REGRESS, GateVerdict.HOLD, GateVerdict.INSUFFICIENT, GateVerdict.PASS)


@dataclass(frozen=True, slots=True)
class IpDay:
    """One IP's UTC day: how it stood (`state`, `stage`, `allowance`), its mail, and what was decided at its end.

    `allowance`: what was in force; 0 while it was paused or parked. `verdict`: the worst of its `gates` (one that need never
    pass counts only where it looks bad), `regress` where it was stopped, `hold` where a signal is missing or bad; None for IPs
    that no gate judges. `throttle_factors`: speed that is left from the next day on. `blames`: did a stop count
    against the IP, or against the list of its stream? `demand`: messages that waited; `bad`: was the IP truly bad (simulation
    alone knows)?"""

    day: date
    address: str
    tenant: str
    state: str
    stage: int
    allowance: int
    counts: DayCounts
    action: Action
    verdict: GateVerdict | None
    reason: str
    score: Score = NO_SCORE
    gates: Mapping[str, GateVerdict] = field(default_factory=dict)
    throttle_factors: Mapping[str, float] = field(default_factory=dict)
    blames: bool = True
    demand: int = 0
    bad: bool = False
    listed: bool = False
    stream: str = ""


def close_day(
    lives: Sequence[Life],
    fleet: Fleet,
    policy: Policy,
    day: date,
    fresh_through: Mapping[str, datetime],
    binding: bool = True,
    ask: bool = True,
) -> tuple[tuple[Life, IpDecision], ...]:
    """Every IP the morning after, with the outcome that led there; in the order of `lives`.

    `fresh_through`: up to when the accounting of each MTA host is known. `binding`: did allowances bind? If they did not,
    sending more is no fault. `ask`: can block lists that replies name be asked?"""
    effective = day + timedelta(days=1)
    decided: dict[int, tuple[Life, IpDecision]] = {}
    spans = spans_of(
        sums_of(life.providers for life in lives),
        shipped_suppression_policy().outage,
        policy.gates.bounces.limit,
        midnight(effective),
        mail_on=lambda name, on: _mail_on(lives, name, on),
    )
    for tenant in fleet.tenants:
        mine = with_outages([life for life in lives if life.ip.tenant == tenant.name], spans, policy, day)
        around = peers_of(
            [life.ip for life in mine],
            {life.ip.ip_id: without_outages(life.days, life.outages) for life in mine},
            policy.gates,
        )
        reporting = frozenset(
            name for life in mine for name, days in life.providers.items() if any(days.complained)
        )
        many = too_many(
            sum(bool(suspicions(life.named, day, policy.named_lists.days)) for life in mine),
            sum(life.ip.state in SENDING_STATES for life in mine),
            policy.named_lists.many,
        )
        seen = [
            observe(
                life, day, fresh_through.get(life.ip.mta_host), around[life.ip.ip_id],
                life.allowance if binding else max(life.allowance, _sent(life, day)),
                ask=ask, many_named=many, reporting=reporting,
            )
            for life in mine
        ]  # fmt: skip
        ip_decisions = plan_tenant(seen, policy, quotas(fleet, tenant.name), day, effective)
        for life, ip_decision in zip(mine, ip_decisions, strict=True):
            decided[life.ip.ip_id] = (after(life, ip_decision, effective), ip_decision)
    return tuple(decided[life.ip.ip_id] for life in lives)


def _mail_on(lives: Sequence[Life], provider: str, day: date) -> list[SenderMail]:
    """By IP."""
    return [
        SenderMail(life.ip.tenant, life.ip.stream, str(life.ip.address), counts.unknown_users, counts.sent)
        for life in lives
        if provider in life.providers
        for counts in [life.providers[provider].on(day)]
    ]


def with_outages(lives: Sequence[Life], spans: Spans, policy: Policy, day: date) -> list[Life]:
    """With what outages excuse; those that left the days known by provider are remembered as long as their mail counts."""
    if not spans and not any(life.outages or life.down for life in lives):
        return list(lives)
    return [_with_outages(life, spans, policy, day) for life in lives]


def _with_outages(life: Life, spans: Spans, policy: Policy, day: date) -> Life:
    known, now = day - timedelta(days=PROVIDER_DAYS), met(spans, life.providers)
    found = {}
    for name in sorted({*life.outages, *now}):
        old = life.outages.get(name, NO_DAYS).between(window(day), known)
        days = by_day([old, now.get(name, NO_DAYS)])
        if days:
            found[name] = days
    return replace(life, outages=found, down=down(spans, now, policy.gates.bounces.limit))


def _sent(life: Life, day: date) -> int:
    return life.days[-1].sent if life.days and life.days[-1].day == day else 0


def _verdict(ip_decision: IpDecision, policy: Policy) -> GateVerdict | None:
    proposal = ip_decision.proposal
    if not proposal.judgements:
        return None
    if proposal.action is Action.QUARANTINE or (proposal.action is Action.PAUSE and proposal.blames):
        return GateVerdict.REGRESS
    asked = {gate for ask in policy.advance for gate, what in ask.gates.items() if what is Asked.PASS}
    found = [
        one.verdict
        for gate, one in proposal.judgements.items()
        if gate in asked or one.verdict in (GateVerdict.REGRESS, GateVerdict.HOLD)
    ]
    if proposal.action is Action.HOLD or proposal.action is Action.PAUSE:
        found.append(GateVerdict.HOLD)
    return min(found, key=_WORST.index, default=None)


def tell(life: Life, ip_decision: IpDecision, policy: Policy, day: date) -> IpDay:
    """The day of an IP that stood as `life` says in the morning and got `ip_decision` in the evening."""
    ip = ip_decision.observation.ip
    return IpDay(
        day=day,
        address=str(ip.address),
        tenant=ip.tenant,
        state=str(life.ip.state),
        stage=life.ip.phase,
        allowance=life.may_send,
        counts=ip_decision.observation.days.on(day),
        action=ip_decision.proposal.action,
        verdict=_verdict(ip_decision, policy),
        reason=ip_decision.reason,
        score=ip_decision.proposal.score,
        gates={gate: judged.verdict for gate, judged in ip_decision.proposal.judgements.items()},
        throttle_factors=ip_decision.proposal.throttle_factors,
        blames=ip_decision.proposal.blames,
        stream=ip.stream,
    )
