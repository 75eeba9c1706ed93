"""Which of MailWizz's tables and columns are there: versions differ, and nothing is read by position.

Columns come from information_schema, which shows those that the login may read. Whether another one is not there or
only not granted, the database says when it is asked for that column."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    column,
    distinct,
    func,
    literal,
    select,
    table,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType, TypeEngine

from email_engine.errors import InputError, Refused

PREFIX = re.compile(r"[A-Za-z0-9_]{0,32}")
SERVER: dict[str, TypeEngine[Any]] = {
    "server_id": Integer(), "name": String(), "type": String(), "hostname": String(), "daily_quota": Integer(),
    "hourly_quota": Integer(), "status": String(), "meta_data": LargeBinary(), "warmup_plan_id": Integer(),
    "last_updated": DateTime(), "customer_id": Integer(), "second_quota": Integer(), "minute_quota": Integer(),
    "monthly_quota": Integer(), "pause_after_send": Integer(), "probability": Integer(), "use_for": NullType(),
}  # fmt: skip
QUOTA = "_quota"
"""How a column of a delivery server ends that limits what it may send."""
REQUIRED = ("server_id", "hourly_quota", "daily_quota", "status")
USAGE: dict[str, TypeEngine[Any]] = {"server_id": Integer(), "date_added": DateTime()}
SCHEDULE: dict[str, TypeEngine[Any]] = {"schedule_id": Integer(), "plan_id": Integer()}
SCHEDULE_LOG: dict[str, TypeEngine[Any]] = {
    "server_id": Integer(), "schedule_id": Integer(), "plan_id": Integer(), "status": String(), "allowed_quota": Integer(),
    "used_quota": Integer(),
}  # fmt: skip
NEEDED_OF_LOG = ("server_id", "schedule_id", "plan_id", "status")
MYSQL = ("mysql", "mariadb")
NOT_THERE = frozenset({1054, "42703"})
"""MySQL's and PostgreSQL's codes for a column that does not exist."""


@dataclass(frozen=True, slots=True)
class Tables:
    """`warmup_plan_id` and the two plan tables exist since 2.1.10; None where one is absent or not readable.

    `unread`: columns of the delivery servers that are there and that this login may not read. `unknown_quotas`: columns
    that limit a server and that no version known here has."""

    server: Table
    usage_log: Table | None
    plan_schedule: Table | None
    plan_log: Table | None
    unread: tuple[str, ...] = ()
    unknown_quotas: tuple[str, ...] = ()


def checked_prefix(prefix: str) -> str:
    """The prefix if it can be part of a table's name, else InputError."""
    if not PREFIX.fullmatch(prefix):
        raise InputError(
            "MailWizz database", f"table_prefix {prefix!r}", "letters, digits and _ only",
            "correct table_prefix of the mailwizz_db connection",
        )  # fmt: skip
    return prefix


def read_tables(conn: Connection, prefix: str, name: str) -> Tables:
    """Raises Refused when the delivery-server table or a column of it that is needed is not there."""
    known = MetaData()

    def found(suffix: str, wanted: dict[str, TypeEngine[Any]], needed: tuple[str, ...]) -> Table | None:
        there = visible_columns(conn, f"{prefix}{suffix}")
        if not set(needed) <= there:
            return None
        return Table(
            f"{prefix}{suffix}", known, *(Column(c, kind) for c, kind in wanted.items() if c in there)
        )

    there = visible_columns(conn, f"{prefix}delivery_server")
    unknown = tuple(sorted(name for name in there if name.endswith(QUOTA) and name not in SERVER))
    server = found("delivery_server", SERVER | dict.fromkeys(unknown, Integer()), REQUIRED)
    if server is None:
        lacking = ", ".join(column for column in REQUIRED if column not in there)
        seen = (
            f"table {prefix}delivery_server lacks {lacking}" if there else f"no table {prefix}delivery_server"
        )
        raise Refused(
            f"MailWizz database {name}", f"{seen} that this login may read", "MailWizz's delivery servers",
            "check database and table_prefix of its mailwizz_db connection; `email-engine mailwizz grants` prints what to grant",
        )  # fmt: skip
    return Tables(
        server,
        found("delivery_server_usage_log", USAGE, tuple(USAGE)),
        found("delivery_server_warmup_plan_schedule", SCHEDULE, tuple(SCHEDULE)),
        found("delivery_server_warmup_plan_schedule_log", SCHEDULE_LOG, NEEDED_OF_LOG),
        hidden_columns(conn, f"{prefix}delivery_server", [name for name in SERVER if name not in there]),
        unknown,
    )


def completed_plans(conn: Connection, known: Tables) -> frozenset[tuple[int, int]]:
    """(server_id, plan_id) of every MailWizz warm-up plan whose steps the server has all completed.

    Without the plan tables none counts as completed: unknown is not good."""
    if known.plan_schedule is None or known.plan_log is None or "warmup_plan_id" not in known.server.c:
        return frozenset()
    schedule, log = known.plan_schedule, known.plan_log
    counted: Any = conn.execute(
        select(schedule.c.plan_id, func.count(distinct(schedule.c.schedule_id))).group_by(schedule.c.plan_id)
    )
    steps = {int(plan_id): int(count) for plan_id, count in counted}
    done: Any = conn.execute(
        select(log.c.server_id, log.c.plan_id, func.count(distinct(log.c.schedule_id)))
        .where(log.c.status == "completed")
        .group_by(log.c.server_id, log.c.plan_id)
    )
    return frozenset((server, plan) for server, plan, count in done if plan in steps and count >= steps[plan])


def hidden_columns(conn: Connection, name: str, columns: Iterable[str]) -> tuple[str, ...]:
    """Those of `columns` that the table has and this login may not read, although it may read others of the same table."""
    return tuple(column_name for column_name in columns if _is_hidden(conn, name, column_name))


def _is_hidden(conn: Connection, name: str, column_name: str) -> bool:
    """A refusal of any other kind counts as hidden: unknown is not good, and a brake must not fail because of it."""
    asked: Any = select(column(column_name)).select_from(table(name)).where(literal(1) == literal(0))
    try:
        with conn.begin_nested():
            conn.execute(asked)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        codes = {getattr(error.orig, "sqlstate", None), *getattr(error.orig, "args", ())[:1]}
        return not codes & NOT_THERE
    return False


def schema_of(conn: Connection) -> Any:
    """The schema that the tables are in, as an expression: MySQL calls it a database."""
    return func.database() if conn.dialect.name in MYSQL else func.current_schema()


def visible_columns(conn: Connection, name: str) -> set[str]:
    """Names of the columns that this login may read, in lower case; empty if there is no such table. Columns that it may only
    write are shown by the database too."""
    columns = table(
        "columns",
        column("table_schema"),
        column("table_name"),
        column("column_name"),
        column("privileges"),
        schema="information_schema",
    )
    if conn.dialect.name in MYSQL:
        readable: Any = columns.c.privileges.contains("select")
    else:
        readable = func.has_column_privilege(func.quote_ident(name), columns.c.column_name, "SELECT")
    rows = conn.execute(
        select(columns.c.column_name).where(
            columns.c.table_schema == schema_of(conn), columns.c.table_name == literal(name), readable
        )
    )
    return {str(row[0]).lower() for row in rows}
