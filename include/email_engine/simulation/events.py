"""The events of a simulation that weigh most, each with the sentence that the engine tells people then."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from email_engine.simulation.days import IpDay
from email_engine.simulation.tally import STOPS
from email_engine.warmup.proposal import Action

KINDS = ("quarantine", "pause", "throttle")
"""Heaviest first."""
MOST_EVENTS = 12
"""Of a fleet."""
MOST_DAYS = 20
"""Of one IP."""
QUIET = frozenset({Action.STAY, Action.HOLD})


@dataclass(frozen=True, slots=True)
class Told:
    """`kind`: one of KINDS, or the day's action; `today`: the IP's day with its sentence."""

    kind: str
    today: IpDay


def weightiest(days: Iterable[IpDay]) -> tuple[Told, ...]:
    """The first quarantine, pause and throttle of each stream, at most MOST_EVENTS: the heavier kinds first, shown in order of time."""
    first: dict[tuple[str, str, str], Told] = {}
    for before, today in _in_turn(days):
        kind = _kind(before, today)
        if kind:
            known = first.setdefault((kind, today.tenant, today.stream), Told(kind, today))
            if today.day < known.today.day:
                first[kind, today.tenant, today.stream] = Told(kind, today)
    heaviest = sorted(first.values(), key=lambda one: (KINDS.index(one.kind), one.today.day))
    return tuple(sorted(heaviest[:MOST_EVENTS], key=lambda one: (one.today.day, one.today.stream)))


def of_ip(days: Iterable[IpDay], address: str) -> tuple[Told, ...]:
    """What was decided about one IP but to stay, the first day of each hold alone; at most MOST_DAYS, the first ones."""
    mine = [
        Told(_kind(before, today) or str(today.action), today)
        for before, today in _in_turn(one for one in days if one.address == address)
        if _kind(before, today)
        or today.action not in QUIET
        or (today.action is Action.HOLD and (before is None or before.action is not Action.HOLD))
    ]
    return tuple(mine[:MOST_DAYS])


def _in_turn(days: Iterable[IpDay]) -> Iterator[tuple[IpDay | None, IpDay]]:
    """Each day behind the one before of the same IP."""
    every = sorted(days, key=lambda one: (one.address, one.day))
    for _, story in groupby(every, key=lambda one: one.address):
        some: Sequence[IpDay] = list(story)
        yield from zip([None, *some], some, strict=False)


def _kind(before: IpDay | None, today: IpDay) -> str:
    """Which of KINDS a day is, "" for none; a throttle is one that grew harder."""
    if today.action in STOPS:
        return str(today.action)
    had = before.throttle_factors if before else {}
    harder = any(factor < had.get(name, 1.0) for name, factor in today.throttle_factors.items())
    return "throttle" if harder else ""
