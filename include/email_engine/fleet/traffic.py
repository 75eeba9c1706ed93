"""What one IP's mail met in one UTC day, counted from PowerMTA's accounting; and in several days, by columns."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from operator import add, attrgetter, sub
from typing import Any, overload


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

Column = tuple[int, ...]
_values: Callable[[DayCounts], tuple[Any, ...]] = attrgetter("day", *COUNTED)
_NO_ROWS: tuple[tuple[Any, ...], ...] = ((),) * (1 + len(COUNTED))


class Days(Sequence[DayCounts]):
    """Counts of several UTC days, oldest first, no day twice: a sequence of DayCounts, and each count as a column of its own.

    A decision sums columns and seldom looks at a day; as objects, the days of a large fleet cost more time to fetch than
    to judge. `day`: the days; `columns`: one for each of COUNTED; `sent`: delivered and bounced; `attempts`: those and deferred;
    `pressure`: what was blocked or pressed."""

    __slots__ = (
        "attempts",
        "blocked",
        "bounced",
        "columns",
        "complained",
        "day",
        "delivered",
        "named",
        "named_grave",
        "pressed",
        "pressure",
        "sent",
    )

    def __init__(self, day: tuple[date, ...] = (), columns: tuple[Column, ...] = _NO_ROWS[1:]) -> None:
        self.day = day
        self.columns = columns
        self.delivered, self.bounced, deferred, self.complained, self.blocked, self.pressed, *named = columns
        self.named, self.named_grave = named
        self.sent: Column = tuple(map(add, self.delivered, self.bounced))
        self.attempts: Column = tuple(map(add, self.sent, deferred))
        self.pressure: Column = tuple(map(add, self.blocked, self.pressed))

    @classmethod
    def of(cls, days: Iterable[DayCounts]) -> "Days":
        """The days, oldest first already."""
        return days if isinstance(days, cls) else cls.rows(map(_values, days))

    @classmethod
    def rows(cls, rows: Iterable[Sequence[Any]]) -> "Days":
        """From rows of a day and its counts."""
        day, *columns = tuple(zip(*rows, strict=True)) or _NO_ROWS
        return cls(day, tuple(columns))

    def since(self, first: date) -> int:
        """Where the days from `first` on begin, as an index into the columns."""
        return bisect_left(self.day, first)

    def between(self, first: date, last: date) -> "Days":
        """Those from `first` to `last`, both included."""
        day = self.day
        if not day or (day[0] >= first and day[-1] <= last):
            return self
        return self._cut(slice(bisect_left(day, first), bisect_right(day, last)))

    def on(self, day: date) -> DayCounts:
        """The counts of one day; zeros where it is not known."""
        at = bisect_left(self.day, day)
        found = at < len(self.day) and self.day[at] == day
        return self[at] if found else DayCounts(day)

    def then(self, counts: DayCounts) -> "Days":
        """With a later day."""
        day, *values = _values(counts)
        columns = zip(self.columns, values, strict=True)
        return Days((*self.day, day), tuple([(*column, value) for column, value in columns]))

    def _cut(self, part: slice) -> "Days":
        return Days(self.day[part], tuple([column[part] for column in self.columns]))

    @overload
    def __getitem__(self, at: int) -> DayCounts: ...

    @overload
    def __getitem__(self, at: slice) -> "Days": ...

    def __getitem__(self, at: int | slice) -> "DayCounts | Days":
        if isinstance(at, slice):
            return self._cut(at)
        return DayCounts(self.day[at], *[column[at] for column in self.columns])

    def __len__(self) -> int:
        return len(self.day)

    def __iter__(self) -> Iterator[DayCounts]:
        return map(DayCounts, self.day, *self.columns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash((self.day, self.columns))

    def __repr__(self) -> str:
        return f"Days.of({list(self)})"


NO_DAYS = Days()


def total(days: Iterable[DayCounts], first: date, last: date) -> DayCounts:
    """The sum of all days from `first` to `last`, both included; its `day` is `last`."""
    chosen = [_values(counts)[1:] for counts in days if first <= counts.day <= last]
    return DayCounts(last, *map(sum, zip(*chosen, strict=True)))


def by_day(several: Iterable[Days]) -> Days:
    """The sums of several IPs' days."""
    summed: dict[date, Iterable[int]] = {}
    for days in several:
        for day, *values in zip(days.day, *days.columns, strict=True):
            was = summed.get(day)
            summed[day] = values if was is None else tuple(map(add, was, values))
    return Days.rows([(day, *summed[day]) for day in sorted(summed)])


def without(whole: Days, part: Days) -> Days:
    """Sums by day less those of one that is in them; days on which nothing is left are left out."""
    if whole.day == part.day:
        columns = tuple([tuple(map(sub, *both)) for both in zip(whole.columns, part.columns, strict=True)])
        if all(map(any, zip(*columns, strict=True))):
            return Days(whole.day, columns)
    own = dict(zip(part.day, zip(*part.columns, strict=True), strict=True))
    left = []
    for day, *values in zip(whole.day, *whole.columns, strict=True):
        rest = tuple(map(sub, values, own[day])) if day in own else values
        if day not in own or any(rest):
            left.append((day, *rest))
    return Days.rows(left)
