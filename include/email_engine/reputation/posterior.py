"""Rates as posteriors with their interval: an IP in its stream in its DKIM domain (facts: deliverability, section 3).

Zero complaints of 350 mails prove nothing about one IP; its neighbours' thousands do say something. So the rate of the domain
is where the stream's begins, and the stream's is where the IP's begins; each weighs as much as `pooling` bad messages at the
limit would."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import betaincinv

INTERVAL = 0.95
BASE_PART = 0.25
"""Before any mail is seen the rate is taken to be this part of the limit."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """A rate 0..1: `mean`, and `low` to `high`, between which it lies with 95 %; from `bad` of `messages` of its own."""

    mean: float
    low: float
    high: float
    bad: int
    messages: int


def posterior(levels: Sequence[tuple[int, int]], limit: float, pooling: float) -> Posterior:
    """The rate of the last of `levels`, each (bad, messages) of one level without those below it: domain, stream, IP.

    Raises ValueError without a level."""
    if not levels:
        raise ValueError("a posterior needs at least one level")
    weight, mean = pooling / limit, limit * BASE_PART
    a = b = 0.0
    for bad, messages in levels:
        good = max(messages - bad, 0)
        a, b = weight * mean + bad, weight * (1 - mean) + good
        mean = a / (a + b)
    tail = (1 - INTERVAL) / 2
    bad, messages = levels[-1]
    low, high = float(betaincinv(a, b, tail)), float(betaincinv(a, b, 1 - tail))
    return Posterior(mean, low, high, bad, messages)
