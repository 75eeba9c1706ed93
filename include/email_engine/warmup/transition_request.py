"""The form of `ip_transition`: what a person asks, or every mistake in it at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from email_engine.errors import InputError
from email_engine.lifecycle.machine import TABLE, Cause, Event

LONGEST_PAUSE = timedelta(days=90)
SHORTEST = 3
"""Letters and digits that a reason or a cause has at least."""
LONGEST = 500
"""Characters that it has at most."""

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
        mistakes.append(f"event {given[:40]!r} is none of {', '.join(events)}")
    reason = read_words(params.get("reason"), "reason", "others will read it", mistakes)
    led = f"{event} needs what led to the quarantine, in words" if event in _CAUSES else None
    cause = read_words(params.get("cause"), "cause", led, mistakes)
    until = _until(params.get("until"), event, today, mistakes)
    if event is None or mistakes:
        raise InputError(
            "form of ip_transition",
            "; ".join(mistakes),
            "every field as it may be",
            "correct it and trigger again",
        )
    return Request(event, reason, until, cause or None)


def read_words(given: Any, key: str, needed: str | None, mistakes: list[str]) -> str:
    """What a person wrote on one line; '' where nothing is given, which is a mistake if it is `needed`, and why."""
    text = given.strip() if isinstance(given, str) else "" if given is None else str(given)
    if not text:
        if needed:
            mistakes.append(f"{key} is empty: {needed}")
    elif not text.isprintable():
        mistakes.append(f"{key} has characters that cannot be seen, or more than one line")
    elif len(text) > LONGEST:
        mistakes.append(f"{key} has {len(text)} characters, and {LONGEST} are the most")
    elif sum(character.isalnum() for character in text) < SHORTEST:
        mistakes.append(f"{key} has fewer than {SHORTEST} letters and digits")
    return text


def _until(given: Any, event: Event | None, today: date, mistakes: list[str]) -> date | None:
    text = str(given or "").strip()
    if not text:
        if event is Event.PAUSE:
            mistakes.append("until is empty: a pause has an end")
        return None
    try:
        until = date.fromisoformat(text)
        if until.isoformat() != text:
            raise ValueError(text)
    except ValueError:
        mistakes.append(f"until {text[:40]!r} is no date such as {today + timedelta(days=7)}")
        return None
    if event not in _DATES:
        mistakes.append(f"until is given, but only {' and '.join(sorted(_DATES))} have one")
    elif until <= today:
        mistakes.append(f"until {until} is not after today, {today}")
    elif until - today > LONGEST_PAUSE:
        mistakes.append(f"until {until} is more than {LONGEST_PAUSE.days} days away: retire the IP instead")
    return until
