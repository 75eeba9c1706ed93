"""Observations and policies as plain JSON, so that a decision can be made again from what it was made of."""

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from email_engine.fleet.traffic import COUNTED, DayCounts, Days
from email_engine.warmup.observation import IpObservation
from email_engine.warmup.policy import Policy

_OBSERVATION = TypeAdapter(IpObservation)
_DAYS = TypeAdapter(list[DayCounts])
_POLICY = TypeAdapter(Policy)
_LISTS = ("days", "peers", "domain")
_EARLIER = {
    "paces": "throttle_factors",
    "pressed": "throttling_deferrals",
    "named": "dnsbl_rejections",
    "named_grave": "severe_dnsbl_rejections",
    "lists_known": "blocklists_known",
    "last_list_stop_at": "last_recipient_list_stop_at",
}
"""Names that earlier releases stored of observations, and today's."""
_EARLIER_POLICY = {
    "lists": "blocklists",
    "list_days": "recipient_list_days",
    "list_pause_after": "recipient_list_pause_after",
    "lists_max_age_hours": "blocklists_max_age_hours",
}


def observation_document(observation: IpObservation) -> dict[str, Any]:
    """Everything that a decision may look at, as plain JSON; days as `[day, count, ...]` without the zeros at the end."""
    bare = _OBSERVATION.dump_python(observation, mode="json", exclude={*_LISTS, "providers"})
    document: dict[str, Any] = bare | {name: _rows(getattr(observation, name)) for name in _LISTS}
    document["providers"] = {name: _rows(days) for name, days in observation.providers.items()}
    return document


def observation_of(document: dict[str, Any]) -> IpObservation:
    """The observation again; raises ValueError for a document of another release."""
    read = _renamed(document) | {name: _days(document.get(name, ())) for name in _LISTS}
    read["ip"] = _pause_of(dict(read.get("ip", {})))
    read["providers"] = {name: _days(rows) for name, rows in document.get("providers", {}).items()}
    return _OBSERVATION.validate_python(read)


def _pause_of(ip: dict[str, Any]) -> dict[str, Any]:
    """An IP as an earlier release stored it: its pause was a date."""
    until = ip.pop("paused_until", None)
    return ip | {"pause": {"until": until}} if until else ip


def _rows(days: Days) -> list[list[Any]]:
    rows = []
    for day, *values in zip(days.day, *days.columns, strict=True):
        while values and not values[-1]:
            values.pop()
        rows.append([day.isoformat(), *values])
    return rows


def _days(rows: Iterable[Any]) -> Days:
    return Days.of(_DAYS.validate_python([_day(row) for row in rows]))


def _day(row: Any) -> Any:
    """A row as a mapping; rows of earlier releases are mappings already."""
    return dict(zip(("day", *COUNTED), row, strict=False)) if isinstance(row, list) else _renamed(row)


def _renamed(document: dict[str, Any], names: dict[str, str] = _EARLIER) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in document.items()}


def policy_document(policy: Policy) -> dict[str, Any]:
    """The policy's values, as plain JSON."""
    document: dict[str, Any] = _POLICY.dump_python(policy, mode="json")
    return document


def policy_of(document: dict[str, Any]) -> Policy:
    """The policy again; raises ValueError for a document that misses a value of this release."""
    read = _renamed(document, _EARLIER_POLICY)
    for section in ("gates", "tripwire"):
        read[section] = _renamed(read.get(section, {}), _EARLIER_POLICY)
    return _POLICY.validate_python(read)
