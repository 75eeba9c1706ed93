"""Accounting files of a host, read for an adoption: newest first, one at a time, each record once; none of them counts as taken."""

import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol

from email_engine.accounting.copies import Copy, Known, begun_with, content_of, copy_of
from email_engine.accounting.message_ids import MessageIds, newest_ids
from email_engine.accounting.names import SUFFIXES, EntryKind, oddness, shown
from email_engine.accounting.plain import plain_offset, raw_offset
from email_engine.accounting.policy import shipped_accounting_policy
from email_engine.accounting.read_files import Read
from email_engine.accounting.settled import is_young
from email_engine.accounting.summarize import Resume, Summary, summarize
from email_engine.accounting.unpack import unpacked
from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_listing import RemoteFile
from email_engine.errors import EngineError, InputError, Unreachable
from email_engine.fleet.providers import shipped_providers
from email_engine.simulation.file_traffic import FileTraffic

log = logging.getLogger(__name__)

MOST_BYTES = 50 << 30
"""Of one host's files, as they lie there."""
MOST_MINUTES = 60.0
"""For one host; the newest files are read first."""
MOST_IDS = 20
MOST_NAMED = 5


class FileSource(Protocol):
    """A folder of accounting files."""

    def entries(self) -> tuple[RemoteFile, ...]: ...

    def fetch(self, name: str, target: Path) -> bool:
        """Copies one; False where it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """`mta`: an open session."""

    mta: PowerMta
    folder: str

    def entries(self) -> tuple[RemoteFile, ...]:
        return self.mta.entries(self.folder)

    def fetch(self, name: str, target: Path) -> bool:
        return self.mta.fetch(f"{self.folder}/{name}", target) is not None


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder on this machine."""

    folder: Path

    def entries(self) -> tuple[RemoteFile, ...]:
        try:
            found = [(path, path.stat()) for path in sorted(self.folder.iterdir()) if path.is_file()]
        except OSError as error:
            raise InputError(
                str(self.folder), error.strerror or type(error).__name__, "a folder of accounting files", "correct the name"
            ) from None  # fmt: skip
        return tuple(RemoteFile(path.name, seen.st_size, int(seen.st_mtime)) for path, seen in found)

    def fetch(self, name: str, target: Path) -> bool:
        try:
            shutil.copyfile(self.folder / name, target)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise InputError(
                name, error.strerror or type(error).__name__, "a readable file", "look at it"
            ) from None
        return True


@dataclass(slots=True)
class FilesRead:
    """What became of a host's files. `passed_over`: name and why; `first`, `last`: hours of the first and last attempt; `ids` of the
    newest file with deliveries, `without_id` files with deliveries that have no column for Message-Id."""

    files: int = 0
    rows: int = 0
    copies: int = 0
    passed_over: list[tuple[str, str]] = field(default_factory=list)
    first: datetime | None = None
    last: datetime | None = None
    ids: MessageIds | None = None
    without_id: int = 0
    ended: str = ""


def read_files(
    source: FileSource,
    traffic: FileTraffic,
    first: date,
    now: datetime,
    clock: Callable[[], float] = time.monotonic,
    most_bytes: int = MOST_BYTES,
) -> FilesRead:
    """Adds to `traffic` what the files written since the UTC day `first` say. Raises EngineError: the folder cannot be listed. What ends
    the reading later is told in `ended`."""
    done = FilesRead()
    chosen = _chosen(source.entries(), first, now, done)
    until, size, known = clock() + MOST_MINUTES * 60, 0, list[Known]()
    for number, entry in enumerate(chosen):
        size += entry.size
        left = len(chosen) - number
        if number and (size > most_bytes or clock() > until):
            what = f"{most_bytes >> 30} GB" if size > most_bytes else f"{MOST_MINUTES:g} minutes"
            done.ended = f"after {what}: {left} older files were not read"
            break
        try:
            _one(source, entry, traffic, now, known, done)
        except InputError as error:
            done.passed_over.append((entry.name, error.observed))
        except Unreachable as error:
            done.ended = f"{error.observed}: {left} files were not read"
            break
        except EngineError as error:
            done.passed_over.append((entry.name, error.observed))
    log.info("%s files, %s rows, %s copies", done.files, done.rows, done.copies)
    return done


def _chosen(entries: tuple[RemoteFile, ...], first: date, now: datetime, done: FilesRead) -> list[RemoteFile]:
    """Newest first."""
    quiet = shipped_accounting_policy().quiet_seconds
    since = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(days=1)
    found = []
    for entry in entries:
        if (why := oddness(entry.name, entry.kind)) is not None:
            done.passed_over.append((shown(entry.name), why))
            continue
        accounting = entry.kind is EntryKind.FILE and entry.name.endswith(SUFFIXES)
        closed = not is_young(entry.modified, now.timestamp(), quiet)
        if accounting and closed and entry.modified >= since.timestamp():
            found.append(entry)
    return sorted(found, key=lambda entry: (entry.modified, entry.name), reverse=True)


def _one(
    source: FileSource,
    entry: RemoteFile,
    traffic: FileTraffic,
    now: datetime,
    known: list[Known],
    done: FilesRead,
) -> None:
    with tempfile.TemporaryDirectory(prefix="email-engine-adopt-") as folder:
        copy = Path(folder) / "accounting"
        if not source.fetch(entry.name, copy):
            return
        plain = unpacked(copy, Path(folder), entry.name)
        content = content_of(plain)
        if sizes := {file.size for file in known if file.size < content.size}:
            content = content_of(plain, sizes)
        kind, _ = copy_of(content, known)
        if kind in (Copy.SAME, Copy.SHORTER):
            done.copies += 1
            return
        begun = max(begun_with(content, known), key=lambda file: file.size, default=None)
        resume = None
        if begun is not None:
            done.copies += 1
            at = begun.size if begun.whole_bytes is None else begun.whole_bytes
            resume = Resume(raw_offset(plain, at), begun.cut)
        summary = _summary(plain, entry.name, now, resume)
        whole = plain_offset(plain, summary.whole_bytes)
        known.append(
            Known(len(known) + 1, entry.name, content.size, content.digest, "taken", content.heads, whole, summary.cut, summary.records)
        )  # fmt: skip
        _count(Path(entry.name), summary, traffic, done)
        _ids(plain, entry.name, summary, done)


def _summary(plain: Path, name: str, now: datetime, resume: Resume | None) -> Summary:
    skew = timedelta(minutes=shipped_accounting_policy().clock_skew_minutes)
    return summarize(plain, name, shipped_providers(), resume=resume, latest=now + skew)


def _count(path: Path, summary: Summary, traffic: FileTraffic, done: FilesRead) -> None:
    refused = summary.rejected_rate > shipped_accounting_policy().largest_rejected_rate
    traffic.take(Read(path, summary, refused=refused))
    done.files += 1
    done.rows += summary.records
    hours = [hour for (_, _, hour), counts in summary.stats.items() if counts.attempts]
    if hours:
        done.first = min([*hours, done.first] if done.first else hours)
        done.last = max([*hours, done.last] if done.last else hours)


def _ids(plain: Path, name: str, summary: Summary, done: FilesRead) -> None:
    if not summary.by_type.get("d"):
        return
    seen = newest_ids(plain, name, MOST_IDS)
    done.without_id += not seen.column
    if done.ids is None and seen.deliveries:
        done.ids = seen
