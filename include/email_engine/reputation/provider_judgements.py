"""A gate's judgements by mailbox provider: of a fleet as columns, of one IP as values that are made when somebody asks for them."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from email_engine.reputation.evidence import BADNESS, GateJudgement, GateVerdict, JudgedRows
from email_engine.reputation.provider_days import Integers, ProviderDays

SMALL_PART = 0.05
"""A provider with a smaller part of the mail is slowed where it presses, but holds nothing else up."""
NOTHING = GateJudgement(GateVerdict.INSUFFICIENT, 0, 0, 0.0)


class ProviderJudgements(Mapping[str, GateJudgement]):
    """Of one IP: its providers `names`, in the rows of `judged` from `first` on."""

    __slots__ = ("_first", "_judged", "_names")

    def __init__(self, judged: JudgedRows, first: int, names: Sequence[str]) -> None:
        self._judged, self._first, self._names = judged, first, names

    def __getitem__(self, name: str) -> GateJudgement:
        if name not in self._names:
            raise KeyError(name)
        return self._judged.one(self._first + self._names.index(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class FleetJudgements(NamedTuple):
    """`judged`: the `chosen` rows of `rows`, in their order."""

    rows: ProviderDays
    chosen: Integers
    judged: JudgedRows

    def by_ip(self) -> list[ProviderJudgements]:
        """Those of each IP."""
        names = [self.rows.name[row] for row in self.chosen.tolist()]
        starts = np.searchsorted(self.rows.places[self.chosen], np.arange(self.rows.ips + 1)).tolist()
        return [
            ProviderJudgements(self.judged, start, names[start:end])
            for start, end in itertools.pairwise(starts)
        ]

    def refusing(self) -> dict[int, tuple[str, ...]]:
        """The providers that are proven bad, of the IPs that have any, by place in the fleet."""
        found: dict[int, tuple[str, ...]] = {}
        for row in self.chosen[self.judged.proven].tolist():
            place = self.rows.place[row]
            found[place] = (*found.get(place, ()), self.rows.name[row])
        return found

    def worst(self) -> list[tuple[str | None, GateJudgement]]:
        """The worst provider of each IP, of those with more than a small part of its mail, and what is judged there."""
        judged, places = self.judged, self.rows.places[self.chosen]
        part = np.bincount(places, judged.messages, self.rows.ips) * SMALL_PART
        small = judged.messages < part[places]
        order = np.lexsort((-judged.bad, -judged.evidence, BADNESS[judged.verdicts], small, places))
        first = order[np.unique(places, return_index=True)[1]]
        great = first[~small[first]]
        found: list[tuple[str | None, GateJudgement]] = [(None, NOTHING)] * self.rows.ips
        for row, one in zip(self.chosen[great].tolist(), judged.some(great).all(), strict=True):
            found[self.rows.place[row]] = self.rows.name[row], one
        return found
