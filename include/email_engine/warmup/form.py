"""The form of `ip_transition`: what a person asks, or every mistake in it at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from email_engine.errors import InputError
from email_engine.lifecycle.machine import TABLE, Cause, Event

LONGEST_PAUSE = timedelta(days=90)
SHORTEST = 3
"""Letters of a reason or a cause."""

_CAUSES = frozenset({Event.RELEASE, Event.REENTER})
_DATES = frozenset({Event.PAUSE, Event.QUARANTINE})


EVENTS = tuple(
    event for event in Event if any(row.event is event and row.by is not Cause.ENGINE for row in TABLE)
)
"""What a person may cause."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks. `until`: the UTC day on which a pause ends, or a quarantine at the earliest."""

    event: Event
    reason: str
    until: date | None = None
    cause: str | None = None


def read_request(params: Mapping[str, Any], today: date) -> Request:
    """The form as a request; raises `InputError` that lists every mistake in it."""
    events = [event.value for event in EVENTS]
    given = str(params.get("event") or "").strip()
    mistakes: list[str] = []
    event = Event(given) if given in events else None
    if event is None:
        mistakes.append(f"event {given!r} is none of {', '.join(events)}")
    reason, cause = (str(params.get(key) or "").strip() for key in ("reason", "cause"))
    if len(reason) < SHORTEST:
        mistakes.append("reason is empty: others will read it")
    if event in _CAUSES and len(cause) < SHORTEST:
        mistakes.append(f"cause is empty: {event} needs what led to the quarantine, in words")
    until = _until(params.get("until"), event, today, mistakes)
    if event is None or mistakes:
        raise InputError(
            "form of ip_transition",
            "; ".join(mistakes),
            "a form without these",
            "correct it and trigger again",
        )
    return Request(event, reason, until, cause or None)


def _until(given: Any, event: Event | None, today: date, mistakes: list[str]) -> date | None:
    text = str(given or "").strip()
    if not text:
        if event is Event.PAUSE:
            mistakes.append("until is empty: a pause has an end")
        return None
    try:
        until = date.fromisoformat(text)
    except ValueError:
        mistakes.append(f"until {text!r} is no date such as {today + timedelta(days=7)}")
        return None
    if event not in _DATES:
        mistakes.append(f"until is given, but only {' and '.join(sorted(_DATES))} have one")
    elif until <= today:
        mistakes.append(f"until {until} is not after today, {today}")
    elif until - today > LONGEST_PAUSE:
        mistakes.append(f"until {until} is more than {LONGEST_PAUSE.days} days away: retire the IP instead")
    return until
