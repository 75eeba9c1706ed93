"""PowerMTA accounting files: rows to counts per source, mailbox provider and hour; bounces and complaints one by one.

Attempts are d + b + t, one per recipient; `tq` repeats per queue what `t` says per recipient, `r` is reception, `rs` a
report: these are counted as seen and not added up. Facts: PowerMTA guide, "Accounting files".

A columnar engine reads the file (`scan` says which and why) while its rows are counted a second time, without
it, by quotes and line breaks alone. Where the two disagree, or a row is wrong, the file is read again the careful way
(`sift`), which knows the line of each row. Memory does not grow with the file."""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb

from email_engine.accounting.columns import LARGEST_HEADER, Columns, parse_header
from email_engine.accounting.event import LONGEST_WORD, event_of, plain_text
from email_engine.accounting.hidden import refuse_hidden, refuse_json
from email_engine.accounting.layout import layout_of
from email_engine.accounting.lexicon import Lexicon, shipped_lexicon
from email_engine.accounting.scan import ATTEMPTS, NEGATIVE, Group, connect, scan
from email_engine.accounting.sift import UNFINISHED, sift
from email_engine.accounting.sink import EventSink, KeptSink
from email_engine.accounting.timeouts import Suspended, waited_out
from email_engine.accounting.values import (
    KINDS,
    Counts,
    Event,
    EventKind,
    Rejected,
    SendingSource,
    Summary,
    parse_time,
    plain_address,
)
from email_engine.accounting.wordings import Wordings
from email_engine.errors import EngineError, InputError
from email_engine.fleet.providers import Providers

__all__ = [
    "Counts",
    "Event",
    "EventKind",
    "EventSink",
    "Rejected",
    "Resume",
    "SendingSource",
    "Summary",
    "parse_time",
    "summarize",
]

_EVENTS = {"b": EventKind.BOUNCE, "rb": EventKind.REMOTE_BOUNCE, "f": EventKind.COMPLAINT}
_SHORT = {**KINDS, **{short: short for short in KINDS.values()}}
HOUR_ALONE = len("2026-11-01 10")
_NO_LIMIT = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Resume:
    """Where to go on in a file of which a shorter copy was read: at a byte; `skip_first`: the row there is known."""

    at: int
    skip_first: bool


class _Odd(Exception):
    """The fast way does not do for this file."""


def summarize(
    path: Path,
    subject: str,
    providers: Providers,
    *,
    events: EventSink | None = None,
    resume: Resume | None = None,
    latest: datetime | None = None,
    lexicon: Lexicon | None = None,
    suspended: Suspended | None = None,
) -> Summary:
    """Reads a whole accounting file, or the rest of it from `resume` on.

    Args:
        path: the file; UTF-8, RFC 4180, a header line (also again in the middle, as concatenated files have it).
        subject: the file's name for messages.
        events: takes bounces; without it they are only counted. Complaints stand in the summary.
        latest: rows whose hour begins later were dated by a clock that goes wrong, and are rejected; None: any time goes.
        lexicon: what replies mean; None: as shipped.
        suspended: did mail time out because its queue stood still for a suspended provider? Such bounces
            say nothing about IP, provider or recipient: they are read and count nowhere. None: there was no suspension.

    Raises:
        InputError: no header line with at least type and timeLogged, or a file that brings the reader down.
        OSError, MemoryError, duckdb.IOException: the machine's fault; and whatever `events` raises."""
    kept = None if events is None else KeptSink(events)
    reading = partial(
        _Reading,
        providers,
        lexicon or shipped_lexicon(),
        (latest or _NO_LIMIT).astimezone(UTC),
        kept,
        suspended,
    )
    try:
        return _summarize(path, subject, reading, resume)
    except (EngineError, OSError, MemoryError, duckdb.IOException):
        raise
    except Exception as error:
        if kept is not None and kept.failure is error:
            raise
        raise InputError(
            subject,
            f"{type(error).__name__} while it was read",
            "a file that the reader survives",
            "keep the file and report it as a defect",
        ) from None


def _summarize(path: Path, subject: str, reading: "Callable[[], _Reading]", resume: Resume | None) -> Summary:
    with path.open("rb") as file:
        line = file.readline(LARGEST_HEADER)
    refuse_json(line, subject)
    refuse_hidden(path, parse_header(line, subject), subject)
    with tempfile.TemporaryDirectory(prefix="email-engine-accounting-") as name:
        if resume is None:
            first = reading()
            try:
                return _fast(path, subject, Path(name), first)
            except (_Odd, duckdb.Error):
                if first.events is not None:
                    first.events.clear()
        return _careful(path, subject, Path(name), reading(), resume or Resume(0, False))


def _fast(path: Path, subject: str, folder: Path, reading: "_Reading") -> Summary:
    with path.open("rb") as file:
        columns = parse_header(file.readline(LARGEST_HEADER), subject)
    plain = folder / "file.csv"  # a name without the signs that the engine reads as a pattern
    plain.symlink_to(path.resolve())
    with ThreadPoolExecutor(1) as beside:
        second = beside.submit(layout_of, path)
        if reading.all_of(plain, columns, header=True, lines=False):
            raise _Odd
        layout = second.result()
    if layout.rows != reading.summary.records + 1:
        raise _Odd
    return reading.finish(layout.whole_bytes, layout.cut)


