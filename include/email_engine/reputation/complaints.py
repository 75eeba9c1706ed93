"""Complaints belong to the mail of the days before them: never to a day without mail, never their own denominator."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from operator import le

import numpy as np

from email_engine.fleet.traffic import NO_DAYS, Column, Days, by_day, column


def stand_on_their_mail(days: Days) -> bool:
    """Does each complaint count on the day on which it stands?"""
    return not any(days.undated_complaints) and all(map(le, days.complained, days.delivered))


def astray(several: Sequence[Days]) -> list[int]:
    """The places of those whose complaints do not all stand on their mail; of many at once they are found as one."""
    complained, delivered, undated = (
        np.frombuffer(b"".join(counts), np.int64)
        for counts in (
            [days.complained for days in several],
            [days.delivered for days in several],
            [days.undated_complaints for days in several],
        )
    )
    wrong = np.flatnonzero((complained > delivered) | (undated != 0))
    if not len(wrong):
        return []
    ends = np.cumsum([len(days) for days in several])
    return sorted({int(place) for place in np.searchsorted(ends, wrong, "right")})


def on_days_of_mail(days: Days, late_days: int, earlier: Days = NO_DAYS) -> Column:
    """Complaints by day of `days`; `earlier`: the days before them, to which a part of the reports belongs. Dated ones stand on the day on which their mail was sent; those whose reports carry no date, and
    those that a day's mail cannot have brought, are spread over the mail delivered on their day and the `late_days` before it.
    What finds no mail there is about mail that is not known, and counts nowhere."""
    if stand_on_their_mail(days):
        return days.complained
    if earlier:
        return on_days_of_mail(by_day([earlier, days]), late_days)[-len(days) :]
    found = [0.0] * len(days)
    for at, (complained, undated, delivered) in enumerate(
        zip(days.complained, days.undated_complaints, days.delivered, strict=True)
    ):
        dated = min(complained - undated, delivered)
        found[at] += dated
        if complained > dated:
            _spread(days, at, complained - dated, late_days, found)
    return _whole(found, days.delivered)


def _spread(days: Days, at: int, complaints: int, late_days: int, found: list[float]) -> None:
    first = days.since(days.day[at] - timedelta(days=late_days))
    delivered = days.delivered[first : at + 1]
    for place, messages in enumerate(delivered, first):
        if messages:
            found[place] += complaints * messages / sum(delivered)


def _whole(parts: list[float], delivered: Column) -> Column:
    """Whole complaints with the same running sum, so that parts of many reports do not all fall on one day."""
    rounded, so_far, given = [], 0.0, 0
    for part, messages in zip(parts, delivered, strict=True):
        so_far += part
        now = min(round(so_far) - given, messages)
        given += max(now, 0)
        rounded.append(max(now, 0))
    return column(rounded)


def reporting(providers: Mapping[str, Days], known: Iterable[str] | None) -> list[str]:
    """The providers by name whose mail counts for complaints: those that ever report (`known`; where nobody knows, those with a
    complaint here). A silent provider's mail says nothing about complaints."""
    if known is None:
        return sorted(name for name, days in providers.items() if any(days.complained))
    reported = frozenset(known)
    return sorted(name for name in providers if name in reported)
