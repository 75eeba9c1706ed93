"""Rates always come with the counts under them."""

from datetime import date, timedelta

import pytest

from email_engine.fleet.traffic import DayCounts
from email_engine.reputation.rates import rates

LAST = date(2026, 11, 21)


def test_seven_days_are_counted_and_the_eighth_is_not() -> None:
    days = [DayCounts(LAST - timedelta(days=n), delivered=98, bounced=2) for n in range(10)]
    week = rates(days, LAST)
    assert (week.counts.sent, week.counts.bounced) == (700, 14)
    assert week.bounce_rate == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("counts", "bounce_rate", "complaint_rate", "deferral_rate"),
    [
        (DayCounts(LAST), None, None, None),
        (DayCounts(LAST, deferred=3), None, None, 1.0),
        (DayCounts(LAST, delivered=999, bounced=1, deferred=1000, complained=1), 0.001, 1 / 999, 0.5),
        (DayCounts(LAST, delivered=1, complained=5), 0.0, 1.0, 0.0),
    ],
    ids=["no mail is no rate", "only deferrals", "each has its own base", "late complaints never pass 1"],
)
def test_a_rate_without_messages_is_none(
    counts: DayCounts, bounce_rate: float | None, complaint_rate: float | None, deferral_rate: float | None
) -> None:
    week = rates([counts], LAST)
    assert (week.bounce_rate, week.complaint_rate, week.deferral_rate) == (
        bounce_rate,
        complaint_rate,
        deferral_rate,
    )
