"""Speed that trouble takes and good days earn back, step by step: of the whole IP (`*`) by its score, of a provider by what
presses there. It is a part of what the schedule allows, so it is never faster than the schedule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from email_engine.fleet.traffic import Days
from email_engine.reputation.evidence import GateJudgement, GateVerdict
from email_engine.reputation.gates import Judged
from email_engine.reputation.score import Score
from email_engine.warmup.policy import Policy

WHOLE = "*"
_FULL = 0.999


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """`throttle_factors`: what is left, 0..1, by provider or `*`; what is at full speed is not in it. `slowed_on`: the UTC day on which
    each last lost speed: only a later day may give any back, or take more."""

    throttle_factors: Mapping[str, float] = field(default_factory=dict)
    slowed_on: Mapping[str, date] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DayClose:
    """What a closed day says. `whole`: the IP's days up to it, `providers`: those by provider; `trusted`: can the signals
    be trusted?"""

    day: date
    whole: Days
    providers: Mapping[str, Days]
    trusted: bool


def throttle_after(
    before: ThrottleState, evening: DayClose, score: Score, judged: Judged, policy: Policy
) -> ThrottleState:
    """The speeds from now on. A provider that got no mail for 14 days is forgotten."""
    throttle_factors: dict[str, float] = {}
    slowed: dict[str, date] = {}
    deferrals = judged.deferrals
    pressing = [name for name, one in deferrals.items() if one.verdict is GateVerdict.REGRESS]
    falling = [WHOLE] if score.surely_below(policy.score.slow_below) else []
    for name in sorted({*before.throttle_factors, *pressing, *falling}):
        old, last = before.throttle_factors.get(name, 1.0), before.slowed_on.get(name)
        if name == WHOLE:
            new = _whole(old, last, evening, score, judged, policy)
        elif name in evening.providers:
            new = _provider(old, last, evening, evening.providers[name], deferrals.get(name), policy)
        else:
            continue
        if new < _FULL:
            throttle_factors[name] = round(new, 4)
            moved = evening.day if new < old else last
            if moved is not None:
                slowed[name] = moved
    return ThrottleState(throttle_factors, slowed)


def _provider(
    pace: float,
    last: date | None,
    evening: DayClose,
    days: Days,
    judged: GateJudgement | None,
    policy: Policy,
) -> float:
    if last is not None and evening.day <= last:
        return pace
    today = days.on(evening.day)
    attempts, pressure = today.sent + today.deferred, today.throttling_deferrals + today.blocked
    limit = policy.gates.deferrals.limit
    if judged is not None and judged.verdict is GateVerdict.REGRESS and pressure > limit * attempts:
        return max(pace * policy.slow.factor, policy.slow.least)
    against = judged is not None and judged.evidence >= policy.gates.deferrals.step_back
    if not today.sent or pressure >= limit * attempts or against or not evening.trusted:
        return pace
    return min(pace * policy.slow.recover, 1.0)


def _whole(
    pace: float, last: date | None, evening: DayClose, score: Score, judged: Judged, policy: Policy
) -> float:
    if score.surely_below(policy.score.slow_below):
        return min(pace, policy.slow.factor)
    if pace >= 1.0 or (last is not None and evening.day <= last):
        return pace
    fine = all(one.verdict in (GateVerdict.PASS, GateVerdict.INSUFFICIENT) for one in judged.gates.values())
    good = score.value >= policy.score.slow_below if score.value is not None else fine
    if not evening.whole.sent_on(evening.day) or not evening.trusted or not good:
        return pace
    return min(pace * policy.slow.recover, 1.0)
