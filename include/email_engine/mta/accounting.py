"""PowerMTA accounting files: rows to counts per source, mailbox provider and hour.

Columns are found by header name, since every version and every `record-fields` line has another order. Attempts are
d + b + t, one per recipient; `tq` repeats per queue what `t` says per recipient, `r` is reception, `rb` and `rs` are
reports without an IP: these are counted as seen and not added up. Facts: PowerMTA guide, "Accounting files"."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from email_engine.errors import InputError
from email_engine.mta.accounting_values import Counts, Rejected, Source, Summary, parse_time

__all__ = ["Counts", "Rejected", "Source", "Summary", "parse_time", "summarize", "summarize_rows"]

KNOWN_TYPES = frozenset({"d", "b", "t", "tq", "r", "f", "rb", "rs"})
NO_COMPLAINT = frozenset({"not-spam", "auth-failure", "opt-out", "dmarc"})
MESSAGE_ID = "header_message-id"
_ATTEMPTS = frozenset({"d", "b", "t"})


def summarize(
    data: bytes,
    name: str,
    provider_of: Callable[[str], str],
    origins: Mapping[str, Source] | None = None,
) -> Summary:
    """Reads a whole accounting file.

    Args:
        data: the file; UTF-8, RFC 4180, a header line (also again in the middle, as concatenated files have it).
        name: for messages.
        provider_of: mailbox provider of a recipient domain in lower case.
        origins: source of messages by Message-Id, for feedback records, which name no IP themselves.

    Raises:
        InputError: no header line with at least type and timeLogged.
    """
    # Zero bytes (a file system after a power cut, a broken recipient) are no text that a database takes.
    text = io.TextIOWrapper(
        io.BytesIO(data.replace(b"\0", b"?")), encoding="utf-8-sig", errors="replace", newline="\n"
    )
    return summarize_rows(text, name, provider_of, origins)


def summarize_rows(
    lines: Iterable[str],
    name: str,
    provider_of: Callable[[str], str],
    origins: Mapping[str, Source] | None = None,
) -> Summary:
    """As `summarize`, from lines that keep their line ends."""
    reader = csv.reader(lines)
    try:
        header = next(reader, None)
    except csv.Error as error:
        raise _no_header(name, str(error)) from None
    if not header:
        raise _no_header(name, "the file is empty")
    reading = _Reading(name, _Columns(header, name), provider_of, origins or {})
    while True:
        try:
            reading.take(reader)
            return reading.finish()
        except csv.Error as error:
            reading.skip(reader.line_num, f"not CSV: {error}")


def _no_header(name: str, observed: str) -> InputError:
    return InputError(name, observed, "a header line such as type,timeLogged,...", "look at its acct-file")


class _Reading:
    """One file while it is read; the loop in `take` is the hot one."""

    def __init__(
        self,
        name: str,
        columns: "_Columns",
        provider_of: Callable[[str], str],
        origins: Mapping[str, Source],
    ) -> None:
        self.name = name
        self.provider_of = provider_of
        self.origins = origins
        self.summary = Summary()
        self.columns = columns
        self.hours: dict[str, datetime] = {}
        self.pairs: dict[tuple[str, str, str, datetime], Counts] = {}
        self.seen = 1

    def skip(self, line: int, reason: str) -> None:
        """A broken row took the reader to `line`: all lines that no other row accounts for are lost with it."""
        lost = max(1, line - self.seen)
        self.seen += lost
        self.summary.reject(line, reason, lost)

    def take(self, reader: Any) -> None:
        """Reads on to the end of the file; raises csv.Error at a broken row and may be called again."""
        hours, pairs, by_type = self.hours, self.pairs, self.summary.by_type
        columns = self.columns
        width = columns.width
        for row in reader:
            self.seen += 1
            if len(row) != width or row[columns.type] == "type":
                if "timeLogged" in row:
                    columns = self.columns = _Columns(row, self.name)
                    width = columns.width
                elif row:
                    self._reject(reader.line_num, row, f"{len(row)} fields, the header has {width}")
                continue
            if columns.short:
                row.append("")
            kind, logged = row[columns.type], row[columns.time]
            stamp = logged[:16] + logged[19:]
            hour = hours.get(stamp)
            if hour is None:
                try:
                    hour = hours[stamp] = parse_time(logged).replace(minute=0, second=0, microsecond=0)
                except (ValueError, OverflowError):
                    self._reject(reader.line_num, row, f"unreadable time {logged[:40]!r}")
                    continue
            if kind in _ATTEMPTS:
                rcpt = row[columns.rcpt]
                at = rcpt.rfind("@")
                pair = (row[columns.ip], row[columns.vmta], rcpt[at + 1 :], hour)
                counts = pairs.get(pair)
                if counts is None or at < 1:
                    if reason := _wrong(pair[0] or pair[1], rcpt):
                        self._reject(reader.line_num, row, reason)
                        continue
                    counts = pairs[pair] = Counts()
                if kind == "d":
                    counts.delivered += 1
                elif kind == "t":
                    counts.deferred += 1
                else:
                    counts.bounced += 1
                    category = row[columns.category] or "unknown"
                    counts.bounce_categories[category] = counts.bounce_categories.get(category, 0) + 1
            elif kind == "f":
                self._complaint(columns, row, hour)
            elif kind not in KNOWN_TYPES:
                self._reject(reader.line_num, row, f"unknown record type {kind[:20]!r}")
                continue
            by_type[kind] = by_type.get(kind, 0) + 1

    def _reject(self, line: int, row: list[str], reason: str) -> None:
        """A quote that never closes swallows rows: they show as one row of many lines and count as that many."""
        lines = 1 + sum(text.count("\n") for text in row)
        self.summary.reject(line, reason, lines)

    def _complaint(self, columns: "_Columns", row: list[str], hour: datetime) -> None:
        """One feedback record; types that complain about nothing are passed over."""
        if columns.field(row, "feedbacktype").lower() in NO_COMPLAINT:
            return
        source = self.origins.get(columns.field(row, MESSAGE_ID).strip("<> "))
        if source is None:
            source = Source(row[columns.ip], row[columns.vmta])
        if source == Source("", ""):
            self.summary.complaints_without_source += 1
            return
        _, at, domain = row[columns.rcpt].rpartition("@")
        if not at:
            domain = "outlook.com" if columns.field(row, "format").lower() == "jmrp" else ""
        key = (source, self.provider_of(domain.lower()), hour)
        self.summary.stats.setdefault(key, Counts()).complained += 1

    def finish(self) -> Summary:
        """Recipient domains become mailbox providers."""
        summary = self.summary
        sources: dict[tuple[str, str], Source] = {}
        for (address, vmta, domain, hour), counts in self.pairs.items():
            source = sources.setdefault((address, vmta), Source(address, vmta))
            summary.stats.setdefault((source, self.provider_of(domain.lower()), hour), Counts()).add(counts)
        summary.records = sum(summary.by_type.values())
        if self.hours:
            summary.first, summary.last = min(self.hours.values()), max(self.hours.values())
        return summary


class _Columns:
    """Where each column stands. For columns that the file does not have -1: `short` says that one is missing, then
    an empty field is added to each row."""

    __slots__ = ("at", "category", "ip", "rcpt", "short", "time", "type", "vmta", "width")

    def __init__(self, header: list[str], name: str) -> None:
        self.at = {column.strip().lower(): index for index, column in enumerate(header)}
        missing = [column for column in ("type", "timeLogged") if column.lower() not in self.at]
        if missing:
            raise InputError(
                name,
                f"no column {' and no column '.join(missing)} in the first line",
                "a header line with type, timeLogged, rcpt, dlvSourceIp, vmta in any order",
                "see that it is an accounting file and starts with its header; correct its acct-file",
            )
        self.width = len(header)
        self.type, self.time = self.at["type"], self.at["timelogged"]
        self.rcpt, self.category = self.at.get("rcpt", -1), self.at.get("bouncecat", -1)
        self.ip, self.vmta = self.at.get("dlvsourceip", -1), self.at.get("vmta", -1)
        self.short = -1 in (self.rcpt, self.ip, self.vmta, self.category)

    def field(self, row: list[str], column: str) -> str:
        index = self.at.get(column)
        return "" if index is None else row[index]


def _wrong(source: str, rcpt: str) -> str | None:
    local, at, domain = rcpt.rpartition("@")
    if not (local and at and domain):
        return f"no recipient address: {rcpt[:60]!r}"
    return None if source else "neither dlvSourceIp nor vmta"
