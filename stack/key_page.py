"""docs/keys.md: the keys of the files that operators write, and the columns that are read, told by the code that reads them."""

from collections.abc import Callable, Mapping
from typing import Any

from email_engine.accounting.columns import READ
from email_engine.fleet.document import Section
from email_engine.fleet.key_tables import KeyRow, key_tables
from email_engine.fleet.parse import SCHEDULES, read_draft
from email_engine.simulation.scenario_file import read_scenario

HEAD = """# Keys of files

Made by `make docs` from the code that reads these files. What a key means: the comments of `include/config/fleet.yaml` and
`include/config/scenarios/mixed.yaml`, and [simulation.md](simulation.md). `its-name` and `its-tenant` stand for names that the file gives;
an entry of `ips` without `schedule` or `daily_target` has those of its stream; a host with `base` has its `config_file` at /etc/pmta/config.
"""
_BASE = {
    "postmaster": "ops@example.com",
    "listeners": ["192.0.2.5:25"],
    "bounce_addresses": ["b@example.com"],
}
_HOST = {"name": "its-name", "room_for": 50, "base": _BASE | {"complaint_addresses": ["c@example.com"]}}
_MAILWIZZ = {"name": "its-name", "tenant": "its-tenant", "addresses": ["192.0.2.10"]}
_DKIM = {"selector": "s1", "key_path": "/etc/pmta/dkim/s1.pem"}
_ONE = {
    "address": "198.51.100.1",
    "hostname": "mail1.example.com",
    "domain": "example.com",
    "vmta": "vmta-1",
    "host": "its-name",
    "mailwizz_server_id": 1,
    "dkim": _DKIM,
}
_MANY = {
    "hostname": "mail{n}.example.com",
    "domain": "{prefix}{n}.example.com",
    "vmta": "vmta-{n}",
    "hosts": ["its-name"],
    "mailwizz_first_server_id": 1,
    "dkim": _DKIM,
    "states": {"standby": "1", "warming": "2", "active": "3"},
}
IP_FORMS: Mapping[str, Mapping[str, Any]] = {
    "one IP": _ONE,
    "a range by its addresses": _MANY | {"range": "198.51.100.1-198.51.100.4"},
    "a range by its first address": _MANY | {"first": "198.51.100.1", "count": 4},
}
SCENARIO: Mapping[str, Any] = {
    "title": "A title",
    "providers": {"gmail": 1.0},
    "demand": {"messages": 1000},
    "reports": {"late_days": 1},
    "kinds": [{"name": "good", "share": 1.0}],
    "events": [{"name": "an event", "fault": "ip", "day": 1}],
    "domain_changes": [{"day": 1, "share": 1.0}],
}


def fleet_document(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A fleet file with one entry of IPs and all that may stand beside it."""
    stream = {
        "name": "its-name",
        "consent": "double opt-in",
        "risk_class": "standard",
        "mailwizz": "its-name",
        "schedule": "six_week",
        "daily_target": 10_000,
        "daily_quota": 10_000,
        "ips": [entry],
    }
    tenant = {"name": "its-tenant", "mode": "observe", "daily_quota": 10_000, "streams": [stream]}
    return {
        "version": 1,
        "mta_hosts": [{"name": "its-name"}, _HOST],
        "mailwizz": [_MAILWIZZ],
        "tenants": [tenant],
    }


def read_fleet_file(top: Section) -> object:
    """The reader of a fleet file, with the schedules that are shipped."""
    return read_draft(top, SCHEDULES)


def keys_page() -> str:
    """The whole page."""
    forms = {name: _tables(read_fleet_file, fleet_document(entry)) for name, entry in IP_FORMS.items()}
    shown: list[tuple[str, str]] = []
    for name, tables in forms.items():
        for path, table in tables.items():
            alike = all(other.get(path) == table for other in forms.values())
            title = f"`{path}`" if alike else f"`{path}`: {name}"
            if (title, table) not in shown:
                shown.append((title, table))
    parts = [HEAD, "## The fleet file", *(f"### {title}\n\n{table}" for title, table in shown)]
    scenario = _tables(read_scenario, SCENARIO).items()
    parts += ["## A scenario", *(f"### `{path}`\n\n{table}" for path, table in scenario)]
    parts += ["## Columns of an accounting file", _columns()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _tables(read: Callable[[Section], object], document: Mapping[str, Any]) -> dict[str, str]:
    return {path or "(top)": _table(rows) for path, rows in key_tables(read, document).items()}


def _table(rows: list[KeyRow]) -> str:
    lines = ["| key | what may stand there | where it is left out |", "|---|---|---|"]
    for row in rows:
        left_out = "a mistake" if row.needed else f"`{row.default}`" if row.default else ""
        key = row.key if row.key.startswith("(") else f"`{row.key}`"
        lines.append(f"| {key} | {row.allowed.replace('|', chr(92) + '|')} | {left_out} |")
    return "\n".join(lines)


def _columns() -> str:
    lines = [
        "Found by the names in the header, in upper or lower case, in any order.",
        "",
        "| column | what for |",
        "|---|---|",
    ]
    return "\n".join([*lines, *(f"| `{name}` | {why} |" for name, why in READ.items())])
