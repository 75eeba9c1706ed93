"""What a tenant's quota can carry: who warms, who is active, who waits in standby, why, and until when. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import ceil

from email_engine.fleet.model import SENDING_STATES, IpState
from email_engine.warmup.capacity_plan import DEMAND_DAYS, Allocation, AllocationKind, CapacityPlan
from email_engine.warmup.domain_forecast import Climb
from email_engine.warmup.forecast import (
    climb_of,
    forecast,
    last_phase,
    ready_on,
    short_of_quota,
    state_after,
)
from email_engine.warmup.plan import IpDecision, Quotas
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import Action
from email_engine.warmup.provider_limits import stage_volume

AHEAD_DAYS = 180
"""So far the plan looks: it speaks of dates while nothing else changes."""


def plan_capacity(
    ip_decisions: Sequence[IpDecision], policy: Policy, quotas: Quotas, day: date, effective: date
) -> CapacityPlan:
    """The plan for the UTC day `effective`, from what was decided when `day` closed about all IPs of one tenant."""
    pots: dict[str | None, list[IpDecision]] = {}
    for ip_decision in ip_decisions:
        pots.setdefault(quotas.quota_pool(ip_decision.observation.ip.stream), []).append(ip_decision)
    allocations: dict[int, Allocation] = {}
    for quota_pool, mine in pots.items():
        size = quotas.size(quota_pool)
        ahead = _room_for_starts(mine, policy, size, effective)
        more = _room_for_short(mine, policy, size, effective, ahead)
        for ip_decision in mine:
            ip_id = ip_decision.observation.ip.ip_id
            room = ahead.get(ip_id) or more.get(ip_id) or _Room(None, None)
            allocations[ip_id] = _allocation(ip_decision, policy, day, effective, room)
    tenant = ip_decisions[0].observation.ip.tenant if ip_decisions else ""
    ordered = tuple(allocations[ip_decision.observation.ip.ip_id] for ip_decision in ip_decisions)
    return CapacityPlan(tenant, effective, quotas.tenant, ordered)


_PLACES = {
    IpState.WARMING: AllocationKind.WARMS,
    IpState.ACTIVE: AllocationKind.ACTIVE,
    IpState.RETIRING: AllocationKind.RETIRES,
    IpState.STANDBY: AllocationKind.WAITS,
    IpState.RESTING: AllocationKind.RESTS,
    IpState.QUARANTINE: AllocationKind.RESTS,
    IpState.ABANDONED: AllocationKind.GONE,
}


@dataclass(frozen=True, slots=True)
class _Room:
    """When the quota has room, or how much it lacks."""

    on: date | None
    short: int | None


def _allocation(
    ip_decision: IpDecision, policy: Policy, day: date, effective: date, room: _Room
) -> Allocation:
    seen, proposal = ip_decision.observation, ip_decision.proposal
    state = state_after(ip_decision)
    first = day - timedelta(days=DEMAND_DAYS - 1)
    ahead = forecast(ip_decision, policy, day, effective)
    allocation = Allocation(
        ip=str(seen.ip.address),
        stream=seen.ip.stream,
        state=state,
        kind=_PLACES[state],
        allowance=0 if state not in SENDING_STATES else ip_decision.allowance,
        wanted=proposal.wanted,
        sent=sum(seen.days.between(first, day).sent) // DEMAND_DAYS,
    )
    if state in SENDING_STATES and proposal.pause is not None:
        return replace(
            allocation,
            kind=AllocationKind.PAUSED,
            why=ahead.blocked_by,
            until=proposal.pause.until and proposal.pause.until.date(),
        )
    if state is IpState.WARMING and (
        short_of_quota(ip_decision, policy) or _starves(ip_decision, policy, day)
    ):
        why = short_of_quota(ip_decision, policy) or _starves(ip_decision, policy, day)
        return replace(allocation, kind=AllocationKind.SHORT, why=why, until=room.on, quota_short=room.short)
    if state is IpState.STANDBY:
        return replace(allocation, why=ahead.blocked_by, until=room.on, quota_short=room.short)
    return replace(allocation, why=ahead.blocked_by if allocation.kind is AllocationKind.RESTS else None)


def _starves(ip_decision: IpDecision, policy: Policy, day: date) -> str | None:
    """Was a warming IP given enough for a week, and got no mail for it?"""
    seen, proposal = ip_decision.observation, ip_decision.proposal
    week = {day - timedelta(days=n) for n in range(DEMAND_DAYS)}
    began = seen.phase_started_on
    needed = ceil(policy.sent_day_rate * proposal.wanted)
    if proposal.action is not Action.STAY or seen.given < needed or began is None or began > min(week):
        return None
    sent = dict(zip(seen.days.day, seen.days.sent, strict=True))
    if any(sent.get(one, 0) >= needed for one in week):
        return None
    mean = sum(sent.get(one, 0) for one in week) // DEMAND_DAYS
    return f"it was handed {mean} a day of the {proposal.wanted} that it may send, for {DEMAND_DAYS} days"


def _room_for_starts(
    ip_decisions: Sequence[IpDecision], policy: Policy, quota: int, effective: date
) -> dict[int, _Room]:
    """For each IP in standby the first day on which its target, beside those of all that send then, leaves the quota its
    head-room: as `plan.py` lets them start, one after the other."""
    sending = sum(o.observation.ip.daily_target for o in ip_decisions if state_after(o) in SENDING_STATES)
    leaves = sorted(
        (_drained_on(o, policy, effective), o.observation.ip.daily_target)
        for o in ip_decisions
        if state_after(o) is IpState.RETIRING
    )
    most = int(quota * (1 - policy.head_room_rate))
    found: dict[int, _Room] = {}
    taken, waiting = sending, 0
    for ip_decision in ip_decisions:
        if state_after(ip_decision) is not IpState.STANDBY or ip_decision.proposal.action is Action.HOLD:
            continue
        ip = ip_decision.observation.ip
        ready = ready_on(ip_decision, policy, effective)
        taken += ip.daily_target
        days = [ready, *(max(on, ready) for on, _ in leaves)]
        fits = (on for on in sorted(days) if taken - sum(n for left, n in leaves if left <= on) <= most)
        on = next(fits, None)
        freed = sum(target for _, target in leaves)
        short = None if on else quota_for(taken + waiting - freed, policy.head_room_rate) - quota
        found[ip.ip_id] = _Room(on, short)
        if on is None:
            taken -= ip.daily_target
            waiting += ip.daily_target
    return found


def quota_for(targets: int, head_room_rate: float) -> int:
    """The smallest quota that keeps `targets` warm and its head-room free."""
    quota = ceil(targets / (1 - head_room_rate))
    return quota if int(quota * (1 - head_room_rate)) >= targets else quota + 1


def _drained_on(ip_decision: IpDecision, policy: Policy, effective: date) -> date:
    whole = timedelta(days=len(policy.retiring_parts) * policy.retiring_days_each)
    if ip_decision.proposal.action is Action.RETIRE:
        return effective + whole
    return max(ip_decision.observation.ip.state_since.date() + whole, effective + timedelta(days=1))


@dataclass(slots=True)
class _Walker:
    """A warming IP in the days to come."""

    ip_decision: IpDecision
    climb: Climb
    last: int

    wanted: int = 0
    enough: int = 0

    def enter(self, policy: Policy) -> None:
        """Messages a UTC day of its phase, and how many of them make a day count."""
        ip, mix = self.ip_decision.observation.ip, self.ip_decision.proposal.mix
        schedule = policy.schedules[ip.schedule]
        if self.climb.phase <= self.last:
            self.wanted = stage_volume(schedule, self.climb.phase, ip.daily_target, policy.providers, mix)
            self.enough = ceil(policy.sent_day_rate * self.wanted)

    def sent(self, policy: Policy) -> None:
        done = self.climb.sent_days + 1
        if done < policy.schedules[self.ip_decision.observation.ip.schedule].sent_days:
            self.climb = replace(self.climb, sent_days=done)
        else:
            self.climb = replace(self.climb, phase=self.climb.phase + 1, sent_days=0)
            self.enter(policy)


def _room_for_short(
    ip_decisions: Sequence[IpDecision],
    policy: Policy,
    quota: int,
    effective: date,
    starts: Mapping[int, _Room],
) -> dict[int, _Room]:
    """For each warming IP that the quota leaves too little: the first day on which those before it leave enough. The quota is
    dealt to warming IPs, the furthest first, as in `plan.py`, and all of them send what they get."""
    short = {o.observation.ip.ip_id for o in ip_decisions if short_of_quota(o, policy)}
    if not short:
        return {}
    walkers: list[_Walker] = []
    for ip_decision in ip_decisions:
        climb = _climb(ip_decision, policy, effective, starts)
        if climb is not None:
            walkers.append(_Walker(ip_decision, climb, last_phase(ip_decision, policy)))
    for walker in walkers:
        walker.enter(policy)
    found: dict[int, _Room] = {}
    lacks: dict[int, int] = {}
    for n in range(AHEAD_DAYS):
        day, left = effective + timedelta(days=n), quota
        walkers = [one for one in walkers if one.climb.phase <= one.last]
        today = [one for one in walkers if one.climb.start <= day]
        for one in sorted(today, key=lambda w: (-w.climb.phase, w.ip_decision.observation.ip.ip_id)):
            ip = one.ip_decision.observation.ip
            given = min(one.wanted, left)
            left -= given
            if ip.ip_id in short and ip.ip_id not in found:
                lacks[ip.ip_id] = one.wanted - given
                if given >= one.enough:
                    found[ip.ip_id] = _Room(day, None)
            if given >= one.enough:
                one.sent(policy)
        if short <= found.keys():
            break
    return found | {ip_id: _Room(None, lacks.get(ip_id)) for ip_id in short - found.keys()}


def _climb(
    ip_decision: IpDecision, policy: Policy, effective: date, starts: Mapping[int, _Room]
) -> Climb | None:
    climb = climb_of(ip_decision, policy, effective)
    state = state_after(ip_decision)
    if state is IpState.STANDBY:
        room = starts.get(ip_decision.observation.ip.ip_id)
        return Climb(room.on, 1) if policy.auto_start_standby and room and room.on else None
    return climb if state is IpState.WARMING else None
