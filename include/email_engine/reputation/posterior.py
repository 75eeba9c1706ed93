"""Rates as posteriors with their interval: an IP in its stream in its DKIM domain (facts: deliverability, section 3).

Zero complaints of 350 mails prove nothing about one IP; its neighbours' thousands do say something. So the rate of the domain
is where the stream's begins, and the stream's is where the IP's begins; each weighs as much as `pooling` bad messages at the
limit would."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

INTERVAL = 0.95
ACTING = 0.99
BASE_PART = 0.25
"""Before any mail is seen the rate is taken to be this part of the limit."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """A rate 0..1 as Beta(`a`, `b`), from `bad` of `messages` of its own.

    The ends of the interval cost more than all the rest, so they are worked out only when they are asked for."""

    a: float
    b: float
    bad: int
    messages: int

    @property
    def mean(self) -> float:
        return self.a / (self.a + self.b)

    @property
    def low(self) -> float:
        """The rate is above it with 97.5 %."""
        return float(betaincinv(self.a, self.b, (1 - INTERVAL) / 2))

    @property
    def proven(self) -> float:
        """The rate is above it with 99.5 %: what is looked at every day must be surer than what is shown."""
        return float(betaincinv(self.a, self.b, (1 - ACTING) / 2))

    @property
    def high(self) -> float:
        """The rate is below it with 97.5 %."""
        return float(betaincinv(self.a, self.b, (1 + INTERVAL) / 2))


def posterior(levels: Sequence[Sequence[int]], limit: float, pooling: float) -> Posterior:
    """The rate of the last of `levels`, each (bad, messages) of one level without those below it: domain, stream, IP.

    Raises ValueError without a level."""
    if not levels:
        raise ValueError("a posterior needs at least one level")
    bad, messages = levels[-1]
    a, b = _beta(levels, limit, pooling)
    return Posterior(float(a), float(b), bad, messages)


def means(levels: npt.NDArray[np.int64], limit: float, pooling: float) -> npt.NDArray[np.float64]:
    """The mean of `posterior` for each of many; `levels`: (many, levels, bad and messages)."""
    a, b = _beta([(levels[:, n, 0], levels[:, n, 1]) for n in range(levels.shape[1])], limit, pooling)
    return np.asarray(a / (a + b))


def _beta(levels: Sequence[Sequence[Any]], limit: float, pooling: float) -> tuple[Any, Any]:
    """Of numbers, or of arrays element by element."""
    weight, mean = pooling / limit, limit * BASE_PART
    a = b = 0.0
    for bad, messages in levels:
        a = weight * mean + bad
        b = weight * (1 - mean) + (messages - bad) * (messages > bad)
        mean = a / (a + b)
    return a, b
