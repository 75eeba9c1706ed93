"""So many new IPs a month: which of a tenant's standby IPs start when, what keeps others waiting, and what volume is there when. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from email_engine.plural import amount
from email_engine.warmup.capacity import plan_capacity
from email_engine.warmup.capacity_plan import Allocation, AllocationKind
from email_engine.warmup.domain_forecast import Climb
from email_engine.warmup.forecast import graduation, last_phase, ready_on
from email_engine.warmup.plan import IpDecision, Quotas
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import Action
from email_engine.warmup.provider_limits import stage_volume

MONTH_DAYS = 30
WEEK_DAYS = 7
NAMED = 10


@dataclass(frozen=True, slots=True)
class GrowthStart:
    """One IP: its first UTC day to be sent, and the first on which it is active if every day is sent in full and nothing stops it."""

    ip: str
    stream: str
    on: date
    active_on: date


@dataclass(frozen=True, slots=True)
class GrowthWait:
    """An IP in standby that is not promised, and why. `quota_short`: so much more a day its quota would need, where that is known."""

    ip: str
    stream: str
    why: str
    quota_short: int | None = None


@dataclass(frozen=True, slots=True)
class GrowthMonth:
    """30 days that begin on `begins`. `volume`: messages that the IPs of this plan may send at most on its last UTC day."""

    begins: date
    starts: tuple[GrowthStart, ...]
    volume: int


@dataclass(frozen=True, slots=True)
class GrowthPlan:
    """`missing`: so many IPs more must come to the fleet before the wanted number can start at all."""

    tenant: str
    ips_a_month: int
    quota: int
    months: tuple[GrowthMonth, ...]
    waits: tuple[GrowthWait, ...]
    missing: int
    by_hand: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant, "ips_a_month": self.ips_a_month, "quota": self.quota, "missing": self.missing,
            "started_by": "person" if self.by_hand else "engine",
            "months": [
                {
                    "begins": month.begins.isoformat(), "volume": month.volume,
                    "starts": [
                        {"ip": one.ip, "stream": one.stream, "on": one.on.isoformat(), "active_on": one.active_on.isoformat()}
                        for one in month.starts
                    ],
                }
                for month in self.months
            ],
            "waits": [
                {"ip": one.ip, "stream": one.stream, "why": one.why, "quota_short": one.quota_short} for one in self.waits
            ],
        }  # fmt: skip


def plan_growth(
    ip_decisions: Sequence[IpDecision],
    policy: Policy,
    quotas: Quotas,
    day: date,
    effective: date,
    ips_a_month: int,
    months: int,
) -> GrowthPlan:
    """From what was decided when the UTC `day` closed about all IPs of one tenant. No IP starts before its clean days are over, before its
    quota has room for it (plan_capacity), or as more than the `ips_a_month`-th of its month. What is unknown is promised to nobody."""
    capacity = plan_capacity(ip_decisions, policy, quotas, day, effective)
    starts: list[list[tuple[IpDecision, GrowthStart]]] = [[] for _ in range(months)]
    waits: list[GrowthWait] = []
    ready: list[tuple[date, IpDecision]] = []
    for ip_decision, allocation in zip(ip_decisions, capacity.allocations, strict=True):
        if allocation.kind is not AllocationKind.WAITS:
            continue
        if ip_decision.proposal.action is Action.HOLD or allocation.until is None:
            waits.append(_waits(allocation))
        else:
            ready.append((max(allocation.until, ready_on(ip_decision, policy, effective)), ip_decision))
    # an IP that the policy starts this very evening is no promise any more but has begun
    begun = [one for one in ip_decisions if one.proposal.action is Action.START]
    ready += [(effective, one) for one in begun]
    for earliest, ip_decision in sorted(ready, key=lambda one: (one[0], one[1].observation.ip.ip_id)):
        ip = ip_decision.observation.ip
        for number, month in enumerate(starts):
            begins = effective + timedelta(days=number * MONTH_DAYS)
            if len(month) < ips_a_month and earliest < begins + timedelta(days=MONTH_DAYS):
                on = max(earliest, begins)
                active = graduation(Climb(on, 1), ip_decision, policy)
                month.append((ip_decision, GrowthStart(str(ip.address), ip.stream, on, active)))
                break
        else:
            waits.append(
                GrowthWait(
                    str(ip.address),
                    ip.stream,
                    f"{amount(months, 'month')} of {ips_a_month} are full before it",
                )
            )
    promised = sum(map(len, starts))
    tenant = ip_decisions[0].observation.ip.tenant if ip_decisions else ""
    return GrowthPlan(
        tenant, ips_a_month, quotas.tenant,
        tuple(_month(number, starts, policy, quotas, effective) for number in range(months)),
        tuple(waits), max(ips_a_month * months - promised - len(waits), 0), not policy.auto_start_standby,
    )  # fmt: skip


def _waits(allocation: Allocation) -> GrowthWait:
    why = allocation.why or "nothing is known about when it may start"
    if allocation.quota_short is not None:
        why = f"the quota has no room for it before it grows by {allocation.quota_short} a day"
    return GrowthWait(allocation.ip, allocation.stream, why, allocation.quota_short)


def _month(
    number: int,
    starts: Sequence[Sequence[tuple[IpDecision, GrowthStart]]],
    policy: Policy,
    quotas: Quotas,
    effective: date,
) -> GrowthMonth:
    begins = effective + timedelta(days=number * MONTH_DAYS)
    last = begins + timedelta(days=MONTH_DAYS - 1)
    by_pool: dict[str | None, int] = {}
    for month in starts[: number + 1]:
        for ip_decision, start in month:
            pool = quotas.quota_pool(start.stream)
            by_pool[pool] = by_pool.get(pool, 0) + _volume(ip_decision, start, policy, last)
    volume = sum(min(messages, quotas.size(pool)) for pool, messages in by_pool.items())
    return GrowthMonth(begins, tuple(start for _, start in starts[number]), volume)


def _volume(ip_decision: IpDecision, start: GrowthStart, policy: Policy, day: date) -> int:
    """Messages that the IP may send on the UTC `day`: its phase by the schedule; behind the last one doubled each week up to its target."""
    if day < start.on:
        return 0
    ip = ip_decision.observation.ip
    schedule = policy.schedules[ip.schedule]
    last = last_phase(ip_decision, policy)
    phase = min((day - start.on).days // max(schedule.sent_days, 1) + 1, last)
    volume = stage_volume(schedule, phase, ip.daily_target, policy.providers, {})
    weeks = (day - start.active_on).days // WEEK_DAYS + 1 if day >= start.active_on else 0
    return min(volume * 2 ** min(weeks, 32), ip.daily_target)


def growth_words(plan: GrowthPlan) -> list[str]:
    """For people: a line a month, those that wait (ten at most), and what is missing."""
    who = "by a person (`ip_transition`)" if plan.by_hand else "by the engine"
    lines = [
        f"{plan.tenant}: {amount(plan.ips_a_month, 'new IP')} a month, started {who}; quota {plan.quota} a day"
    ]
    for month in plan.months:
        names = ", ".join(f"{one.ip} on {one.on}" for one in month.starts[:NAMED])
        more = f" and {len(month.starts) - NAMED} more" if len(month.starts) > NAMED else ""
        lines.append(
            f"from {month.begins}: {amount(len(month.starts), 'IP')} start{f' ({names}{more})' if names else ''}; "
            f"at most {month.volume} a day from new IPs on its last day"
        )
    lines += [f"{one.ip} waits: {one.why}" for one in plan.waits[:NAMED]]
    lines += [f"... and {len(plan.waits) - NAMED} more wait"] if len(plan.waits) > NAMED else []
    if plan.missing:
        lines.append(f"{amount(plan.missing, 'IP')} more must be onboarded for that pace (`fleet_onboard`)")
    lines.append(
        "As if every day were sent in full and nothing stopped anybody: nobody gets more, some will get it later."
    )
    return lines
