"""What a tenant's quota can carry: who warms, who is active, who waits in standby, why, and until when. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import ceil

from email_engine.fleet.model import SENDING_STATES, IpState
from email_engine.warmup.choice import Action
from email_engine.warmup.forecast import (
    Climb,
    climb_of,
    forecast,
    last_phase,
    ready_on,
    short_of_quota,
    state_after,
)
from email_engine.warmup.ladders import stage_volume
from email_engine.warmup.plan import Outcome, Quotas
from email_engine.warmup.policy import Policy
from email_engine.warmup.seats import DEMAND_DAYS, CapacityPlan, Place, Seat

AHEAD_DAYS = 180
"""So far the plan looks: it speaks of dates while nothing else changes."""


def plan_capacity(
    outcomes: Sequence[Outcome], policy: Policy, quotas: Quotas, day: date, effective: date
) -> CapacityPlan:
    """The plan for the UTC day `effective`, from what was decided when `day` closed about all IPs of one tenant."""
    pots: dict[str | None, list[Outcome]] = {}
    for outcome in outcomes:
        pots.setdefault(quotas.pot(outcome.observation.ip.stream), []).append(outcome)
    seats: dict[int, Seat] = {}
    for pot, mine in pots.items():
        size = quotas.size(pot)
        ahead = _room_for_starts(mine, policy, size, effective)
        more = _room_for_short(mine, policy, size, effective, ahead)
        for outcome in mine:
            ip_id = outcome.observation.ip.ip_id
            room = ahead.get(ip_id) or more.get(ip_id) or _Room(None, None)
            seats[ip_id] = _seat(outcome, policy, day, effective, room)
    tenant = outcomes[0].observation.ip.tenant if outcomes else ""
    ordered = tuple(seats[outcome.observation.ip.ip_id] for outcome in outcomes)
    return CapacityPlan(tenant, effective, quotas.tenant, ordered)


_PLACES = {
    IpState.WARMING: Place.WARMS,
    IpState.ACTIVE: Place.ACTIVE,
    IpState.RETIRING: Place.RETIRES,
    IpState.STANDBY: Place.WAITS,
    IpState.RESTING: Place.RESTS,
    IpState.QUARANTINE: Place.RESTS,
    IpState.ABANDONED: Place.GONE,
}


@dataclass(frozen=True, slots=True)
class _Room:
    """When the quota has room, or how much it lacks."""

    on: date | None
    short: int | None


def _seat(outcome: Outcome, policy: Policy, day: date, effective: date, room: _Room) -> Seat:
    seen, choice = outcome.observation, outcome.choice
    state = state_after(outcome)
    first = day - timedelta(days=DEMAND_DAYS - 1)
    ahead = forecast(outcome, policy, day, effective)
    seat = Seat(
        ip=str(seen.ip.address),
        stream=seen.ip.stream,
        state=state,
        place=_PLACES[state],
        allowance=0 if state not in SENDING_STATES else outcome.allowance,
        wanted=choice.wanted,
        sent=sum(seen.days.between(first, day).sent) // DEMAND_DAYS,
    )
    if state in SENDING_STATES and choice.paused_until is not None:
        return replace(seat, place=Place.PAUSED, why=ahead.blocked_by, until=choice.paused_until.date())
    if state is IpState.WARMING and (short_of_quota(outcome, policy) or _starves(outcome, policy, day)):
        why = short_of_quota(outcome, policy) or _starves(outcome, policy, day)
        return replace(seat, place=Place.SHORT, why=why, until=room.on, quota_short=room.short)
    if state is IpState.STANDBY:
        return replace(seat, why=ahead.blocked_by, until=room.on, quota_short=room.short)
    return replace(seat, why=ahead.blocked_by if seat.place is Place.RESTS else None)


def _starves(outcome: Outcome, policy: Policy, day: date) -> str | None:
    """Was a warming IP given enough for a week, and got no mail for it?"""
    seen, choice = outcome.observation, outcome.choice
    week = {day - timedelta(days=n) for n in range(DEMAND_DAYS)}
    began = seen.phase_started_on
    needed = ceil(policy.sent_day_rate * choice.wanted)
    if choice.action is not Action.STAY or seen.given < needed or began is None or began > min(week):
        return None
    sent = dict(zip(seen.days.day, seen.days.sent, strict=True))
    if any(sent.get(one, 0) >= needed for one in week):
        return None
    mean = sum(sent.get(one, 0) for one in week) // DEMAND_DAYS
    return f"it was handed {mean} a day of the {choice.wanted} that it may send, for {DEMAND_DAYS} days"


def _room_for_starts(
    outcomes: Sequence[Outcome], policy: Policy, quota: int, effective: date
) -> dict[int, _Room]:
    """For each IP in standby the first day on which its target, beside those of all that send then, leaves the quota its
    head-room: as `plan.py` lets them start, one after the other."""
    sending = sum(o.observation.ip.daily_target for o in outcomes if state_after(o) in SENDING_STATES)
    leaves = sorted(
        (_drained_on(o, policy, effective), o.observation.ip.daily_target)
        for o in outcomes
        if state_after(o) is IpState.RETIRING
    )
    most = int(quota * (1 - policy.head_room_rate))
    found: dict[int, _Room] = {}
    taken, waiting = sending, 0
    for outcome in outcomes:
        if state_after(outcome) is not IpState.STANDBY or outcome.choice.action is Action.HOLD:
            continue
        ip = outcome.observation.ip
        ready = ready_on(outcome, policy, effective)
        taken += ip.daily_target
        days = [ready, *(max(on, ready) for on, _ in leaves)]
        fits = (on for on in sorted(days) if taken - sum(n for left, n in leaves if left <= on) <= most)
        on = next(fits, None)
        freed = sum(target for _, target in leaves)
        short = None if on else _lacking(taken + waiting - freed, policy.head_room_rate) - quota
        found[ip.ip_id] = _Room(on, short)
        if on is None:
            taken -= ip.daily_target
            waiting += ip.daily_target
    return found


def _lacking(targets: int, head_room_rate: float) -> int:
    """The smallest quota that keeps `targets` warm and its head-room free."""
    quota = ceil(targets / (1 - head_room_rate))
    return quota if int(quota * (1 - head_room_rate)) >= targets else quota + 1


def _drained_on(outcome: Outcome, policy: Policy, effective: date) -> date:
    whole = timedelta(days=len(policy.retiring_parts) * policy.retiring_days_each)
    if outcome.choice.action is Action.RETIRE:
        return effective + whole
    return max(outcome.observation.ip.state_since.date() + whole, effective + timedelta(days=1))


@dataclass(slots=True)
class _Walker:
    """A warming IP in the days to come."""

    outcome: Outcome
    climb: Climb
    last: int

    wanted: int = 0
    enough: int = 0

    def enter(self, policy: Policy) -> None:
        """Messages a UTC day of its phase, and how many of them make a day count."""
        ip, mix = self.outcome.observation.ip, self.outcome.choice.mix
        schedule = policy.schedules[ip.schedule]
        if self.climb.phase <= self.last:
            self.wanted = stage_volume(schedule, self.climb.phase, ip.daily_target, policy.providers, mix)
            self.enough = ceil(policy.sent_day_rate * self.wanted)

    def sent(self, policy: Policy) -> None:
        done = self.climb.sent_days + 1
        if done < policy.schedules[self.outcome.observation.ip.schedule].sent_days:
            self.climb = replace(self.climb, sent_days=done)
        else:
            self.climb = replace(self.climb, phase=self.climb.phase + 1, sent_days=0)
            self.enter(policy)


def _room_for_short(
    outcomes: Sequence[Outcome],
    policy: Policy,
    quota: int,
    effective: date,
    starts: Mapping[int, _Room],
) -> dict[int, _Room]:
    """For each warming IP that the quota leaves too little: the first day on which those before it leave enough. The quota is
    dealt to warming IPs, the furthest first, as in `plan.py`, and all of them send what they get."""
    short = {o.observation.ip.ip_id for o in outcomes if short_of_quota(o, policy)}
    if not short:
        return {}
    walkers: list[_Walker] = []
    for outcome in outcomes:
        climb = _climb(outcome, policy, effective, starts)
        if climb is not None:
            walkers.append(_Walker(outcome, climb, last_phase(outcome, policy)))
    for walker in walkers:
        walker.enter(policy)
    found: dict[int, _Room] = {}
    lacks: dict[int, int] = {}
    for n in range(AHEAD_DAYS):
        day, left = effective + timedelta(days=n), quota
        walkers = [one for one in walkers if one.climb.phase <= one.last]
        today = [one for one in walkers if one.climb.start <= day]
        for one in sorted(today, key=lambda w: (-w.climb.phase, w.outcome.observation.ip.ip_id)):
            ip = one.outcome.observation.ip
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


def _climb(outcome: Outcome, policy: Policy, effective: date, starts: Mapping[int, _Room]) -> Climb | None:
    climb = climb_of(outcome, policy, effective)
    state = state_after(outcome)
    if state is IpState.STANDBY:
        room = starts.get(outcome.observation.ip.ip_id)
        return Climb(room.on, 1) if policy.auto_start_standby and room and room.on else None
    return climb if state is IpState.WARMING else None
