"""The life of a sending IP: one table, state -> event -> state. Everything that decides a transition is here."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from email_engine.errors import InputError
from email_engine.fleet.model import IpState

S = IpState


class Event(StrEnum):
    """What can happen to an IP. Each event that is applied carries a reason and an actor."""

    START = "start"
    GRADUATE = "graduate"
    RETIRE = "retire"
    DRAINED = "drained"
    LISTED = "listed"
    TRIPWIRE = "tripwire"
    SECOND_STOP = "second_stop"
    QUARANTINE = "quarantine"
    CLEAN = "clean"
    REENTER = "reenter"
    RESTED = "rested"
    ABANDON = "abandon"


MEANING: Mapping[Event, str] = MappingProxyType(
    {
        Event.START: "7 clean days in standby (block lists, DNS) and a place in the tenant's quota; it warms from phase 1",
        Event.GRADUATE: "the last stage of the schedule was sent and its gates hold",
        Event.RETIRE: "a person warms it down: the allowance falls step by step",
        Event.DRAINED: "the warm-down reached 0",
        Event.LISTED: "a block list that matters holds it, confirmed",
        Event.TRIPWIRE: "complaints below the volume where a rate means anything, or a trap",
        Event.SECOND_STOP: "a second stop by rates within 30 days",
        Event.QUARANTINE: "a person stops it",
        Event.CLEAN: "quarantine time is over and no list holds it",
        Event.REENTER: "a minor listing expired by itself; it warms again at a re-entry stage",
        Event.RESTED: "30 days of rest are over",
        Event.ABANDON: "given up for good",
    }
)

_TROUBLE = {
    Event.LISTED: S.QUARANTINE,
    Event.TRIPWIRE: S.QUARANTINE,
    Event.SECOND_STOP: S.QUARANTINE,
    Event.QUARANTINE: S.QUARANTINE,
}

TRANSITIONS: Mapping[IpState, Mapping[Event, IpState]] = MappingProxyType(
    {
        S.STANDBY: {Event.START: S.WARMING},
        S.WARMING: {Event.GRADUATE: S.ACTIVE, **_TROUBLE},
        S.ACTIVE: {Event.RETIRE: S.RETIRING, **_TROUBLE},
        S.RETIRING: {Event.DRAINED: S.RESTING, **_TROUBLE},
        S.RESTING: {Event.RESTED: S.STANDBY},
        S.QUARANTINE: {Event.CLEAN: S.RESTING, Event.REENTER: S.WARMING, Event.ABANDON: S.ABANDONED},
        S.ABANDONED: {},
    }
)


def next_state(state: IpState, event: Event | str) -> IpState:
    """Where `event` leads from `state`; raises `InputError` naming both if it leads nowhere."""
    known = TRANSITIONS[state]
    try:
        return known[Event(event)]
    except (KeyError, ValueError):
        allowed = ", ".join(known) or "no event: the state is final"
        raise InputError(
            f"event {event} in state {state}", "no such transition", allowed, "see docs/lifecycle.md"
        ) from None
