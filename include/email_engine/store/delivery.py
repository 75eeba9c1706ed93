"""Accounting files taken, each exactly once, and the delivery counts that they add to.

A file is known by its content on its host: it is taken whole or not at all, in one transaction with its counts, its events
and its unreadable rows. A copy counts nothing, whatever it is called; of a file whose beginning was taken before, the rest
counts. Session of tenant `*`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, false, func, or_, select, text, true, update
from sqlalchemy.dialects.postgresql import insert

from email_engine.errors import InputError
from email_engine.fleet.providers import Providers
from email_engine.mta.accounting import Counts, Resume, Summary, summarize
from email_engine.mta.accounting_copies import Content, Copy, Known, begun_with, content_of, copy_of
from email_engine.mta.accounting_policy import AccountingPolicy
from email_engine.mta.recipients import Hash
from email_engine.store import alerts
from email_engine.store.delivery_complaints import place_complaints
from email_engine.store.delivery_counts import KnownIps, Rows, add_counts, known_ips
from email_engine.store.delivery_events import EventWriter, quarantine
from email_engine.store.reply_texts import add_texts, watch_unknown
from email_engine.store.schema import accounting_files, mta_hosts

EVENT = "accounting_file"
TAKEN, REFUSED, DUPLICATE = "taken", "refused", "duplicate"


@dataclass(frozen=True, slots=True)
class AccountingFile:
    """A closed file on a host; `size` in bytes, `modified` in Unix seconds."""

    mta_host: str
    name: str
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file is read with. `hash_of`: None keeps events without their recipient; `now`: rows may not be dated later (but for
    the clock skew of the policy), None: any time goes."""

    providers: Providers
    policy: AccountingPolicy
    hash_of: Hash | None
    now: datetime | None = None

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


def seen_files(conn: Connection, mta_host: str) -> frozenset[tuple[str, int, int]]:
    """(name, size, modified) of every file of the host that was dealt with, whatever became of it."""
    rows = conn.execute(
        select(accounting_files.c.name, accounting_files.c.size, accounting_files.c.modified).where(
            accounting_files.c.mta_host == mta_host
        )
    )
    return frozenset((r.name, r.size, r.modified) for r in rows)


def taken_by(conn: Connection, dag_id: str, run_id: str) -> int:
    """How many files a run took."""
    c = accounting_files.c
    query = select(func.count()).where(c.dag_id == dag_id, c.run_id == run_id, c.status == TAKEN)
    return int(conn.execute(query).scalar_one())


