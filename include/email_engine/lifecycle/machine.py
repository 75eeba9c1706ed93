"""The life of a sending IP: one table, state and event to state. Everything that decides a transition is here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import Formatter
from types import MappingProxyType

from email_engine.errors import InputError
from email_engine.fleet.model import IpState

S = IpState


class Event(StrEnum):
    """What can happen to an IP. Each event that is applied carries a reason and an actor."""

    START = "start"
    GRADUATE = "graduate"
    IDLE = "idle"
    PAUSE = "pause"
    RESUME = "resume"
    RETIRE = "retire"
    DRAINED = "drained"
    RESTED = "rested"
    LISTED = "listed"
    TRIPWIRE = "tripwire"
    SECOND_STOP = "second_stop"
    QUARANTINE = "quarantine"
    CLEAN = "clean"
    RELEASE = "release"
    REENTER = "reenter"
    ABANDON = "abandon"


class Cause(StrEnum):
    """Who may cause a transition."""

    ENGINE = "engine"
    PERSON = "person"
    BOTH = "engine or person"


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table. `guard`: what must hold before, in words, with values of the policy by name (`{rest_days}`); the code that proves it
    stands in `warmup`."""

    state: IpState
    event: Event
    to: IpState
    by: Cause
    guard: str

    def when(self, policy: object) -> str:
        """`guard` with the values of a `warmup.policy.Policy`."""
        names = (name for _, name, _, _ in Formatter().parse(self.guard) if name)
        return self.guard.format_map({name: getattr(policy, name) for name in names})

    @property
    def moves(self) -> bool:
        """False for an event that is written down but leaves the IP in its state."""
        return self.to is not self.state


_SENDING = (S.WARMING, S.ACTIVE, S.RETIRING)


def _rows() -> Iterator[Transition]:
    engine, person, both = Cause.ENGINE, Cause.PERSON, Cause.BOTH
    yield Transition(
        S.STANDBY, Event.START, S.WARMING, both,
        "{clean_days} clean days in standby, block lists and DNS known and good, room in the tenant's quota; it warms from phase 1",
    )  # fmt: skip
    yield Transition(S.STANDBY, Event.LISTED, S.STANDBY, engine, "it stays, but its clean days begin anew")
    yield Transition(
        S.WARMING, Event.GRADUATE, S.ACTIVE, engine, "the last stage of its schedule was sent and its gates hold"
    )  # fmt: skip
    yield Transition(
        S.ACTIVE, Event.IDLE, S.WARMING, engine, "nothing was sent for {idle_days} days: receivers forgot it"
    )
    yield Transition(
        S.ACTIVE, Event.RETIRE, S.RETIRING, both,
        "a person warms it down, or the rotation cycle where policy lets it: one of a pool at a time, never its last",
    )  # fmt: skip
    yield Transition(S.RETIRING, Event.DRAINED, S.RESTING, engine, "its warm-down reached 0")
    for state in _SENDING:
        yield Transition(
            state, Event.PAUSE, state, both,
            "a date on the plan, no state: the allowance is 0 until then; by the engine for {pause_days} days after a first stop by rates",
        )  # fmt: skip
        yield Transition(
            state, Event.RESUME, state, both,
            "it is paused; by the engine when the date is over; block lists and DNS known and good, nobody holds its brake",
        )  # fmt: skip
        yield Transition(
            state, Event.LISTED, S.QUARANTINE, engine, "a block list that matters holds it, confirmed"
        )  # fmt: skip
        yield Transition(
            state, Event.TRIPWIRE, S.QUARANTINE, engine,
            "a trap, a reply that names a block list, or complaints below the volume where a rate means anything",
        )  # fmt: skip
        yield Transition(
            state, Event.SECOND_STOP, S.QUARANTINE, engine, "the stop number {quarantine_at} by rates within {remember_days} days, or a second one of another kind"
        )  # fmt: skip
        yield Transition(
            state, Event.QUARANTINE, S.QUARANTINE, person, "a reason; {quarantine_days} days at least"
        )
    yield Transition(
        S.QUARANTINE, Event.LISTED, S.QUARANTINE, engine, "it stays, until it is off that list too"
    )
    yield Transition(
        S.QUARANTINE, Event.CLEAN, S.RESTING, engine,
        "its time is over, block lists answer and none holds it, its DNS is not broken; of each listing a person named the cause and a "
        "re-check found it ended (`delisting`); of a stop by counts the cause is what its history says",
    )  # fmt: skip
    yield Transition(
        S.QUARANTINE, Event.RELEASE, S.RESTING, person,
        "its time is over, block lists answer and none holds it, its DNS is not broken, and the cause is named",
    )  # fmt: skip
    yield Transition(
        S.QUARANTINE, Event.REENTER, S.WARMING, both,
        "its time is over, and what stopped it was one minor listing, alone in its pool, that ended by itself, as a re-check found too; "
        "block lists and DNS known and good; it warms again some phases below where it was; by a person: and the cause is named",
    )  # fmt: skip
    yield Transition(
        S.RESTING, Event.LISTED, S.RESTING, engine, "it stays; it stands by only when it is off the list"
    )
    yield Transition(
        S.RESTING, Event.RESTED, S.STANDBY, engine, "{rest_days} days of rest are over and nothing holds it"
    )
    for state in (S.STANDBY, S.RESTING, S.QUARANTINE):
        yield Transition(state, Event.ABANDON, S.ABANDONED, person, "a reason; it cannot be undone")


TABLE: tuple[Transition, ...] = tuple(_rows())
"""Every transition there is; what is not in it is refused."""

_BY_KEY: dict[tuple[IpState, str], Transition] = {(row.state, row.event): row for row in TABLE}
if len(_BY_KEY) != len(TABLE):
    raise AssertionError("a state knows an event twice")

TRANSITIONS: Mapping[IpState, Mapping[Event, IpState]] = MappingProxyType(
    {state: MappingProxyType({row.event: row.to for row in TABLE if row.state is state}) for state in S}
)


def known(state: IpState, event: Event | str) -> bool:
    """Does the state know the event?"""
    return event in TRANSITIONS[state]


def transition_of(state: IpState, event: Event | str, by: Cause = Cause.BOTH) -> Transition:
    """The row for an event in a state, caused by the engine or a person (`BOTH`: no matter whom).

    Raises `InputError` that names state, event and what is allowed instead, if there is none or another must cause it."""
    row = _BY_KEY.get((state, event))
    if row is None:
        seen = "no such transition"
    elif by is not Cause.BOTH and row.by not in (by, Cause.BOTH):
        seen = f"only the {row.by} causes it"
    else:
        return row
    allowed = [
        r.event.value for r in TABLE if r.state is state and (by is Cause.BOTH or r.by in (by, Cause.BOTH))
    ]
    raise InputError(
        f"event {event} in state {state}",
        seen,
        ", ".join(allowed) or "no event: the state is final",
        "see docs/lifecycle.md",
    )


def next_state(state: IpState, event: Event | str) -> IpState:
    """Where `event` leads from `state`; raises `InputError` naming both if it leads nowhere."""
    return transition_of(state, event).to
