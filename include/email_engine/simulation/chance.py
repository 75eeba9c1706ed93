"""Binomial draws from a seeded generator (Python 3.11 has none of its own)."""

import math
import random

_FEW = 16.0


def binomial(dice: random.Random, messages: int, rate: float) -> int:
    """How many of `messages` meet a fate of chance `rate` (0..1); exact, in the time of log(messages).

    Large numbers are halved at the median of their order statistics, which is Beta-distributed (Devroye, "Non-Uniform
    Random Variate Generation", X.4.3); the rest is counted by geometric leaps from one hit to the next."""
    if rate > 0.5:
        return messages - binomial(dice, messages, 1.0 - rate)
    hits = 0
    while messages * rate > _FEW:
        middle = (messages + 1) // 2
        split = dice.betavariate(middle, messages + 1 - middle)
        if split <= rate:
            hits += middle
            messages -= middle
            rate = (rate - split) / (1.0 - split)
        else:
            messages = middle - 1
            rate = min(rate / split, 1.0)
    return hits + _leaps(dice, messages, rate)


def _leaps(dice: random.Random, messages: int, rate: float) -> int:
    if rate >= 1.0:
        return messages
    if messages <= 0 or rate <= 0.0:
        return 0
    hits, place, miss = 0, 0, math.log1p(-rate)
    while True:
        place += int(math.log(1.0 - dice.random()) / miss) + 1
        if place > messages:
            return hits
        hits += 1
