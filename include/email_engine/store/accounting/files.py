"""What is known of each accounting file that was dealt with: table `accounting_files`. Session of tenant `*`."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, false, func, or_, select, text, true
from sqlalchemy.dialects.postgresql import insert

from email_engine.accounting.copies import Content, Known
from email_engine.store.schema import accounting_files

TAKEN, REFUSED, DUPLICATE = "taken", "refused", "duplicate"


@dataclass(frozen=True, slots=True)
class AccountingFile:
    """A closed file on a host; `size` in bytes, `modified` in Unix seconds."""

    mta_host: str
    name: str
    size: int
    modified: int


def seen_files(conn: Connection, mta_host: str) -> frozenset[tuple[str, int, int]]:
    """(name, size, modified) of every file of the host that was dealt with, whatever became of it."""
    rows = conn.execute(
        select(accounting_files.c.name, accounting_files.c.size, accounting_files.c.modified).where(
            accounting_files.c.mta_host == mta_host
        )
    )
    return frozenset((r.name, r.size, r.modified) for r in rows)


def alike(conn: Connection, file: AccountingFile, content: Content) -> list[Known]:
    """Files of the host that may be a copy of this one, shorter or longer: as far as both go, they begin alike."""
    c = accounting_files.c
    size = func.coalesce(c.plain_size, c.size).label("size")
    columns = (c.id, c.name, size, c.digest, c.status, c.heads, c.whole_bytes, c.cut, c.records)
    begins_alike = text(
        "heads[least(cardinality(heads), :depth)] = (CAST(:mine AS text[]))[least(cardinality(heads), :depth)]"
    ).bindparams(depth=len(content.heads), mine=list(content.heads))
    tiny = func.cardinality(c.heads) == 0
    candidate = or_(
        c.digest.in_((content.digest, content.twin)),
        begins_alike,
        tiny,
        true() if not content.heads else false(),
    )
    query = (
        select(*columns).where(c.mta_host == file.mta_host, c.status != DUPLICATE, candidate).order_by(c.id)
    )
    return [Known(**row) for row in conn.execute(query).mappings()]


def note_duplicate(
    conn: Connection, file: AccountingFile, content: Content, message: str, run: Mapping[str, str | None]
) -> None:
    """A row that keeps the file from being read again."""
    digest = f"{content.digest} as {file.name} {file.size} {file.modified}"
    row = _file_row(file, DUPLICATE, 0, 0, message) | dict(run) | {"digest": digest}
    conn.execute(
        insert(accounting_files).values(row).on_conflict_do_nothing(index_elements=["mta_host", "digest"])
    )


def note(
    conn: Connection,
    file: AccountingFile,
    content: Content,
    status: str,
    run: Mapping[str, str | None],
    records: int = 0,
    rejected: int = 0,
    message: str = "",
) -> int:
    """The file's row; its id."""
    row = _file_row(file, status, records, rejected, message) | dict(run)
    known = {"digest": content.digest, "heads": list(content.heads), "plain_size": content.size}
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
