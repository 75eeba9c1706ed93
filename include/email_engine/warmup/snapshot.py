"""Observations and policies as plain JSON, so that a decision can be made again from what it was made of."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from pydantic import TypeAdapter

from email_engine.fleet.traffic import COUNTED, DayCounts, Days
from email_engine.warmup.observation import IpObservation
from email_engine.warmup.policy import Policy

_OBSERVATION = TypeAdapter(IpObservation)
_DAYS = TypeAdapter(list[DayCounts])
_POLICY = TypeAdapter(Policy)
_DAYS_OF = ("days", "peers", "domain")
_BY_NAME = ("providers", "earlier", "risen", "outages")
RULES = 2
"""The number of the rules that decide: what an earlier number decided is shown and not made again."""


def observation_document(observation: IpObservation) -> dict[str, Any]:
    """Everything that a decision may look at, as plain JSON; days as `[day, count, ...]` without the zeros at the end,
    the counts as `counted` names them."""
    bare = _OBSERVATION.dump_python(observation, mode="json", exclude={*_DAYS_OF, *_BY_NAME})
    document: dict[str, Any] = bare | {name: _rows(getattr(observation, name)) for name in _DAYS_OF}
    for name in _BY_NAME:
        document[name] = {key: _rows(days) for key, days in getattr(observation, name).items()}
    if observation.reporting is not None:
        document["reporting"] = sorted(observation.reporting)
    return document | {"rules": RULES, "counted": list(COUNTED)}


def observation_of(document: dict[str, Any]) -> IpObservation:
    """The observation again; raises ValueError for a document of other rules."""
    if document.get("rules") != RULES:
        raise ValueError(f"rules {document.get('rules', 1)}")
    counted = document["counted"]
    read = {key: value for key, value in document.items() if key not in ("rules", "counted")}
    read |= {name: _days(document.get(name, ()), counted) for name in _DAYS_OF}
    for name in _BY_NAME:
        read[name] = {key: _days(rows, counted) for key, rows in document.get(name, {}).items()}
    return _OBSERVATION.validate_python(read)


def _rows(days: Days) -> list[list[Any]]:
    rows = []
    for day, *values in zip(days.day, *days.columns, strict=True):
        while values and not values[-1]:
            values.pop()
        rows.append([day.isoformat(), *values])
    return rows


def _days(rows: Iterable[Sequence[Any]], counted: Sequence[str]) -> Days:
    """`counted`: what the columns behind the day are, so that a count may be added anywhere."""
    return Days.of(_DAYS.validate_python([dict(zip(("day", *counted), row, strict=False)) for row in rows]))


def policy_document(policy: Policy) -> dict[str, Any]:
    """The policy's values, as plain JSON."""
    document: dict[str, Any] = _POLICY.dump_python(policy, mode="json")
    return document


def policy_of(document: dict[str, Any]) -> Policy:
    """The policy again; raises ValueError for a document that misses a value of this release."""
    return _POLICY.validate_python(document)


def inputs_of(observation: IpObservation, day: date) -> dict[str, Any]:
    """What people want to see of what the decision looked at, as plain JSON; `snapshot.py` holds the whole."""
    ip, counts = observation.ip, observation.days.on(day)
    return {
        "state": str(ip.state),
        "schedule": ip.schedule,
        "phase": ip.phase,
        "phase_started_on": observation.phase_started_on and observation.phase_started_on.isoformat(),
        "given": observation.given,
        "standing": observation.standing,
        "sent": counts.sent,
        "delivered": counts.delivered,
        "bounced": counts.bounced,
        "deferred": counts.deferred,
        "complained": counts.complained,
        "accounting_until": observation.fresh_through and observation.fresh_through.isoformat(),
        "dns": str(observation.dns),
        "dns_broken": list(observation.dns_broken),
        "listed": list(ip.blacklisted_on),
        "lists_known": observation.blocklists_known,
        "trouble": observation.trouble,
        "held_by": observation.held_by,
        "paused_until": ip.pause and ip.pause.until and ip.pause.until.isoformat(),
        "last_stop_at": observation.last_stop_at and observation.last_stop_at.isoformat(),
    }
