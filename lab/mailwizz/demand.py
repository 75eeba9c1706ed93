"""When a campaign's messages fall due: an even stream over the UTC day, exact to the message."""

from datetime import datetime

DAY_MICROSECONDS = 86_400_000_000


def due_by(daily_demand: int, moment: datetime) -> int:
    """Messages due from the first day of the calendar up to `moment` (aware UTC)."""
    of_day = ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond
    return moment.toordinal() * daily_demand + of_day * daily_demand // DAY_MICROSECONDS


def due_between(daily_demand: int, since: datetime, until: datetime) -> int:
    """Messages due after `since` and not later than `until`; any split of a span gives the same sum."""
    return due_by(daily_demand, until) - due_by(daily_demand, since)


def moments(count: int, since: float, until: float) -> list[float]:
    """`count` unix times spread evenly inside the open span."""
    step = (until - since) / count if count else 0.0
    return [since + (n + 0.5) * step for n in range(count)]
