"""The binomial dice: exact, seeded, quick for large numbers."""

import math
import random
from statistics import fmean, pvariance

import pytest

from email_engine.simulation.chance import binomial


@pytest.mark.parametrize(
    ("messages", "rate"),
    [(50, 0.02), (50, 0.5), (500, 0.1), (5_000, 0.02), (5_000, 0.9), (2_000_000, 0.001)],
    ids=str,
)
def test_mean_and_variance_are_the_binomials(messages: int, rate: float) -> None:
    dice = random.Random(7)
    drawn = [binomial(dice, messages, rate) for _ in range(3_000)]
    deviation = math.sqrt(messages * rate * (1 - rate))
    assert all(0 <= one <= messages for one in drawn)
    assert fmean(drawn) == pytest.approx(messages * rate, abs=4 * deviation / math.sqrt(3_000))
    assert pvariance(drawn) == pytest.approx(deviation**2, rel=0.12)


def test_every_number_comes_as_often_as_it_should() -> None:
    dice, seen = random.Random(11), [0] * 61
    for _ in range(20_000):
        seen[binomial(dice, 60, 0.4)] += 1  # 24 hits on average: halved once, then counted
    for hits in range(16, 33):
        expected = 20_000 * math.comb(60, hits) * 0.4**hits * 0.6 ** (60 - hits)
        assert seen[hits] == pytest.approx(expected, abs=4.5 * math.sqrt(expected))


@pytest.mark.parametrize(
    ("messages", "rate", "expected"),
    [(0, 0.5, 0), (10, 0.0, 0), (10, 1.0, 10), (100_000, 1.0, 100_000), (100_000, 0.0, 0)],
    ids=str,
)
def test_certainties_need_no_dice(messages: int, rate: float, expected: int) -> None:
    assert binomial(random.Random(1), messages, rate) == expected
