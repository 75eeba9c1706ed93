"""Accounting files that were refused: each holds its host until it comes mended or somebody accepts the loss.

What a refused file says is unknown, whether it still lies on its host or not. It comes mended when a file of its name is
taken later with records in it. Session of tenant `*`."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, FromClause, Row, and_, exists, func, or_, select, update

from email_engine.errors import InputError
from email_engine.plural import amount
from email_engine.store.schema import accounting_files
from email_engine.store.telling import alerts

EVENT = "accounting_file"
PARAM = "accept_refused"
LONGEST_REASON = 500
EVERY = "*"
NAMED = 10
DIGEST = re.compile(r"[0-9a-f]{12,64}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused file that stands; `modified` in Unix seconds."""

    id: int
    mta_host: str
    name: str
    digest: str
    modified: int

    @property
    def told(self) -> str:
        return f"{self.mta_host}:{self.name}"


def stands(files: FromClause = accounting_files) -> ColumnElement[bool]:
    """A row of `files` was refused, nobody accepted it, and it did not come mended."""
    later = accounting_files.alias("later").c
    mended = exists().where(
        later.mta_host == files.c.mta_host,
        later.name == files.c.name,
        later.id > files.c.id,
        later.status == "taken",
        later.records > 0,
    )
    return and_(files.c.status == "refused", files.c.accepted_at.is_(None), ~mended)


def refusals(conn: Connection, mta_host: str | None = None) -> tuple[Refusal, ...]:
    """Those that stand, of one host or of all, oldest first."""
    f = accounting_files.c
    query = select(f.id, f.mta_host, f.name, f.digest, f.modified).where(stands())
    if mta_host is not None:
        query = query.where(f.mta_host == mta_host)
    rows = conn.execute(query.order_by(f.mta_host, f.modified, f.id)).mappings()
    return tuple(Refusal(**row) for row in rows)


def holds(conn: Connection) -> dict[str, datetime]:
    """From when on accounting is unknown, by host.

    A refused file tells of the time since the file before it; without one, it may tell of all of the day before it was
    closed."""
    files, before = accounting_files, accounting_files.alias("before").c
    first = (
        select(files.c.mta_host, func.min(files.c.modified).label("modified"))
        .where(stands())
        .group_by(files.c.mta_host)
        .subquery()
    )
    known = (
        select(func.max(before.modified))
        .where(
            before.mta_host == first.c.mta_host,
            before.modified < first.c.modified,
            or_(before.status != "refused", before.accepted_at.is_not(None)),
        )
        .scalar_subquery()
    )
    query = select(first.c.mta_host, first.c.modified, known.label("known"))
    return {row.mta_host: _begins(row.modified, row.known) for row in conn.execute(query)}


def _begins(modified: int, known: int | None) -> datetime:
    if known is not None:
        return datetime.fromtimestamp(known, UTC)
    closed = datetime.fromtimestamp(modified, UTC)
    return closed.replace(hour=0, minute=0, second=0) - timedelta(days=1)


def tell(
    conn: Connection, mta_host: str, name: str, message: str, dag_id: str | None, run_id: str | None
) -> None:
    """One alert for a name, with both ways out."""
    text = (
        f"{mta_host}: accounting file {name} refused, nothing of it is counted: {message}. What this host's IPs did is "
        "unknown from the file before it on, so their warm-up holds. Mend it and put it back under the same name; or "
        f"accept the loss: trigger accounting_ingest with {PARAM} {mta_host}:{name} and a reason"
    )
    alerts.raise_alert(conn, EVENT, f"{mta_host}:{name}", "refused", "warning", text, None, dag_id, run_id)


def clear_settled(conn: Connection, mta_host: str, name: str) -> None:
    """Closes the alert of a name of which no refusal stands any more."""
    if not any(one.name == name for one in refusals(conn, mta_host)):
        alerts.clear(conn, EVENT, f"{mta_host}:{name}")


def choose(conn: Connection, asked: str | Iterable[str], reason: str, run_id: str) -> tuple[Refusal, ...]:
    """The refused files that stand and are to be given up.

    `asked`: one a line, HOST:FILE, HOST:* for all of a host, or a digest (its first 12 digits at least). What was accepted before
    stays as it is. All mistakes are told at once (InputError). A run that is cleared chooses nothing that was refused since."""
    check_reason(reason)
    standing = refusals(conn)
    chosen: dict[int, Refusal] = {}
    unknown = []
    for line in wanted_lines(asked):
        past = _past(conn, line)
        if any(row.accepted_run_id == run_id for row in past):
            continue
        meant = [one for one in standing if _means(line, one.mta_host, one.name, one.digest)]
        if not meant and not past:
            unknown.append(line)
        chosen |= {one.id: one for one in meant}
    if unknown:
        raise InputError(
            PARAM,
            f"no refused file {', '.join(line[:80] for line in unknown[:NAMED])}",
            _named(standing),
            "copy the name from the alert; nothing was accepted",
        )
    return tuple(chosen.values())


def accept(
    conn: Connection, chosen: Collection[Refusal], reason: str, actor: str, run_id: str, at: datetime
) -> None:
    """Gives them up for lost, and notes who said so, when and why."""
    done = {"accepted_at": at, "accepted_by": actor, "accepted_because": check_reason(reason)}
    f = accounting_files.c
    conn.execute(
        update(accounting_files)
        .where(f.id.in_([one.id for one in chosen]), f.accepted_at.is_(None))
        .values(done | {"accepted_run_id": run_id})
    )
    for one in chosen:
        clear_settled(conn, one.mta_host, one.name)


def wanted_lines(asked: str | Iterable[str]) -> list[str]:
    """The lines of the param, each once."""
    lines = asked.splitlines() if isinstance(asked, str) else [str(line) for line in asked]
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def check_reason(reason: str) -> str:
    """Raises InputError for none, or one that nobody reads."""
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise InputError(
            PARAM,
            f"a reason of {amount(len(reason), 'character')}",
            f"1 to {LONGEST_REASON} characters",
            "say in `reason` why the counts of these files may be missing; nothing was accepted",
        )
    return reason


def _past(conn: Connection, line: str) -> Sequence[Row]:
    """Rows that the line means and that were accepted."""
    f = accounting_files.c
    host, _, name = line.partition(":")
    query = select(f.mta_host, f.name, f.digest, f.accepted_run_id).where(f.accepted_at.is_not(None))
    if name:
        query = query.where(f.mta_host == host)
    return [row for row in conn.execute(query) if _means(line, row.mta_host, row.name, row.digest)]


def _means(line: str, mta_host: str, name: str, digest: str) -> bool:
    if DIGEST.fullmatch(line):
        return digest.startswith(line)
    return line in (f"{mta_host}:{name}", f"{mta_host}:{EVERY}")


def _named(standing: Sequence[Refusal]) -> str:
    if not standing:
        return "nothing: no refused file stands"
    more = f" and {len(standing) - NAMED} more" if len(standing) > NAMED else ""
    return ", ".join(one.told for one in standing[:NAMED]) + more
