"""Rates over the last 7 days, always with the counts they come from: for people to read, never to act on alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from email_engine.fleet.traffic import DayCounts, total

WINDOW_DAYS = 7


@dataclass(frozen=True, slots=True)
class Rates:
    """`bounce_rate` is of messages sent, `complaint_rate` of messages delivered, `deferral_rate` of attempts;
    a rate without a message under it is None, not 0."""

    counts: DayCounts
    bounce_rate: float | None
    complaint_rate: float | None
    deferral_rate: float | None


def _ratio(part: int, whole: int) -> float | None:
    return min(part / whole, 1.0) if whole else None


def rates(days: Sequence[DayCounts], last: date) -> Rates:
    """Rates of the 7 UTC days that end with `last`."""
    counts = total(days, last - timedelta(days=WINDOW_DAYS - 1), last)
    return Rates(
        counts=counts,
        bounce_rate=_ratio(counts.bounced, counts.sent),
        complaint_rate=_ratio(counts.complained, counts.delivered),
        deferral_rate=_ratio(counts.deferred, counts.sent + counts.deferred),
    )
