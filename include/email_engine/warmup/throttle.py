"""Throttle factors: multiplicative decrease on bad signals, a fixed factor of recovery per good day; of the whole IP (`*`) by its
score, of a mailbox provider by what presses there. A factor is a part of what the schedule allows, never more."""

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import NamedTuple

from email_engine.fleet.traffic import NO_DAYS, Days
from email_engine.reputation.evidence import GateVerdict
from email_engine.reputation.gates import BLOCKS, COMPLAINTS, DEFERRALS, Judged
from email_engine.reputation.score import Score
from email_engine.warmup.policy import Policy
from email_engine.warmup.provider_limits import PROBING, SUSPENDED, WHOLE

_FULL = 0.999


class ThrottleState(NamedTuple):
    """`throttle_factors`: what is left, 0..1, by provider or `*`; what is at full speed is not in it. `slowed_on`: the UTC day on which
    each last lost speed: only a later day may give any back, or take more."""

    throttle_factors: Mapping[str, float]
    slowed_on: Mapping[str, date]


FULL_SPEED = ThrottleState(MappingProxyType({}), MappingProxyType({}))


class DayClose(NamedTuple):
    """What a closed day says. `whole`: the IP's days up to it, `providers`: those by provider; `trusted`: can the signals
    be trusted? `charged`: something is proven already, by which it is not slowed once more through its score; `down`: providers with
    an outage that stands."""

    day: date
    whole: Days
    providers: Mapping[str, Days]
    trusted: bool
    charged: bool = False
    down: tuple[str, ...] = ()


def may_change(
    factors: Mapping[str, float], down: Collection[str], score: Score, judged: Judged, policy: Policy
) -> bool:
    """Is anything slowed, or does anything press? Else an IP stays at full speed, which most are."""
    return bool(factors or down or judged.refused_by) or score.surely_below(policy.score.slow_below)


def throttle_after(
    before: ThrottleState, evening: DayClose, score: Score, judged: Judged, policy: Policy
) -> ThrottleState:
    """The factors from now on. A provider that got no mail for 14 days is forgotten, unless it is suspended."""
    throttle_factors: dict[str, float] = {}
    slowed: dict[str, date] = {}
    pressing = [*evening.down, *(name for names in judged.refused_by.values() for name in names)]
    measured = evening.charged or bool(pressing or any(name != WHOLE for name in before.throttle_factors))
    falling = [WHOLE] if not measured and score.surely_below(policy.score.slow_below) else []
    for name in sorted({*before.throttle_factors, *pressing, *falling}):
        old, last = before.throttle_factors.get(name, 1.0), before.slowed_on.get(name)
        if name == WHOLE:
            new = _whole(old, last, evening, score, judged, policy, measured)
        elif name in evening.down and (last is None or evening.day > last):
            new = SUSPENDED
        elif name in evening.providers or old <= PROBING:
            new = _provider(old, last, evening, evening.providers.get(name, NO_DAYS), name, judged, policy)
        else:
            continue
        if new < _FULL:
            throttle_factors[name] = round(new, 4)
            moved = (
                evening.day if new < old or (new != old and new <= PROBING) or name in evening.down else last
            )
            if moved is not None:
                slowed[name] = moved
    return ThrottleState(throttle_factors, slowed)


def _provider(
    factor: float, last: date | None, evening: DayClose, days: Days, name: str, judged: Judged, policy: Policy
) -> float:
    if last is not None and evening.day <= last:
        return factor
    today, gates = days.on(evening.day), policy.gates
    attempts, pressure = today.sent + today.deferred, today.throttling_deferrals + today.blocked
    proven = {gate for gate, names in judged.refused_by.items() if name in names}
    refused = today.blocked > gates.blocks.limit * today.sent
    pressed = pressure > gates.deferrals.limit * attempts
    if factor == SUSPENDED:
        over = last is None or evening.day - last >= timedelta(days=policy.suspend.days)
        return PROBING if over and evening.trusted else SUSPENDED
    if factor == PROBING:
        if refused or pressed:
            return SUSPENDED
        return policy.slow.least if today.delivered and evening.trusted else PROBING
    if BLOCKS in proven and refused:
        return SUSPENDED
    if COMPLAINTS in proven and _still_complains(days, evening.day, factor, last, policy):
        return SUSPENDED if factor < 1.0 else policy.slow.factor
    if DEFERRALS in proven and pressed:
        return max(factor * policy.slow.factor, policy.slow.least)
    if not today.sent or pressure >= gates.deferrals.limit * attempts or refused or not evening.trusted:
        return factor
    return min(factor * policy.slow.recover, 1.0)


def _still_complains(days: Days, day: date, factor: float, last: date | None, policy: Policy) -> bool:
    """At full speed: whatever proves it is enough. Once slowed, the mail since then must be above the limit too, some days later."""
    if factor >= 1.0 or last is None:
        return True
    if (day - last).days < policy.varying_days.within_days:
        return False
    since = days.since(last + timedelta(days=1))
    return sum(days.complained[since:]) > policy.gates.complaints.limit * sum(days.delivered[since:])


def _whole(
    factor: float,
    last: date | None,
    evening: DayClose,
    score: Score,
    judged: Judged,
    policy: Policy,
    measured: bool,
) -> float:
    if not measured and score.surely_below(policy.score.slow_below):
        return min(factor, policy.slow.factor)
    if factor >= 1.0 or (last is not None and evening.day <= last):
        return factor
    fine = all(one.verdict in (GateVerdict.PASS, GateVerdict.INSUFFICIENT) for one in judged.gates.values())
    good = score.value >= policy.score.slow_below if score.value is not None else fine
    if not evening.whole.sent_on(evening.day) or not evening.trusted or not good:
        return factor
    return min(factor * policy.slow.recover, 1.0)
