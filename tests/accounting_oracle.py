"""The reader that the columnar one must agree with: row by row, with Python's csv module, and nothing clever."""

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from email_engine.accounting.values import KINDS, parse_time
from email_engine.fleet.providers import OTHER, shipped_providers

SHORT = {**KINDS, **{short: short for short in KINDS.values()}}
NO_COMPLAINT = {"not-spam", "auth-failure", "opt-out", "dmarc"}


@dataclass
class Told:
    """Counts by (address, vmta, provider, hour, what) where what is an outcome or a bounce category."""

    counts: Counter[tuple[str, str, str, datetime, str]] = field(default_factory=Counter)
    by_type: Counter[str] = field(default_factory=Counter)
    rejected: list[int] = field(default_factory=list)
    complaints: int = 0


def read(data: bytes) -> Told:
    """`rejected` are the first lines of wrong rows."""
    told = Told()
    text = io.StringIO(data.decode("utf-8-sig", "replace"), newline="")
    reader = csv.reader(text)
    header = [name.strip().lower() for name in next(reader)]
    line = reader.line_num + 1
    for row in reader:
        begins, line = line, reader.line_num + 1
        if not row:
            continue
        lowered = [name.strip().lower() for name in row]
        if "type" in lowered and "timelogged" in lowered:
            header = lowered
            continue
        if not _count(told, header, row):
            told.rejected.append(begins)
    return told


def _count(told: Told, header: list[str], row: list[str]) -> bool:
    while len(row) > len(header) and row[-1] == "":
        row.pop()
    if len(row) != len(header):
        return False
    fields = dict(zip(reversed(header), reversed(row), strict=True))
    kind = SHORT.get(fields["type"])
    try:
        hour = parse_time(fields["timelogged"]).replace(minute=0, second=0)
    except ValueError:
        return False
    if kind is None:
        return False
    if kind in {"d", "b", "t"}:
        local, at, domain = fields.get("rcpt", "").partition("@")
        domain = domain.rpartition("@")[2].lower()
        source = fields.get("dlvsourceip", ""), fields.get("vmta", "")
        if not (local and at and domain and any(source)):
            return False
        provider = shipped_providers().of(domain)
        if provider == OTHER:
            provider = shipped_providers().of_mx(fields.get("dsnmta", "").split(" ")[0])
        outcome = {"d": "delivered", "b": "bounced", "t": "deferred"}[kind]
        told.counts[(*source, provider, hour, outcome)] += 1
        if kind == "b":
            told.counts[(*source, provider, hour, fields.get("bouncecat") or "unknown")] += 1
    if kind == "f" and fields.get("feedbacktype", "").lower() not in NO_COMPLAINT:
        told.complaints += 1
    told.by_type[kind] += 1
    return True
