"""What one IP's mail met in one UTC day, counted from PowerMTA's accounting; and in several days, by columns."""

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from itertools import compress
from operator import add, attrgetter, lt, sub
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Messages of one IP in one UTC day; deferrals are attempts that will be made again.

    `blocked`: bounces whose reply blames the sender's reputation; `throttling_deferrals`: deferrals that speak of rate or reputation;
    `unknown_users`, `content_refusals`: bounces that speak of the address, or of the content; `undated_complaints`: those of
    `complained` whose report names no day on which the mail was sent."""

    day: date
    delivered: int = 0
    bounced: int = 0
    deferred: int = 0
    complained: int = 0
    blocked: int = 0
    throttling_deferrals: int = 0
    unknown_users: int = 0
    content_refusals: int = 0
    undated_complaints: int = 0

    @property
    def sent(self) -> int:
        """Messages that came to an end: delivered or bounced."""
        return self.delivered + self.bounced


COUNTED = tuple(field.name for field in fields(DayCounts))[1:]
"""The names of the counts."""
_COMPLAINED, _UNDATED = COUNTED.index("complained"), COUNTED.index("undated_complaints")

Column: TypeAlias = "array[int]"
_values: Callable[[DayCounts], tuple[Any, ...]] = attrgetter("day", *COUNTED)


def column(counts: Iterable[int]) -> Column:
    """Counts side by side in memory."""
    return array("q", counts)


def _longer(counts: Column, last: int) -> Column:
    longer = counts[:]
    longer.append(last)
    return longer


def sums(columns: Sequence[Column], starts: npt.NDArray[np.int64] | int = 0) -> npt.NDArray[np.int64]:
    """Of each column from its place in `starts` on."""
    so_far = np.zeros(1 + sum(map(len, columns)), np.int64)
    np.cumsum(np.frombuffer(b"".join(columns), np.int64), out=so_far[1:])
    ends = np.cumsum([0, *map(len, columns)])
    return np.asarray(so_far[ends[1:]] - so_far[ends[:-1] + starts])


class Days(Sequence[DayCounts]):
    """Counts of several UTC days, oldest first, no day twice: a sequence of DayCounts, and each count as a column of its own.

    A decision sums columns and seldom looks at a day; as objects, the days of a large fleet cost more time to fetch than
    to judge. `day`: the days; `columns`: one for each of COUNTED; `sent`: delivered and bounced; `attempts`: those and deferred;
    `pressure`: what was blocked or throttled; `failed`: bounced and not blocked, since no message is charged twice. Nobody
    changes them: they are shared."""

    __slots__ = (
        "attempts",
        "blocked",
        "bounced",
        "columns",
        "complained",
        "content_refusals",
        "day",
        "delivered",
        "failed",
        "pressure",
        "sent",
        "throttling_deferrals",
        "undated_complaints",
        "unknown_users",
    )

    def __init__(
        self, day: Sequence[date] = (), columns: Sequence[Column] = (), derived: Sequence[Column] = ()
    ) -> None:
        """`derived`: `sent`, `attempts`, `pressure` and `failed` where they are known already."""
        self.day = tuple(day)
        self.columns = tuple(columns) or tuple(column(()) for _ in COUNTED)
        (
            self.delivered,
            self.bounced,
            deferred,
            self.complained,
            self.blocked,
            self.throttling_deferrals,
            self.unknown_users,
            self.content_refusals,
            self.undated_complaints,
        ) = self.columns
        if derived:
            self.sent, self.attempts, self.pressure, self.failed = derived
        else:
            self.sent = column(map(add, self.delivered, self.bounced))
            self.attempts = column(map(add, self.sent, deferred))
            self.pressure = column(map(add, self.blocked, self.throttling_deferrals))
            self.failed = column(map(sub, self.bounced, self.blocked)) if any(self.blocked) else self.bounced

    @property
    def recipient_list(self) -> Column:
        """Bounces that speak of the recipient list or of the content: nobody there, or not this text."""
        return column(map(add, self.unknown_users, self.content_refusals))

    @classmethod
    def of(cls, days: Iterable[DayCounts]) -> "Days":
        """The days, oldest first already."""
        return days if isinstance(days, cls) else cls.rows(map(_values, days))

    @classmethod
    def rows(cls, rows: Iterable[Sequence[Any]]) -> "Days":
        """From rows of a day and its counts; ValueError unless each is later than the one before."""
        day, *columns = tuple(zip(*rows, strict=True)) or ((),)
        if not all(map(lt, day, day[1:])):
            raise ValueError(f"days out of order: {', '.join(map(str, day))}")
        return cls(day, [column(counts) for counts in columns])

    @classmethod
    def table(cls, day: tuple[date, ...], table: npt.NDArray[np.int64]) -> "Days":
        """From a row for each of COUNTED and a column for each day."""
        return cls(day, [array("q", counts.tobytes()) for counts in table])

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

    def sent_on(self, day: date) -> int:
        """Messages that came to an end on one day."""
        at = bisect_left(self.day, day)
        return self.sent[at] if at < len(self.day) and self.day[at] == day else 0

    def then(self, counts: DayCounts) -> "Days":
        """With a later day."""
        day, *values = _values(counts)
        derived = counts.sent, counts.sent + counts.deferred, counts.blocked + counts.throttling_deferrals
        return Days(
            (*self.day, day),
            list(map(_longer, self.columns, values)),
            list(map(_longer, self._derived, (*derived, counts.bounced - counts.blocked))),
        )

    def complained_on(self, day: date, complaints: int, undated: int = 0) -> "Days":
        """With more complaints on one day; `undated`: those of them whose report names no day."""
        at = bisect_left(self.day, day)
        if at == len(self.day) or self.day[at] != day:
            return by_day(
                [self, Days.of([DayCounts(day, complained=complaints, undated_complaints=undated)])]
            )
        columns = list(self.columns)
        for place, more in ((_COMPLAINED, complaints), (_UNDATED, undated)):
            if more:
                columns[place] = columns[place][:]
                columns[place][at] += more
        return Days(self.day, columns, self._derived)

    @property
    def _derived(self) -> tuple[Column, Column, Column, Column]:
        return self.sent, self.attempts, self.pressure, self.failed

    def _cut(self, part: slice) -> "Days":
        derived = [counts[part] for counts in self._derived]
        return Days(self.day[part], [counts[part] for counts in self.columns], derived)

    @overload
    def __getitem__(self, at: int) -> DayCounts: ...

    @overload
    def __getitem__(self, at: slice) -> "Days": ...

    def __getitem__(self, at: int | slice) -> "DayCounts | Days":
        if isinstance(at, slice):
            return self._cut(at)
        return DayCounts(self.day[at], *[counts[at] for counts in self.columns])

    def __len__(self) -> int:
        return len(self.day)

    def __iter__(self) -> Iterator[DayCounts]:
        return map(DayCounts, self.day, *self.columns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Days | tuple):
            return NotImplemented
        return tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Days.of({list(self)})"


NO_DAYS = Days()


def total(days: Iterable[DayCounts], first: date, last: date) -> DayCounts:
    """The sum of all days from `first` to `last`, both included; its `day` is `last`."""
    chosen = [_values(counts)[1:] for counts in days if first <= counts.day <= last]
    return DayCounts(last, *map(sum, zip(*chosen, strict=True)))


def by_day(several: Iterable[Days]) -> Days:
    """The sums of several IPs' days."""
    alike: dict[tuple[date, ...], list[Days]] = defaultdict(list)
    for days in several:
        alike[days.day].append(days)
    calendar = tuple(sorted({day for some in alike for day in some}))
    places = {day: place for place, day in enumerate(calendar)}
    table = np.zeros((len(COUNTED), len(calendar)), np.int64)
    for some, members in alike.items():
        every = b"".join([counts for days in members for counts in days.columns])
        counted = np.frombuffer(every, np.int64).reshape(len(members), len(COUNTED), len(some))
        table[:, [places[day] for day in some]] += counted.sum(0)
    return Days.table(calendar, table)


def without(whole: Days, part: Days) -> Days:
    """Sums by day less those of one that is in them; days on which nothing is left are left out."""
    left = _table(whole).copy()
    if whole.day == part.day:
        left -= _table(part)
    else:
        places = {day: place for place, day in enumerate(part.day)}
        shared = [place for place, day in enumerate(whole.day) if day in places]
        left[:, shared] -= _table(part)[:, [places[whole.day[place]] for place in shared]]
    kept: list[bool] = np.any(left, 0).tolist()
    return Days.table(tuple(compress(whole.day, kept)), left if all(kept) else left[:, kept])


def _table(days: Days) -> npt.NDArray[np.int64]:
    """A row for each count, a column for each day."""
    return np.frombuffer(b"".join(days.columns), np.int64).reshape(len(COUNTED), len(days))
