"""The score of an IP, 0 to 100, with its band and what it is made of. It never acts alone: only the upper end of its band does."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from email_engine.reputation.posterior import Posterior

BEST = 100.0
MOST = 60.0
"""The most points that one part can cost."""


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
    """`value` in the middle of `low` to `high`; None while there is too little mail. `lost`: points by part."""

    value: int | None
    low: int
    high: int
    lost: Mapping[str, float]
    rates: Mapping[str, Posterior]

    @property
    def known(self) -> bool:
        return self.value is not None

    @property
    def words(self) -> str:
        """For people: `score 62 (55 to 71), of which bounces cost 30`."""
        if self.value is None:
            return "score unknown, too little mail"
        worst = [f"{name} cost {points:.0f}" for name, points in _greatest(self.lost) if points >= 1]
        return f"score {self.value} ({self.low} to {self.high})" + (f": {', '.join(worst)}" if worst else "")


NO_SCORE = Score(None, 0, 100, MappingProxyType({}), MappingProxyType({}))


def _greatest(lost: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(lost.items(), key=lambda part: -part[1])[:3]


def score(
    rates: Mapping[str, Posterior],
    limits: Mapping[str, float],
    listed: bool,
    dns_broken: bool,
    policy: ScorePolicy,
) -> Score:
    """`rates`, `limits`: by gate, those of the worst provider for deferrals."""
    lost = {name: _cost(rate.mean, limits[name], policy.points[name]) for name, rate in rates.items()}
    facts = {
        "listed": listed * float(policy.points["listed"]),
        "dns": dns_broken * float(policy.points["dns"]),
    }
    fixed = sum(facts.values())
    least = fixed + sum(_cost(rate.low, limits[name], policy.points[name]) for name, rate in rates.items())
    most = fixed + sum(_cost(rate.high, limits[name], policy.points[name]) for name, rate in rates.items())
    low, high = round(max(BEST - most, 0)), round(max(BEST - least, 0))
    enough = max((rate.messages for rate in rates.values()), default=0) >= policy.min_messages
    value = round(max(BEST - fixed - sum(lost.values()), 0)) if enough else None
    parts = {name: round(points, 1) for name, points in (lost | facts).items()}
    return Score(value, low, high, parts, dict(rates))


def _cost(rate: float, limit: float, points: int) -> float:
    return float(min((rate / limit) ** 2 * points, MOST))
