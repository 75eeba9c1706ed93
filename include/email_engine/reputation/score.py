"""The score of an IP, 0 to 100, with its band and what it is made of. It never acts alone: only the upper end of its band does."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from email_engine.reputation.posterior import Posterior, posterior

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
    """`value` in the middle of `low` to `high`; None while there is too little mail.

    `rates`, `limits`: what the band is made of, by gate; `facts`: points lost by what has no band."""

    value: int | None
    rates: Mapping[str, Posterior]
    limits: Mapping[str, float]
    policy: ScorePolicy
    facts: Mapping[str, float]

    @property
    def known(self) -> bool:
        return self.value is not None

    @property
    def lost(self) -> Mapping[str, float]:
        """Points by part."""
        points = self.policy.points
        costs = {name: _cost(rate.mean, self.limits[name], points[name]) for name, rate in self.rates.items()}
        return {name: round(cost, 1) for name, cost in (costs | dict(self.facts)).items()}

    @property
    def low(self) -> int:
        return self._left({name: rate.high for name, rate in self.rates.items()}) if self.rates else 0

    @property
    def high(self) -> int:
        return self._left({name: rate.low for name, rate in self.rates.items()})

    def _left(self, rates: Mapping[str, float]) -> int:
        return _left(rates, self.limits, self.facts, self.policy)

    def surely_below(self, points: int) -> bool:
        """Is even the upper end of its band below, without what neighbours suggest too? Never while it is unknown."""
        if self.value is None or self.value >= points or self.high >= points:
            return False
        pooling = self.policy.pooling
        own = {
            name: posterior([(rate.bad, rate.messages)], self.limits[name], pooling).low
            for name, rate in self.rates.items()
        }
        return self._left(own) < points

    @property
    def words(self) -> str:
        """For people: `score of 62 (55 to 71; bounces cost 30)`."""
        if self.value is None:
            return "score"
        worst = [f"{name} cost {points:.0f}" for name, points in _greatest(self.lost) if points >= 1]
        return f"score of {self.value} ({self.low} to {self.high}{'; ' if worst else ''}{', '.join(worst)})"


_NOTHING: Mapping[str, Any] = MappingProxyType({})
NO_SCORE = Score(None, _NOTHING, _NOTHING, ScorePolicy(0, 0, _NOTHING, 0, 0, 0), _NOTHING)


def _greatest(lost: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(lost.items(), key=lambda part: -part[1])[:3]


def score(
    rates: Mapping[str, Posterior],
    limits: Mapping[str, float],
    listed: bool,
    dns_broken: bool,
    policy: ScorePolicy,
) -> Score:
    """`rates`, `limits`: by gate. No part costs more than twice its points: at 20 points, deferrals alone slow an IP and never
    pause it."""
    facts = {
        "listed": listed * float(policy.points["listed"]),
        "dns": dns_broken * float(policy.points["dns"]),
    }
    value = None
    if max([rate.messages for rate in rates.values()], default=0) >= policy.min_messages:
        value = _left({name: rate.mean for name, rate in rates.items()}, limits, facts, policy)
    return Score(value, rates, limits, policy, facts)


def _left(
    rates: Mapping[str, float], limits: Mapping[str, float], facts: Mapping[str, float], policy: ScorePolicy
) -> int:
    """Points that rates and facts leave."""
    costs = [_cost(rate, limits[name], policy.points[name]) for name, rate in rates.items()]
    return round(max(BEST - sum(facts.values()) - sum(costs), 0))


def _cost(rate: float, limit: float, points: int) -> float:
    return float(min((rate / limit) ** 2 * points, MOST_TIMES * points))
