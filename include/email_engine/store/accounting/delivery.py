"""Accounting files taken, each exactly once, and the delivery counts that they add to.

A file is known by its content on its host: it is taken whole or not at all, in one transaction with its counts, its events
and its unreadable rows. A copy counts nothing, whatever it is called; of a file whose beginning was taken before, the rest
counts. Session of tenant `*`."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, func, select, update

from email_engine.accounting.copies import Content, Copy, Known, begun_with, content_of, copy_of
from email_engine.accounting.plain import plain_offset, raw_offset
from email_engine.accounting.policy import AccountingPolicy
from email_engine.accounting.recipients import Hash
from email_engine.accounting.sealing import Sealer
from email_engine.accounting.summarize import Counts, Resume, SendingSource, Summary, summarize
from email_engine.accounting.unpack import unpacked
from email_engine.errors import InputError
from email_engine.fleet.providers import Providers
from email_engine.plural import amount
from email_engine.pmta.config.provider_queues import ROLLUP
from email_engine.store.accounting import refusals
from email_engine.store.accounting.complaints import place_complaints
from email_engine.store.accounting.counts import KnownIps, Rows, add_counts, known_ips
from email_engine.store.accounting.events import EventWriter, quarantine
from email_engine.store.accounting.files import (
    DUPLICATE,
    REFUSED,
    TAKEN,
    AccountingFile,
    alike,
    note,
    note_duplicate,
    seen_files,
)
from email_engine.store.accounting.reply_texts import add_texts, watch_unknown
from email_engine.store.schema import accounting_files, mta_hosts
from email_engine.store.stops import provider_brakes
from email_engine.store.stops.provider_brakes import Waits
from email_engine.store.suppression.judged import note_deliveries
from email_engine.store.suppression.noted import SuppressionNotes

__all__ = [
    "DUPLICATE", "REFUSED", "TAKEN", "AccountingFile", "Reading", "Taken", "mark_checked", "seen_files", "take_file", "taken_by",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file is read with. `hash_of`: None keeps events without their recipient; `now`: rows may not be dated later (but for
    the clock skew of the policy), None: any time goes. `sealer`: None keeps no address until it is suppressed."""

    providers: Providers
    policy: AccountingPolicy
    hash_of: Hash | None
    now: datetime | None = None
    sealer: Sealer | None = None

    @property
    def latest(self) -> datetime | None:
        """The latest hour that a row may have."""
        return self.now + timedelta(minutes=self.policy.clock_skew_minutes) if self.now else None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a file: `taken`, `duplicate` or `refused`. `rejected` counts unreadable rows and rows of sources
    that are not in the fleet; `message` says why, '' if there is nothing to say."""

    status: str
    records: int
    rejected: int
    message: str = ""


def taken_by(conn: Connection, dag_id: str, run_id: str) -> int:
    """How many files a run took."""
    c = accounting_files.c
    query = select(func.count()).where(c.dag_id == dag_id, c.run_id == run_id, c.status == TAKEN)
    return int(conn.execute(query).scalar_one())


def mark_checked(conn: Connection, mta_host: str, at: datetime) -> None:
    """Every closed accounting file that the host had at `at` is known: from here on silence means no mail. Not as long as a refused
    file stands, whether it still lies there or not: it may be all that tells of the mail."""
    if refusals.refusals(conn, mta_host):
        return
    checked = mta_hosts.c.accounting_checked_at
    later = checked.is_(None) | (checked < at)
    conn.execute(
        update(mta_hosts).where(mta_hosts.c.name == mta_host, later).values(accounting_checked_at=at)
    )


def take_file(
    conn: Connection,
    file: AccountingFile,
    path: Path,
    reading: Reading,
    *,
    dag_id: str | None,
    run_id: str | None,
) -> Taken:
    """Adds a file's counts, once.

    `path`: the file as it came from the host, which may be compressed; its size is what counts, not what the host had listed before. The same content
    again, or the beginning of it, is a `duplicate`; a file with too many unreadable rows, or without a header, is `refused` with
    an alert. Of a file that was taken shorter before, the rest is added. Two takers of one host's files wait for each other."""
    conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"accounting {file.mta_host}", 0))))
    file = replace(file, size=path.stat().st_size)
    run = {"dag_id": dag_id, "run_id": run_id}
    with tempfile.TemporaryDirectory(prefix="email-engine-unpacked-") as folder:
        try:
            plain = unpacked(path, Path(folder), f"{file.mta_host}:{file.name}")
        except InputError as error:
            return _once(conn, file, path, reading, run, str(error))
        return _once(conn, file, plain, reading, run)


def _once(
    conn: Connection,
    file: AccountingFile,
    path: Path,
    reading: Reading,
    run: Mapping[str, str | None],
    damage: str = "",
) -> Taken:
    """`path`: what the file holds; `damage`: why it cannot be unpacked."""
    content = content_of(path)
    known = alike(conn, file, content)
    begun = {one.size for one in known if one.status == TAKEN and one.size < content.size}
    if begun:
        content = content_of(path, begun)
    copy, of = copy_of(content, known)
    if of is not None and copy in (Copy.SAME, Copy.SHORTER):
        message = f"same content as {of.name}, {of.status} before"
        if copy is Copy.SHORTER:
            message = f"the beginning of {of.name}, which was taken with {of.size} bytes"
        note_duplicate(conn, file, content, message, run)
        return Taken(DUPLICATE, 0, 0, message)
    if damage:
        return _refuse(conn, file, content, Summary(), damage, reading, run)
    return _take(conn, file, path, content, reading, begun_with(content, known), run)


