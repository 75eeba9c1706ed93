"""What one IP's mail met in one UTC day, counted from PowerMTA's accounting."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import date
from operator import add, attrgetter, sub


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Messages of one IP in one UTC day; deferrals are attempts that will be made again.

    `blocked`: bounces whose reply blames the sender's reputation; `pressed`: deferrals that speak of rate or reputation;
    `named`: replies that name a block list, `named_grave`: one of those that the policy calls grave."""

    day: date
    delivered: int = 0
    bounced: int = 0
    deferred: int = 0
    complained: int = 0
    blocked: int = 0
    pressed: int = 0
    named: int = 0
    named_grave: int = 0

    @property
    def sent(self) -> int:
        """Messages that came to an end: delivered or bounced."""
        return self.delivered + self.bounced


COUNTED = tuple(field.name for field in fields(DayCounts))[1:]
"""The names of the counts."""

_values: Callable[[DayCounts], tuple[int, ...]] = attrgetter(*COUNTED)


def total(days: Iterable[DayCounts], first: date, last: date) -> DayCounts:
    """The sum of all days from `first` to `last`, both included; its `day` is `last`."""
    chosen = [counts for counts in days if first <= counts.day <= last]
    return DayCounts(last, *(sum(getattr(counts, name) for counts in chosen) for name in COUNTED))


def by_day(several: Iterable[Iterable[DayCounts]]) -> tuple[DayCounts, ...]:
    """The sums of several IPs' days, oldest first."""
    summed: dict[date, Iterable[int]] = {}
    for days in several:
        for counts in days:
            was = summed.get(counts.day)
            values = _values(counts)
            summed[counts.day] = values if was is None else tuple(map(add, was, values))
    return tuple(DayCounts(day, *summed[day]) for day in sorted(summed))


def without(whole: Iterable[DayCounts], part: Iterable[DayCounts]) -> tuple[DayCounts, ...]:
    """Sums by day less those of one that is in them; days on which nothing is left are left out."""
    own = {counts.day: counts for counts in part}
    left = []
    for counts in whole:
        mine = own.get(counts.day)
        if mine is None:
            left.append(counts)
        elif any(rest := tuple(map(sub, _values(counts), _values(mine)))):
            left.append(DayCounts(counts.day, *rest))
    return tuple(left)
