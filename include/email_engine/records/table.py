"""Records as a table to hand to whoever runs the zone: as text, as CSV, as JSON."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from email_engine.dnsauth.model import printable, txt_strings
from email_engine.plural import amount
from email_engine.records.model import DnsRecord, Purpose, RecordState
from email_engine.records.zone_file import presentation

COLUMNS = ("name", "type", "ttl", "value", "state", "purpose", "for", "note", "replaces")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def for_people(records: Iterable[DnsRecord]) -> tuple[DnsRecord, ...]:
    """Without what only stands beside."""
    return tuple(record for record in records if record.purpose is not Purpose.BESIDE)


def render_table(records: Sequence[DnsRecord]) -> str:
    """Name, type, TTL and value of each; below them what is not ready, and why."""
    rows = [record for record in records if record.stands_in_files]
    waiting = [record for record in records if not record.stands_in_files]
    width = max((len(record.name) + 1 for record in rows), default=4)
    lines = [f"{'NAME':{width}} {'TYPE':5} {'TTL':>6} VALUE"] if rows else []
    for record in rows:
        lines.append(f"{record.name + '.':{width}} {record.rdtype:5} {record.ttl:>6} {presentation(record)}")
        lines += [f"    in place of {printable(gone)}" for gone in record.replaces]
        if record.note:
            lines.append(f"    {printable(record.note)}")
    if waiting:
        lines += ["", f"Not ready: {amount(len(waiting), 'record')}"] if rows else []
        lines += [_waiting(record) for record in waiting]
    return "\n".join(lines)


def _waiting(record: DnsRecord) -> str:
    return f"  {record.name}. {record.rdtype} ({record.purpose}) {record.state}: {printable(record.note)}"


def render_csv(records: Iterable[DnsRecord]) -> str:
    """With a head; no cell that a spreadsheet would take for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for record in records:
        shown = presentation(record) if record.value else ""
        cells = (
            f"{record.name}.", record.rdtype, str(record.ttl), shown, str(record.state), str(record.purpose), record.subject,
            record.note, " | ".join(record.replaces),
        )  # fmt: skip
        writer.writerow([_safe(printable(cell)) for cell in cells])
    return text.getvalue()


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def records_json(records: Iterable[DnsRecord]) -> list[dict[str, Any]]:
    """`{"name", "type", "ttl", "value", "strings", "state", "purpose", "for", "note", "replaces"}` each; `strings` of TXT alone, else
    null; `value` null where it is not known."""
    return [
        {
            "name": f"{record.name}.",
            "type": record.rdtype,
            "ttl": record.ttl,
            "value": record.value or None,
            "strings": txt_strings(record.value) if record.rdtype == "TXT" and record.value else None,
            "state": str(record.state),
            "purpose": str(record.purpose),
            "for": record.subject,
            "note": record.note,
            "replaces": list(record.replaces),
        }
        for record in records
    ]


def told(records: Sequence[DnsRecord]) -> str:
    """`12 to publish, 3 to be decided`."""
    counts = {state: sum(record.state is state for record in records) for state in RecordState}
    words = {RecordState.PUBLISH: "to publish", RecordState.KEPT: "published already"}
    return ", ".join(f"{n} {words.get(state, state)}" for state, n in counts.items() if n) or "no record"