def mark_checked(conn: Connection, mta_host: str, at: datetime) -> None:
    """Every closed accounting file that the host had at `at` is known: from here on silence means no mail."""
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

    `path`: the file as it came from the host. The same content again, or the beginning of it, is a `duplicate`; a
    file with too many unreadable rows, or without a header, is `refused` with an alert. Of a file that was taken shorter
    before, the rest is added. Two takers of one host's files wait for each other."""
    conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"accounting {file.mta_host}", 0))))
    content = content_of(path)
    known = _alike(conn, file, content)
    begun = {one.size for one in known if one.status == TAKEN and one.size < content.size}
    if begun:
        content = content_of(path, begun)
    copy, of = copy_of(content, known)
    run = {"dag_id": dag_id, "run_id": run_id}
    if of is not None and copy is Copy.SAME:
        return _duplicate(conn, file, content, f"same content as {of.name}, {of.status} before", run)
    if of is not None and copy is Copy.SHORTER:
        message = f"the beginning of {of.name}, which was taken with {of.size} bytes"
        return _duplicate(conn, file, content, message, run)
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
        resume = Resume(before.size if before.whole_bytes is None else before.whole_bytes, before.cut)
    fleet = known_ips(conn)
    aside = conn.begin_nested()
    file_id = _note(conn, file, content, TAKEN, run)
    writer = EventWriter(conn, file_id, fleet, reading.hash_of)
    try:
        summary = summarize(
            path,
            f"{file.mta_host}:{file.name}",
            reading.providers,
            events=writer,
            resume=resume,
            latest=reading.latest,
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
    rows, strangers = _rows(summary, fleet)
    place_complaints(conn, summary, writer, rows, strangers, reading.policy.origin_days)
    writer.flush()
    quarantine(conn, file_id, summary.rejected, reading.hash_of)
    add_counts(conn, rows)
    add_texts(conn, summary.texts)
    watch_unknown(conn, file.mta_host, summary, reading.policy, run["dag_id"], run["run_id"])
    rejected = summary.rejected_rows + sum(strangers.values()) + summary.complaints_without_source
    message = _message(summary, strangers, before)
    done = {
        "records": summary.records,
        "rejected": rejected,
        "message": message or None,
        "strangers": sum(strangers.values()),
        "failures": summary.failures,
        "unknown_failures": summary.unknown_failures,
    }
    whole = {"whole_bytes": summary.whole_bytes, "cut": summary.cut}
    conn.execute(update(accounting_files).where(accounting_files.c.id == file_id).values(done | whole))
    aside.commit()
    return Taken(TAKEN, summary.records, rejected, message)


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
    file_id = _note(conn, file, content, REFUSED, run, summary.records, summary.rejected_rows, message)
    quarantine(conn, file_id, summary.rejected[: reading.policy.kept_of_refused], reading.hash_of)
    alerts.raise_alert(
        conn,
        event=EVENT,
        object=f"{file.mta_host}:{file.name}",
        state=REFUSED,
        severity="warning",
        text=f"{file.mta_host}: accounting file {file.name} refused, nothing of it is counted: {message}",
        dag_id=run["dag_id"],
        run_id=run["run_id"],
    )
    return Taken(REFUSED, summary.records, summary.rejected_rows, message)


def _alike(conn: Connection, file: AccountingFile, content: Content) -> list[Known]:
    """Files of the host that may be a copy of this one, shorter or longer: as far as both go, they begin alike."""
    c = accounting_files.c
    columns = (c.id, c.name, c.size, c.digest, c.status, c.heads, c.whole_bytes, c.cut, c.records)
    begins_alike = text(
        "heads[least(cardinality(heads), :depth)] = (CAST(:mine AS text[]))[least(cardinality(heads), :depth)]"
    ).bindparams(depth=len(content.heads), mine=list(content.heads))
    tiny = func.cardinality(c.heads) == 0
    candidate = or_(c.digest == content.digest, begins_alike, tiny, true() if not content.heads else false())
    query = (
        select(*columns).where(c.mta_host == file.mta_host, c.status != DUPLICATE, candidate).order_by(c.id)
    )
    return [Known(**row) for row in conn.execute(query).mappings()]


def _duplicate(
    conn: Connection, file: AccountingFile, content: Content, message: str, run: Mapping[str, str | None]
) -> Taken:
    digest = f"{content.digest} as {file.name} {file.size} {file.modified}"
    row = _file_row(file, DUPLICATE, 0, 0, message) | dict(run) | {"digest": digest}
    conn.execute(
        insert(accounting_files).values(row).on_conflict_do_nothing(index_elements=["mta_host", "digest"])
    )
    return Taken(DUPLICATE, 0, 0, message)


def _note(
    conn: Connection,
    file: AccountingFile,
    content: Content,
    status: str,
    run: Mapping[str, str | None],
    records: int = 0,
    rejected: int = 0,
    message: str = "",
) -> int:
    row = _file_row(file, status, records, rejected, message) | dict(run)
    known = {"digest": content.digest, "heads": list(content.heads)}
    statement = insert(accounting_files).values(row | known).returning(accounting_files.c.id)
    return int(conn.execute(statement).scalar_one())


def _file_row(
    file: AccountingFile, status: str, records: int, rejected: int, message: str
) -> dict[str, str | int | None]:
    return {
        "mta_host": file.mta_host,
        "name": file.name,
        "size": file.size,
        "modified": file.modified,
        "status": status,
        "records": records,
        "rejected": rejected,
        "message": message or None,
    }


def _rows(summary: Summary, known: KnownIps) -> tuple[Rows, dict[str, int]]:
    """Attempts by (ip id, tenant, provider, hour), and the rows of sources that are not in the fleet."""
    rows: Rows = {}
    strangers: dict[str, int] = {}
    for (source, provider, hour), counts in summary.stats.items():
        ip = known.find(source)
        if ip is None:
            name = source.address or source.vmta
            strangers[name] = strangers.get(name, 0) + counts.attempts
        else:
            rows.setdefault((*ip, provider, hour), Counts()).add(counts)
    return rows, strangers


def _message(summary: Summary, strangers: Mapping[str, int], before: Known | None) -> str:
    parts = []
    if before is not None:
        parts.append(f"its first {before.size} bytes were taken before as {before.name}, the rest now")
    if strangers:
        named = ", ".join(f"{name} ({count})" for name, count in sorted(strangers.items())[:5])
        parts.append(f"{sum(strangers.values())} rows of {len(strangers)} sources outside the fleet: {named}")
    if summary.rejected_rows:
        first = summary.rejected[0]
        parts.append(f"{summary.rejected_rows} unreadable rows, first in line {first.line}: {first.reason}")
    if summary.complaints_without_source:
        parts.append(f"{summary.complaints_without_source} complaints name no source")
    return "; ".join(parts)
