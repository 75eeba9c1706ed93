"""PowerMTA accounting files: rows to counts per source, mailbox provider and hour; bounces and complaints one by one.

Attempts are d + b + t, one per recipient; `tq` repeats per queue what `t` says per recipient, `r` is reception, `rs` a
report: these are counted as seen and not added up. Facts: PowerMTA guide, "Accounting files".

A columnar engine reads the file (`scan` says which and why) while its rows are counted a second time, without
it, by quotes and line breaks alone. Where the two disagree, or a row is wrong, the file is read again the careful way
(`sift`), which knows the line of each row. Memory does not grow with the file."""

import tempfile
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb

from email_engine.accounting.columns import LARGEST_HEADER, parse_header
from email_engine.accounting.group_counts import GroupCounter
from email_engine.accounting.hidden import refuse_hidden, refuse_json
from email_engine.accounting.layout import layout_of
from email_engine.accounting.lexicon import Lexicon, shipped_lexicon
from email_engine.accounting.sift import UNFINISHED, sift
from email_engine.accounting.sink import EventSink, KeptSink
from email_engine.accounting.timeouts import Suspended
from email_engine.accounting.values import (
    Counts,
    Event,
    EventKind,
    Rejected,
    SendingSource,
    Summary,
    parse_time,
)
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
    watched: Callable[[], Collection[str]] | None = None,
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
        watched: asked when everything else is read: addresses in lower case whose deliveries the summary tells (`delivered_to`).

    Raises:
        InputError: no header line with at least type and timeLogged, or a file that brings the reader down.
        OSError, MemoryError, duckdb.IOException: the machine's fault; and whatever `events` raises."""
    kept = None if events is None else KeptSink(events)
    reading = partial(
        GroupCounter,
        providers,
        lexicon or shipped_lexicon(),
        (latest or _NO_LIMIT).astimezone(UTC),
        kept,
        suspended,
        watched,
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


def _summarize(
    path: Path, subject: str, reading: "Callable[[], GroupCounter]", resume: Resume | None
) -> Summary:
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


def _fast(path: Path, subject: str, folder: Path, reading: "GroupCounter") -> Summary:
    with path.open("rb") as file:
        columns = parse_header(file.readline(LARGEST_HEADER), subject)
    plain = folder / "file.csv"  # a name without the signs that the engine reads as a pattern
    plain.symlink_to(path.resolve())
    with ThreadPoolExecutor(1) as beside:
        second = beside.submit(layout_of, path)
        if reading.all_of(plain, columns, header=True, lines=False):
            raise _Odd
        reading.watch(plain, columns, header=True, lines=False)
        layout = second.result()
    if layout.rows != reading.summary.records + 1:
        raise _Odd
    return reading.finish(layout.whole_bytes, layout.cut)


def _careful(path: Path, subject: str, folder: Path, reading: "GroupCounter", resume: Resume) -> Summary:
    reject = reading.summary.reject
    sifted = sift(path, folder, subject, reject, resume.at, resume.skip_first)
    for segment in sifted.segments:
        for reason, group in reading.all_of(segment.path, segment.columns, header=False, lines=True):
            for _ in range(group.rows):
                reject(group.line or 0, reason, group.details()[0] if group.detail is not None else "")
    for segment in sifted.segments:
        reading.watch(segment.path, segment.columns, header=False, lines=True)
    rejected = reading.summary.rejected
    rejected.sort(key=lambda r: r.line)
    reading.summary.unfinished = bool(rejected) and rejected[-1].reason == UNFINISHED
    return reading.finish(sifted.whole_bytes, sifted.cut)
