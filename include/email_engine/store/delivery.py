"""Accounting files taken, each exactly once, and the delivery counts that they add to.

A file is known by its content (sha256) on its host: it is taken whole or not at all, in one transaction with the
counts. Session of tenant `*`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from sqlalchemy import Connection, bindparam, column, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from email_engine.mta.accounting import Counts, Source, Summary
from email_engine.store import alerts
from email_engine.store.schema import accounting_files, delivery_stats, ips, mta_hosts

LARGEST_REJECTED_RATE = 0.01
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
class Taken:
    """What became of a file: `taken`, `duplicate` or `refused`. `rejected` counts unreadable rows and rows of sources
    that are not in the fleet; `message` says why, '' if there is nothing to say."""

    status: str
    records: int
    rejected: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class KnownIps:
    """(ip id, tenant) by address and by virtual MTA name, of every IP that ever was in the fleet."""

    by_address: Mapping[str, tuple[int, str]]
    by_vmta: Mapping[str, tuple[int, str]]

    def find(self, source: Source) -> tuple[int, str] | None:
        """By address; else (behind NAT, or where a bounce names no IP) by virtual MTA."""
        return self.by_address.get(source.address) or self.by_vmta.get(source.vmta.lower())


def known_ips(conn: Connection) -> KnownIps:
    """Removed IPs are known too: their last mail still reports. A name that was reused belongs to the present IP."""
    rows = conn.execute(
        select(ips.c.id, ips.c.tenant, ips.c.address, ips.c.vmta_name).order_by(
            ips.c.removed.desc(), ips.c.id
        )
    ).all()
    return KnownIps(
        {str(ip_address(str(r.address))): (r.id, r.tenant) for r in rows},
        {r.vmta_name: (r.id, r.tenant) for r in rows},
    )


def seen_files(conn: Connection, mta_host: str) -> frozenset[tuple[str, int, int]]:
    """(name, size, modified) of every file of the host that was dealt with, whatever became of it."""
    rows = conn.execute(
        select(accounting_files.c.name, accounting_files.c.size, accounting_files.c.modified).where(
            accounting_files.c.mta_host == mta_host
        )
    )
    return frozenset((r.name, r.size, r.modified) for r in rows)


def mark_checked(conn: Connection, mta_host: str, at: datetime) -> None:
    """Every closed accounting file that the host had at `at` is known: from here on silence means no mail."""
    checked = mta_hosts.c.accounting_checked_at
    later = checked.is_(None) | (checked < at)
    conn.execute(
        update(mta_hosts).where(mta_hosts.c.name == mta_host, later).values(accounting_checked_at=at)
    )


def digest_of(data: bytes) -> str:
    """What a file is known by."""
    return hashlib.sha256(data).hexdigest()


def take_file(
    conn: Connection,
    file: AccountingFile,
    data: bytes,
    summary: Summary,
    *,
    dag_id: str | None,
    run_id: str | None,
) -> Taken:
    """Adds a file's counts, once: a second file of the same content is a `duplicate`, one with more than 1 % of
    unreadable rows is `refused` with an alert, and so is one that grew after it was taken."""
    run = {"dag_id": dag_id, "run_id": run_id}
    digest = digest_of(data)
    if before := _size_before(conn, file, data):
        message = (
            f"was taken with {before} bytes and has {len(data)} now: it is still written; accounting_dir must be the "
            "move-to folder of the acct-file"
        )
        return refuse_file(conn, file, digest, message, dag_id=dag_id, run_id=run_id)
    if summary.rejected_rate > LARGEST_REJECTED_RATE:
        first = "; ".join(f"line {r.line}: {r.reason}" for r in summary.rejected[:3])
        message = (
            f"{summary.rejected_rows} of {summary.records + summary.rejected_rows} rows unreadable ({first})"
        )
        return refuse_file(
            conn, file, digest, message, summary.records, summary.rejected_rows, dag_id=dag_id, run_id=run_id
        )
    rows, strangers = _rows(summary, known_ips(conn))
    rejected = summary.rejected_rows + sum(strangers.values()) + summary.complaints_without_source
    message = _message(summary, strangers)
    row = _file_row(file, TAKEN, summary.records, rejected, message) | run
    first_time = conn.execute(
        insert(accounting_files)
        .values(row | {"digest": digest})
        .on_conflict_do_nothing(index_elements=["mta_host", "digest"])
        .returning(accounting_files.c.id)
    ).scalar()
    if first_time is None:
        return _duplicate(conn, file, digest, run)
    _add(conn, rows)
    return Taken(TAKEN, summary.records, rejected, message)


def refuse_file(
    conn: Connection,
    file: AccountingFile,
    digest: str,
    message: str,
    records: int = 0,
    rejected: int = 0,
    *,
    dag_id: str | None,
    run_id: str | None,
) -> Taken:
    """Notes that a file was not taken, and tells people; nothing of it is counted."""
    row = _file_row(file, REFUSED, records, rejected, message) | {"dag_id": dag_id, "run_id": run_id}
    noted = conn.execute(
        insert(accounting_files)
        .values(row | {"digest": digest})
        .on_conflict_do_nothing(index_elements=["mta_host", "digest"])
        .returning(accounting_files.c.id)
    ).scalar()
    if noted is None:
        return _duplicate(conn, file, digest, {"dag_id": dag_id, "run_id": run_id})
    alerts.raise_alert(
        conn,
        event=EVENT,
        object=f"{file.mta_host}:{file.name}",
        state=REFUSED,
        severity="warning",
        text=f"{file.mta_host}: accounting file {file.name} refused, nothing of it is counted: {message}",
        dag_id=dag_id,
        run_id=run_id,
    )
    return Taken(REFUSED, records, rejected, message)


def _size_before(conn: Connection, file: AccountingFile, data: bytes) -> int | None:
    """The size with which the beginning of this file was taken under the same name; None if it did not grow."""
    taken = conn.execute(
        select(accounting_files.c.size, accounting_files.c.digest).where(
            accounting_files.c.mta_host == file.mta_host,
            accounting_files.c.name == file.name,
            accounting_files.c.status == TAKEN,
            accounting_files.c.size < len(data),
        )
    )
    return next((row.size for row in taken if digest_of(data[: row.size]) == row.digest), None)


def _duplicate(conn: Connection, file: AccountingFile, digest: str, run: Mapping[str, str | None]) -> Taken:
    before = conn.execute(
        select(accounting_files.c.name, accounting_files.c.status).where(
            accounting_files.c.mta_host == file.mta_host, accounting_files.c.digest == digest
        )
    ).one()
    message = f"same content as {before.name}, {before.status} before"
    conn.execute(
        insert(accounting_files)
        .values(
            _file_row(file, DUPLICATE, 0, 0, message)
            | dict(run)
            | {"digest": f"{digest} as {file.name} {file.size} {file.modified}"}
        )
        .on_conflict_do_nothing(index_elements=["mta_host", "digest"])
    )
    return Taken(DUPLICATE, 0, 0, message)


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


def _rows(
    summary: Summary, known: KnownIps
) -> tuple[dict[tuple[int, str, str, datetime], Counts], dict[str, int]]:
    """Counts by (ip id, tenant, provider, hour), and the rows of sources that are not in the fleet."""
    rows: dict[tuple[int, str, str, datetime], Counts] = {}
    strangers: dict[str, int] = {}
    for (source, provider, hour), counts in summary.stats.items():
        ip = known.find(source)
        if ip is None:
            name = source.address or source.vmta
            strangers[name] = strangers.get(name, 0) + counts.attempts + counts.complained
        else:
            rows.setdefault((*ip, provider, hour), Counts()).add(counts)
    return rows, strangers


def _message(summary: Summary, strangers: Mapping[str, int]) -> str:
    parts = []
    if strangers:
        named = ", ".join(f"{name} ({count})" for name, count in sorted(strangers.items())[:5])
        parts.append(f"{sum(strangers.values())} rows of {len(strangers)} sources outside the fleet: {named}")
    if summary.rejected_rows:
        first = summary.rejected[0]
        parts.append(f"{summary.rejected_rows} unreadable rows, first in line {first.line}: {first.reason}")
    if summary.complaints_without_source:
        parts.append(f"{summary.complaints_without_source} complaints name no source")
    return "; ".join(parts)


_MERGED = text(
    "(SELECT coalesce(jsonb_object_agg(key, n), '{}'::jsonb) FROM (SELECT key, sum(value::int) AS n FROM ("
    "SELECT * FROM jsonb_each_text(delivery_stats.bounce_categories) UNION ALL "
    "SELECT * FROM jsonb_each_text(excluded.bounce_categories)) AS both_sides GROUP BY key) AS summed)"
)


def _add(conn: Connection, rows: Mapping[tuple[int, str, str, datetime], Counts]) -> None:
    """One statement for a whole file, which has thousands of rows on a busy host; in the order of the key, so that two
    hosts' files can never wait for each other in a circle."""
    if not rows:
        return
    counted = ("attempts", "delivered", "bounced", "deferred", "complained")
    names = ("ip_id", "tenant", "provider", "hour", *counted, "bounce_categories")
    given = [
        {
            "ip_id": ip_id,
            "tenant": tenant,
            "provider": provider,
            "hour": hour.isoformat(),
            **{name: getattr(counts, name) for name in counted},
            "bounce_categories": counts.bounce_categories,
        }
        for (ip_id, tenant, provider, hour), counts in sorted(rows.items(), key=lambda item: item[0])
    ]
    table = func.jsonb_to_recordset(bindparam("rows", type_=JSONB)).table_valued(
        *(column(name, delivery_stats.c[name].type) for name in names), name="given"
    )
    statement = insert(delivery_stats).from_select(names, select(table.render_derived(with_types=True)))
    sums = {name: delivery_stats.c[name] + statement.excluded[name] for name in counted}
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["ip_id", "provider", "hour"], set_={**sums, "bounce_categories": _MERGED}
        ),
        {"rows": given},
    )
