"""The score of an IP, 0 to 100, with its band and what it is made of. It never acts alone: only the upper end of its band does."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from email_engine.reputation.posterior import Posterior

BEST = 100.0
MOST_TIMES = 2
"""What a part can cost at most, in times of its points."""


@dataclass(frozen=True, slots=True)
class ScorePolicy:
    """`points`: what each part costs at its limit; `days`: that the rates are of; `pooling`: see `posterior`.

    Fewer than `min_messages` make it unknown. Below `slow_below` an IP is slowed, below `pause_below` it pauses."""

    days: int
    min_messages: int
    points: Mapping[str, int]
    pooling: int
    slow_below: int
    pause_below: int


@dataclass(frozen=True, slots=True)
class Score:
    """`value` in the middle of `low` to `high`; None while there is too little mail. `lost`: points by part.

    `rates`, `limits`, `points`: what the band is made of, by gate; `own`: the same rates without what neighbours suggest;
    `fixed`: points lost by facts, which have no band."""

    value: int | None
    lost: Mapping[str, float]
    rates: Mapping[str, Posterior]
    limits: Mapping[str, float]
    points: Mapping[str, int]
    own: Mapping[str, Posterior]
    fixed: float = 0.0

    @property
    def known(self) -> bool:
        return self.value is not None

    @property
    def low(self) -> int:
        return self._left({name: rate.high for name, rate in self.rates.items()}) if self.rates else 0

    @property
    def high(self) -> int:
        return self._left({name: rate.low for name, rate in self.rates.items()})

    def _left(self, rates: Mapping[str, float]) -> int:
        costs = [_cost(rate, self.limits[name], self.points[name]) for name, rate in rates.items()]
        return round(max(BEST - self.fixed - sum(costs), 0))

    def surely_below(self, points: int) -> bool:
        """Is even the upper end of its band below, by its own mail alone too? Never while it is unknown."""
        if self.value is None or self.value >= points or self.high >= points:
            return False
        return self._left({name: rate.low for name, rate in self.own.items()}) < points

    @property
    def words(self) -> str:
        """For people: `score of 62 (55 to 71; bounces cost 30)`."""
        if self.value is None:
            return "score"
        worst = [f"{name} cost {points:.0f}" for name, points in _greatest(self.lost) if points >= 1]
        return f"score of {self.value} ({self.low} to {self.high}{'; ' if worst else ''}{', '.join(worst)})"


_NOTHING: Mapping[str, Any] = MappingProxyType({})
NO_SCORE = Score(None, _NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING)


def _greatest(lost: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(lost.items(), key=lambda part: -part[1])[:3]


def score(
    rates: Mapping[str, Posterior],
    own: Mapping[str, Posterior],
    limits: Mapping[str, float],
    listed: bool,
    dns_broken: bool,
    policy: ScorePolicy,
) -> Score:
    """`rates`, `own`, `limits`: by gate; `own` from the IP's mail alone. No part costs more than twice its points: at 20 points, deferrals alone slow an IP and never
    pause it."""
    lost = {name: _cost(rate.mean, limits[name], policy.points[name]) for name, rate in rates.items()}
    facts = {
        "listed": listed * float(policy.points["listed"]),
        "dns": dns_broken * float(policy.points["dns"]),
    }
    fixed = facts["listed"] + facts["dns"]
    enough = max([rate.messages for rate in rates.values()], default=0) >= policy.min_messages
    value = round(max(BEST - fixed - sum(lost.values()), 0)) if enough else None
    parts = {name: round(points, 1) for name, points in (lost | facts).items()}
    return Score(value, parts, rates, limits, policy.points, own, fixed)


def _cost(rate: float, limit: float, points: int) -> float:
    return float(min((rate / limit) ** 2 * points, MOST_TIMES * points))
