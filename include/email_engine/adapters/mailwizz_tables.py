"""Which of MailWizz's tables and columns are there: versions differ, and nothing is read by position.

Columns come from information_schema, which shows those that the login may read."""

import re
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
from sqlalchemy.types import TypeEngine

from email_engine.errors import InputError, Refused

PREFIX = re.compile(r"[A-Za-z0-9_]{0,32}")
SERVER: dict[str, TypeEngine[Any]] = {
    "server_id": Integer(), "name": String(), "type": String(), "hostname": String(), "daily_quota": Integer(),
    "hourly_quota": Integer(), "status": String(), "meta_data": LargeBinary(), "warmup_plan_id": Integer(),
    "last_updated": DateTime(),
}  # fmt: skip
REQUIRED = ("server_id", "hourly_quota", "daily_quota", "status")
USAGE: dict[str, TypeEngine[Any]] = {"server_id": Integer(), "date_added": DateTime()}
SCHEDULE: dict[str, TypeEngine[Any]] = {"schedule_id": Integer(), "plan_id": Integer()}
SCHEDULE_LOG: dict[str, TypeEngine[Any]] = {
    "server_id": Integer(), "schedule_id": Integer(), "plan_id": Integer(), "status": String(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tables:
    """`warmup_plan_id` and the two plan tables exist since 2.1.10; None where one is absent or not readable."""

    server: Table
    usage_log: Table | None
    plan_schedule: Table | None
    plan_log: Table | None


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
        there = _columns(conn, f"{prefix}{suffix}")
        if not set(needed) <= there:
            return None
        return Table(
            f"{prefix}{suffix}", known, *(Column(c, kind) for c, kind in wanted.items() if c in there)
        )

    server = found("delivery_server", SERVER, REQUIRED)
    if server is None:
        there = _columns(conn, f"{prefix}delivery_server")
        lacking = ", ".join(column for column in REQUIRED if column not in there)
        seen = (
            f"table {prefix}delivery_server lacks {lacking}" if there else f"no table {prefix}delivery_server"
        )
        raise Refused(
            f"MailWizz database {name}", f"{seen} that this login may read", "MailWizz's delivery servers",
            "check database, table_prefix and grants of its mailwizz_db connection",
        )  # fmt: skip
    return Tables(
        server,
        found("delivery_server_usage_log", USAGE, tuple(USAGE)),
        found("delivery_server_warmup_plan_schedule", SCHEDULE, tuple(SCHEDULE)),
        found("delivery_server_warmup_plan_schedule_log", SCHEDULE_LOG, tuple(SCHEDULE_LOG)),
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


def _columns(conn: Connection, name: str) -> set[str]:
    """Names of the columns that this login may see, in lower case; empty if there is no such table."""
    schema = func.database() if conn.dialect.name == "mysql" else func.current_schema()
    columns = table(
        "columns",
        column("table_schema"),
        column("table_name"),
        column("column_name"),
        schema="information_schema",
    )
    rows = conn.execute(
        select(columns.c.column_name).where(
            columns.c.table_schema == schema, columns.c.table_name == literal(name)
        )
    )
    return {str(row[0]).lower() for row in rows}
