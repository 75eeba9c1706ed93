"""Days of many IPs by mailbox provider side by side, so that ten thousand IPs are judged in as many steps as one."""

from collections.abc import Mapping, Sequence
from datetime import date
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from email_engine.fleet.traffic import Column, Days

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


class ProviderDays:
    """A row for each IP and provider, a column for each UTC day from the first to the last that any of them knows.

    `place`: which IP a row is of, as an index into the fleet, also as an array (`places`); `name`: its provider, in the order of
    names; `days`: its days; `ips`: the size of the fleet."""

    def __init__(self, fleet: Sequence[Mapping[str, Days]]) -> None:
        rows = [
            (place, name, providers[name])
            for place, providers in enumerate(fleet)
            for name in sorted(providers)
        ]
        self.place = [place for place, _, _ in rows]
        self.name = [name for _, name, _ in rows]
        self.days = [days for _, _, days in rows]
        self.ips = len(fleet)
        self.places = np.array(self.place, np.int64)
        self._starts = np.searchsorted(self.places, np.arange(len(fleet) + 1))
        self._known: dict[str, Integers] = {}
        calendars = {days.day for days in self.days}
        known = {day: np.fromiter(map(date.toordinal, day), np.int64) for day in calendars}
        self._first = min((int(each[0]) for each in known.values() if len(each)), default=0)
        last = max((int(each[-1]) for each in known.values() if len(each)), default=0)
        self.shape = len(rows), last - self._first + 1
        lengths = np.array([len(days.day) for days in self.days], np.int64)
        columns = np.concatenate([np.empty(0, np.int64), *[known[days.day] for days in self.days]])
        self._at = np.repeat(np.arange(len(rows)) * self.shape[1], lengths) + columns - self._first

    def table(self, count: str) -> Integers:
        """One count of every row's days by its name in `Days`; 0 on a day that a row does not know. Nobody changes it: it is shared."""
        if count not in self._known:
            found = np.zeros(self.shape[0] * self.shape[1], np.int64)
            found[self._at] = np.frombuffer(b"".join(map(attrgetter(count), self.days)), np.int64)
            self._known[count] = found.reshape(self.shape)
        return self._known[count]

    def replace(self, table: Integers, row: int, counts: Column) -> None:
        """Other counts for the days of one row."""
        table[row, [day.toordinal() - self._first for day in self.days[row].day]] = counts

    def since(self, first: Sequence[date]) -> Booleans:
        """Is a day of a row not before `first`, which is given for each IP?"""
        each = np.fromiter(map(date.toordinal, first), np.int64, len(first)) - self._first
        return np.asarray(np.arange(self.shape[1]) >= each[self.places][:, None])

    def between(self, table: Integers, first: date, last: date) -> Integers:
        """The columns of the days from `first` to `last`, both included."""
        begin, end = (day.toordinal() - self._first for day in (first, last))
        return table[:, max(begin, 0) : max(end + 1, 0)]

    def together(self, table: Integers) -> Integers:
        """The sum of its providers by day for each IP."""
        so_far = np.concatenate([np.zeros((1, table.shape[1]), np.int64), np.cumsum(table, 0)])
        return np.asarray(np.diff(so_far[self._starts], axis=0))