def _take(
    conn: Connection,
    file: AccountingFile,
    path: Path,
    content: Content,
    reading: Reading,
    begun: Sequence[Known],
    run: Mapping[str, str | None],
) -> Taken:
    before = max(begun, key=lambda one: one.size, default=None)
    resume = None
    if before is not None:
        known = before.size if before.whole_bytes is None else before.whole_bytes
        resume = Resume(raw_offset(path, known), before.cut)
    fleet, waits = known_ips(conn, file.mta_host), provider_brakes.waits(conn)
    aside = conn.begin_nested()
    file_id = note(conn, file, content, TAKEN, run)
    notes = SuppressionNotes(reading.sealer)
    notes.watch_known(conn)
    writer = EventWriter(conn, file_id, fleet, reading.hash_of, notes)
    try:
        summary = summarize(
            path,
            f"{file.mta_host}:{file.name}",
            reading.providers,
            events=writer,
            resume=resume,
            latest=reading.latest,
            suspended=partial(_suspended, fleet, waits, reading.providers) if waits.spans else None,
            watched=notes.watched if reading.hash_of else None,
        )
    except InputError as error:
        aside.rollback()
        return _refuse(conn, file, content, Summary(), str(error), reading, run)
    if summary.rejected_rate_of(sum(one.records for one in begun)) > reading.policy.largest_rejected_rate:
        aside.rollback()
        first = "; ".join(f"line {r.line}: {r.reason}" for r in summary.rejected[:3])
        message = (
            f"{summary.rejected_rows} of {summary.records + summary.rejected_rows} rows unreadable ({first})"
        )
        return _refuse(conn, file, content, summary, message, reading, run)
    rows, unknown_sources = _rows(summary, fleet)
    place_complaints(conn, summary, writer, rows, unknown_sources, reading.policy.origin_days)
    writer.flush()
    if reading.hash_of:
        taken_by_hash = {reading.hash_of(address): at for address, at in summary.delivered_to.items()}
        note_deliveries(conn, {known: at for known, at in taken_by_hash.items() if known})
    quarantine(conn, file_id, summary.rejected, reading.hash_of)
    add_counts(conn, rows)
    add_texts(conn, summary.texts)
    watch_unknown(conn, file.mta_host, summary, reading.policy, run["dag_id"], run["run_id"])
    rejected = summary.rejected_rows + sum(unknown_sources.values()) + summary.complaints_without_source
    message = _message(summary, unknown_sources, before)
    done = {
        "records": summary.records,
        "rejected": rejected,
        "message": message or None,
        "strangers": sum(unknown_sources.values()),
        "failures": summary.failures,
        "unknown_failures": summary.unknown_failures,
    }
    whole = {"whole_bytes": plain_offset(path, summary.whole_bytes), "cut": summary.cut}
    conn.execute(update(accounting_files).where(accounting_files.c.id == file_id).values(done | whole))
    refusals.clear_settled(conn, file.mta_host, file.name)
    aside.commit()
    return Taken(TAKEN, summary.records, rejected, message)


def _suspended(
    fleet: KnownIps,
    waits: Waits,
    providers: Providers,
    source: SendingSource,
    queue: str,
    queued: datetime | None,
    logged: datetime,
) -> bool:
    """Only queues that a suspension holds: the provider's roll-up and its own domains, not those of companies that it serves."""
    ip = fleet.find(source)
    provider = queue.removesuffix(ROLLUP) if queue.endswith(ROLLUP) else providers.by_domain.get(queue)
    return ip is not None and provider is not None and waits.cover(ip[0], provider, queued, logged)


def _refuse(
    conn: Connection,
    file: AccountingFile,
    content: Content,
    summary: Summary,
    message: str,
    reading: Reading,
    run: Mapping[str, str | None],
) -> Taken:
    """Notes that a file was not taken, and tells people; nothing of it is counted."""
    file_id = note(conn, file, content, REFUSED, run, summary.records, summary.rejected_rows, message)
    quarantine(conn, file_id, summary.rejected[: reading.policy.kept_of_refused], reading.hash_of)
    refusals.tell(conn, file.mta_host, file.name, message, run["dag_id"], run["run_id"])
    return Taken(REFUSED, summary.records, summary.rejected_rows, message)


def _rows(summary: Summary, known: KnownIps) -> tuple[Rows, dict[str, int]]:
    """Attempts by (ip id, tenant, provider, hour), and the rows of sources that are not in the fleet."""
    rows: Rows = {}
    unknown_sources: dict[str, int] = {}
    for (source, provider, hour), counts in summary.stats.items():
        ip = known.find(source)
        if ip is None:
            name = source.address or source.vmta
            unknown_sources[name] = unknown_sources.get(name, 0) + counts.attempts
        else:
            rows.setdefault((*ip, provider, hour), Counts()).add(counts)
    return rows, unknown_sources


def _message(summary: Summary, unknown_sources: Mapping[str, int], before: Known | None) -> str:
    parts = []
    if before is not None:
        parts.append(f"its first {before.size} bytes were taken before as {before.name}, the rest now")
    if unknown_sources:
        named = ", ".join(f"{name} ({count})" for name, count in sorted(unknown_sources.items())[:5])
        parts.append(
            f"{sum(unknown_sources.values())} rows of {len(unknown_sources)} sources outside the fleet: {named}"
        )
    if summary.waited_out:
        parts.append(
            f"{amount(summary.waited_out, 'message')} timed out because a provider was suspended: not counted"
        )
    if summary.rejected_rows:
        first = summary.rejected[0]
        parts.append(f"{summary.rejected_rows} unreadable rows, first in line {first.line}: {first.reason}")
    if summary.repeated_complaints:
        parts.append(f"{amount(summary.repeated_complaints, 'complaint')} came again, counted once")
    if summary.complaints_without_source:
        parts.append(f"{summary.complaints_without_source} complaints name no source")
    return "; ".join(parts)
