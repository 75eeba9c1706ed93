"""The score of an IP, 0 to 100, with its band and what it is made of. It never acts alone: only the upper end of its band does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from email_engine.reputation.posterior import Posterior, means, posterior

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


Levels = Sequence[Sequence[Sequence[int]]]
"""For each gate, (bad, messages) of domain, stream and IP, each without those below it; see `posterior`."""


@dataclass(frozen=True, slots=True)
class Score:
    """`value` in the middle of `low` to `high`; None while there is too little mail.

    `levels`: what the band is made of, in the order of `limits`, which are by gate; `facts`: points lost by what has no band."""

    value: int | None
    levels: Levels
    limits: Mapping[str, float]
    policy: ScorePolicy
    facts: Mapping[str, float]

    @property
    def known(self) -> bool:
        return self.value is not None

    @property
    def rates(self) -> Mapping[str, Posterior]:
        """By gate."""
        return {
            name: posterior(levels, limit, self.policy.pooling)
            for (name, limit), levels in zip(self.limits.items(), self.levels, strict=True)
        }

    @property
    def lost(self) -> Mapping[str, float]:
        """Points by part."""
        costs = {
            name: float(_cost(rate.mean, self.limits[name], self.policy.points[name]))
            for name, rate in self.rates.items()
        }
        return {name: round(cost, 1) for name, cost in (costs | dict(self.facts)).items()}

    @property
    def low(self) -> int:
        return self._left({name: rate.high for name, rate in self.rates.items()}) if self.levels else 0

    @property
    def high(self) -> int:
        return self._left({name: rate.low for name, rate in self.rates.items()})

    def _left(self, rates: Mapping[str, float]) -> int:
        points = self.policy.points
        costs = [_cost(rate, self.limits[name], points[name]) for name, rate in rates.items()]
        return round(max(BEST - sum(self.facts.values()) - float(sum(costs)), 0))

    def surely_below(self, points: int) -> bool:
        """Is even the upper end of its band below, without what neighbours suggest too, and surer than the band? Never while it is
        unknown."""
        if self.value is None or self.value >= points or self.high >= points:
            return False
        own = {
            name: posterior([levels[-1]], limit, self.policy.pooling).proven
            for (name, limit), levels in zip(self.limits.items(), self.levels, strict=True)
        }
        return self._left(own) < points

    def _whose(self, part: str) -> str:
        """A part by name, by whose it is where that is not the IP's own; '' where nobody has any."""
        if part in self.facts:
            return part
        *others, own = self.levels[list(self.limits).index(part)]
        if own[0]:
            return part
        return f"{part} of others on its domain or stream" if any(level[0] for level in others) else ""

    @property
    def words(self) -> str:
        """For people: `score of 62 (55 to 71; bounces cost 30)`. What is only feared, since little mail rules little out, is not
        told as if it had happened."""
        if self.value is None:
            return "score"
        told = [(self._whose(name), points) for name, points in _greatest(self.lost) if points >= 1]
        worst = [f"{whose} cost {points:.0f}" for whose, points in told if whose]
        return f"score of {self.value} ({self.low} to {self.high}{'; ' if worst else ''}{', '.join(worst)})"


_NOTHING: Mapping[str, Any] = MappingProxyType({})
NO_SCORE = Score(None, (), _NOTHING, ScorePolicy(0, 0, _NOTHING, 0, 0, 0), _NOTHING)


def _greatest(lost: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(lost.items(), key=lambda part: -part[1])[:3]


def scores(
    levels: npt.NDArray[np.int64],
    listed: Sequence[bool],
    dns_broken: Sequence[bool],
    limits: Mapping[str, float],
    policy: ScorePolicy,
) -> list[Score]:
    """The score of each IP. `levels`: by IP, gate (in the order of `limits`), and level: see Levels.

    No part costs more than twice its points."""
    if not len(levels):
        return []
    facts = [
        {"listed": on_list * float(policy.points["listed"]), "dns": broken * float(policy.points["dns"])}
        for on_list, broken in zip(listed, dns_broken, strict=True)
    ]
    left = BEST - np.array([sum(one.values()) for one in facts])
    for place, (name, limit) in enumerate(limits.items()):
        left -= _cost(means(levels[:, place], limit, policy.pooling), limit, policy.points[name])
    values = np.rint(np.maximum(left, 0)).astype(int).tolist()
    enough = (levels[:, :, -1, 1].max(1) >= policy.min_messages).tolist()
    return [
        Score(value if known else None, own, limits, policy, fact)
        for value, known, own, fact in zip(values, enough, levels.tolist(), facts, strict=True)
    ]


def _cost(rate: Any, limit: float, points: int) -> Any:
    """Of a rate, or of an array of them."""
    return np.minimum((rate / limit) ** 2 * points, MOST_TIMES * points)
