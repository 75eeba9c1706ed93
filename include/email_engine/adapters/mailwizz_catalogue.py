"""What a login sees of MailWizz's tables: names and columns alone, and no row of a person."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Column as TableColumn
from sqlalchemy import Connection, Integer, MetaData, Table, case, column, func, literal, select, table

from email_engine.adapters import (
    mailwizz_adoption_columns,
    mailwizz_health_columns,
    mailwizz_reader_columns,
    mailwizz_senders,
    mailwizz_tables,
    mailwizz_traffic_columns,
)
from email_engine.adapters.mailwizz_tables import hidden_columns, schema_of, visible_columns
from email_engine.mailer.catalogue import MARKERS, PLAN_TABLES, SERVER, Catalogue, TableSeen


def _merged(*readers: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for reader in readers:
        for name, columns in reader.items():
            found.setdefault(name, {}).update(dict.fromkeys(columns))
    return {name: tuple(columns) for name, columns in found.items()}


NEEDED = _merged(
    {
        SERVER: mailwizz_tables.SERVER,
        "delivery_server_usage_log": mailwizz_tables.USAGE,
        "delivery_server_warmup_plan_schedule": mailwizz_tables.SCHEDULE,
        "delivery_server_warmup_plan_schedule_log": mailwizz_tables.SCHEDULE_LOG,
    },
    mailwizz_senders.READ,
    mailwizz_health_columns.READ,
    mailwizz_reader_columns.OPENS,
    mailwizz_reader_columns.LISTS,
    mailwizz_reader_columns.BLACKLIST,
    mailwizz_adoption_columns.READ,
    mailwizz_traffic_columns.READ,
)
"""The columns that the engine reads, by table; never a password or a key. Addresses of people: those of
`mailwizz_reader_columns` alone."""


def read_catalogue(conn: Connection, prefix: str, written: tuple[str, ...]) -> Catalogue:
    """`written`: the columns of the delivery servers that the engine writes."""
    asked = {name: set(columns) for name, columns in NEEDED.items()}
    for _, name, marker in MARKERS:
        asked.setdefault(name, set()).update({marker} - {""})
    for name in PLAN_TABLES:
        asked.setdefault(name, set())
    tables = {name: _seen(conn, f"{prefix}{name}", columns) for name, columns in asked.items()}
    needed = NEEDED | {SERVER: (*NEEDED[SERVER], *_unknown(tables[SERVER]))}
    schema: Any = conn.execute(select(schema_of(conn))).scalar_one()
    account: Any = conn.execute(select(func.current_user())).scalar_one()
    return Catalogue(
        prefix=prefix,
        schema=str(schema),
        account=str(account),
        mysql=conn.dialect.name in mailwizz_tables.MYSQL,
        tables=tables,
        needed=needed,
        written=written,
        use_for_type=_type(conn, f"{prefix}{SERVER}", "use_for"),
        unknown_quotas=_not_zero(conn, f"{prefix}{SERVER}", _unknown(tables[SERVER])),
    )


def _seen(conn: Connection, name: str, asked: set[str]) -> TableSeen:
    visible = visible_columns(conn, name)
    if not visible:
        return TableSeen()
    return TableSeen(frozenset(visible), hidden_columns(conn, name, sorted(asked - visible)))


def _unknown(server: TableSeen) -> tuple[str, ...]:
    known = mailwizz_tables.SERVER
    return tuple(sorted(c for c in server.visible if c.endswith(mailwizz_tables.QUOTA) and c not in known))


def _not_zero(conn: Connection, name: str, columns: tuple[str, ...]) -> dict[str, int]:
    if not columns:
        return {}
    server = Table(name, MetaData(), *(TableColumn(column_name, Integer()) for column_name in columns))
    counts = (func.sum(case((server.c[column_name] != 0, 1), else_=0)) for column_name in columns)
    row: Any = conn.execute(select(*counts)).one()
    return {column_name: int(count or 0) for column_name, count in zip(columns, row, strict=True)}


def _type(conn: Connection, name: str, column_name: str) -> str | None:
    columns = table(
        "columns", column("table_schema"), column("table_name"), column("column_name"), column("data_type"),
        schema="information_schema",
    )  # fmt: skip
    found: Any = conn.execute(
        select(columns.c.data_type).where(
            columns.c.table_schema == schema_of(conn),
            columns.c.table_name == literal(name),
            columns.c.column_name == literal(column_name),
        )
    ).scalar()
    return None if found is None else str(found.decode() if isinstance(found, bytes) else found)
