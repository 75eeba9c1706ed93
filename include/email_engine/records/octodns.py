"""Records as octoDNS's YamlProvider reads them: a mapping from names below the zone to sets of records."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from email_engine.dnsauth.model import printable
from email_engine.records.model import DnsRecord
from email_engine.records.zones import Zone

Data = dict[str, list[dict[str, Any]]]


def octodns_data(zone: Zone, records: Iterable[DnsRecord]) -> Data:
    """`{"": [{"ttl", "type", "value" or "values"}], ...}`: every key in octoDNS's order, `;` escaped in TXT.

    Texts with quotes, backslashes or other letters than ASCII are left out: octoDNS refuses them, or writes them otherwise. Only what
    stands beside has such."""
    sets: dict[tuple[str, str], list[DnsRecord]] = {}
    for record in records:
        if record.stands_in_files and _is_plain(record.value):
            below = record.name.removesuffix(zone.name).rstrip(".")
            sets.setdefault((below, record.rdtype), []).append(record)
    data: Data = {}
    for (name, rdtype), alike in sorted(sets.items(), key=lambda item: (_natural(item[0][0]), item[0][1])):
        values = [_value(record) for record in alike]
        chosen = {"value": values[0]} if len(values) == 1 else {"values": values}
        data.setdefault(name, []).append(
            {"ttl": min(record.ttl for record in alike), "type": rdtype} | chosen
        )
    return data


def render_octodns(zone: Zone, records: Sequence[DnsRecord]) -> str:
    """The text of `ZONE.yaml`; what cannot be published yet is a comment."""
    lines = [
        f"# {zone.name}: records of the sending fleet, written by email-engine (fleet records).",
        "# The provider that reads it says `escaped_semicolons: true`.",
        "# For a zone that holds more, name it as one source of several: alone, octoDNS would delete all the rest.",
    ]
    if zone.trouble:
        lines.append(f"# {printable(zone.trouble)}: find out before you publish")
    for record in records:
        if not record.stands_in_files:
            lines.append(f"# {record.name} {record.rdtype}: {printable(record.note or record.state)}")
        elif not _is_plain(record.value):
            lines.append(
                f"# {record.name} {record.rdtype}: octoDNS cannot hold {printable(record.value)!r} and would remove it"
            )
    data = yaml.safe_dump(octodns_data(zone, records), sort_keys=False, width=10_000)
    return "\n".join(["---", *lines, data])


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable() and not set(value) & set('"\\')


def _value(record: DnsRecord) -> Any:
    match record.rdtype:
        case "MX":
            preference, _, host = record.value.partition(" ")
            return {"exchange": f"{host}.", "preference": int(preference)}
        case "TXT":
            return record.value.replace(";", "\\;")
        case "PTR" | "CNAME":
            return f"{record.value}."
        case _:
            return record.value


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """octoDNS wants names in natural order: `mail2` before `mail10`."""
    parts = re.split(r"(\d+)", name)
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
