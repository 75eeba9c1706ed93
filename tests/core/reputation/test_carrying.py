"""One bad day alone, or several."""

from datetime import date, timedelta

import pytest

from email_engine.fleet.traffic import column
from email_engine.reputation.carrying import carrying

DAY = date(2026, 11, 1)
LIMIT, STOP, WITHIN = 0.05, 100, timedelta(days=2)


def carried(*rates: float, messages: int = 5_000, gap: int = 1):
    day = [DAY + timedelta(days=n * gap) for n in range(len(rates))]
    bad = column(round(rate * messages) for rate in rates)
    return carrying(day, bad, column([messages] * len(rates)), [LIMIT] * len(rates), STOP, WITHIN)


@pytest.mark.parametrize(
    ("rates", "several"),
    [
        ((0.02, 0.02, 0.07), False),
        ((0.02, 0.07, 0.02), False),
        ((0.07, 0.02, 0.07), True),
        ((0.07, 0.02, 0.02, 0.07), False),
        ((0.07, 0.07), True),
        ((0.12,), False),
    ],
    ids=["one day", "one day, then a good one", "two of three", "too far apart", "two together", "one extreme day"],
)  # fmt: skip
def test_one_day_alone_or_several(rates: tuple[float, ...], several: bool) -> None:
    found = carried(*rates)
    assert found.several is several
    assert found.rate == pytest.approx(max(rates), abs=0.001)
    assert found.days[-1] == DAY + timedelta(days=max(n for n, rate in enumerate(rates) if rate > 0.06))


def test_an_older_bad_day_that_good_ones_followed_does_not_count() -> None:
    assert not carried(0.12, *[0.01] * 20, 0.07).several


def test_what_only_many_small_days_prove_is_several() -> None:
    found = carried(*[0.1] * 8, messages=50)
    assert (found.several, found.days) == (True, ())