def _careful(path: Path, subject: str, folder: Path, reading: "_Reading", resume: Resume) -> Summary:
    reject = reading.summary.reject
    sifted = sift(path, folder, subject, reject, resume.at, resume.skip_first)
    for segment in sifted.segments:
        for reason, group in reading.all_of(segment.path, segment.columns, header=False, lines=True):
            for _ in range(group.rows):
                reject(group.line or 0, reason, group.details()[0] if group.detail is not None else "")
    rejected = reading.summary.rejected
    rejected.sort(key=lambda r: r.line)
    reading.summary.unfinished = bool(rejected) and rejected[-1].reason == UNFINISHED
    return reading.finish(sifted.whole_bytes, sifted.cut)


class _Reading:
    """Groups of rows to a summary."""

    def __init__(
        self,
        providers: Providers,
        lexicon: Lexicon,
        latest: datetime,
        events: EventSink | None,
        suspended: Suspended | None,
    ) -> None:
        self.summary = Summary()
        self.providers = providers
        self.lexicon = lexicon
        self.latest = latest
        self.events = events
        self.suspended = suspended
        self.wordings = Wordings(self.summary, lexicon)
        self.hours: dict[str, datetime | None] = {}
        self.counts: dict[tuple[str, str, str, datetime], Counts] = {}
        self.sources: dict[tuple[str, str], SendingSource] = {}

    def all_of(self, path: Path, columns: Columns, *, header: bool, lines: bool) -> list[tuple[str, Group]]:
        """Takes every group of a file. Those that are wrong, with the reason; without `lines` it ends with the first."""
        wrong: list[tuple[str, Group]] = []
        with connect() as engine:
            for group in scan(
                engine,
                path,
                columns,
                self.providers,
                vocabulary=self.lexicon.vocabulary,
                latest=self.latest,
                header=header,
                lines=lines,
                events=self.events is not None,
            ):
                if reason := self.take(group):
                    wrong.append((reason, group))
                    if not lines:
                        break
        return wrong

    def take(self, group: Group) -> str | None:
        """Counts the group; or the reason why its rows are wrong."""
        kind = _SHORT.get(group.kind)
        if kind is None:
            if group.kind == NEGATIVE:
                return "a negative size or time in the queue"
            return "unknown record type" + _shown(group.kind)
        hour = self._hour(group.hour)
        if hour is None or hour > self.latest:
            reason = "unreadable time" if hour is None else "dated in the future"
            return reason + (_shown(group.details()[3]) if group.detail is not None else "")
        summary = self.summary
        if kind in ATTEMPTS:
            if not group.provider:
                return "no recipient address"
            if not (group.address or group.vmta):
                return "neither dlvSourceIp nor vmta"
            if kind == "b" and waited_out(self.suspended, group, self._source(group)):
                summary.waited_out += group.rows
                self._seen(kind, group, hour)
                return None
            key = (group.address, group.vmta, group.provider, hour)
            counts = self.counts.get(key)
            if counts is None:
                named = (self._source(group), group.provider, hour)
                counts = self.counts[key] = summary.stats.setdefault(named, Counts())
            if kind == "d":
                counts.delivered += group.rows
            elif kind == "t":
                counts.deferred += group.rows
            else:
                category = plain_text(group.category)[:LONGEST_WORD] or "unknown"
                counts.bounced += group.rows
                counts.bounce_categories[category] = counts.bounce_categories.get(category, 0) + group.rows
            if kind != "d":
                self.wordings.count(kind, group.provider, group, counts, hour)
        if kind in _EVENTS and group.detail is not None:
            self._event(event_of(_EVENTS[kind], group, self._source(group), self.providers), group.rows)
        self._seen(kind, group, hour)
        return None

    def _seen(self, kind: str, group: Group, hour: datetime) -> None:
        summary = self.summary
        summary.by_type[kind] = summary.by_type.get(kind, 0) + group.rows
        summary.records += group.rows
        if summary.first is None or hour < summary.first:
            summary.first = hour
        if summary.last is None or hour > summary.last:
            summary.last = hour

    def finish(self, whole_bytes: int, cut: bool) -> Summary:
        self.summary.whole_bytes, self.summary.cut = whole_bytes, cut
        self.summary.complaints.sort(key=lambda event: (event.at, event.recipient))
        return self.summary

    def _event(self, event: Event | None, rows: int) -> None:
        if event is not None and event.kind is EventKind.COMPLAINT:
            self.summary.complaints += [event] * rows
        elif event is not None and self.events is not None:
            for _ in range(rows):
                self.events.add(event)

    def _hour(self, text: str | None) -> datetime | None:
        """The hour that a group's text names; None if it names none."""
        if text is None:
            return None
        if text not in self.hours:
            self.hours[text] = None
            with suppress(ValueError):
                moment = parse_time(f"{text}:00:00" if len(text) == HOUR_ALONE else text)
                self.hours[text] = moment.replace(minute=0, second=0, microsecond=0)
        return self.hours[text]

    def _source(self, group: Group) -> SendingSource:
        key = (group.address, group.vmta)
        if key not in self.sources:
            self.sources[key] = SendingSource(
                plain_address(plain_text(group.address)), plain_text(group.vmta)
            )
        return self.sources[key]


def _shown(value: str) -> str:
    """What stood there, unless it may be an address: where columns are shifted, anything stands anywhere."""
    return "" if "@" in value else f" {plain_text(value)[:40]!r}"
