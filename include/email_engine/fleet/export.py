"""A fleet as plain JSON for other tools (DNS publishers, monitoring, spreadsheets)."""

from dataclasses import asdict
from datetime import date
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from email_engine.fleet.model import Fleet


def export_fleet(fleet: Fleet) -> dict[str, Any]:
    """Lists `tenants`, `streams`, `mta_hosts`, `mailwizz_instances`, `ips`, with the field names of the model;
    addresses and enums are text. No secret can be in it: a fleet holds connection ids only."""
    return {"version": 1, **{key: _plain(value) for key, value in asdict(fleet).items()}}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, IPv4Address | IPv6Address):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    return value
