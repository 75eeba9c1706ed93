"""MailWizz's own database: delivery-server quotas and status, for no API changes them.

MySQL or MariaDB in production, PostgreSQL in the lab. Every write compares with what was read (somebody else may have
changed it meanwhile), touches one row in its own transaction and is read back. It takes effect late: MailWizz keeps
"sendings left" in a cache for 300 s after each send, so PowerMTA's queue is the real brake (facts: quota enforcement).
Quota 0 means unlimited and is never written."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Table, func, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from email_engine.adapters import mailwizz_tables as tables
from email_engine.adapters.mailwizz_database import MailwizzDatabase
from email_engine.errors import AccessDenied, EngineError, NotVerified, Refused
from email_engine.mailer.headers import virtual_mtas
from email_engine.mailer.model import DISABLED, GOVERNED, DeliveryServer, Setting, Warmup

WRITTEN = ("daily_quota", "hourly_quota", "status", "last_updated")
"""The columns of a delivery server that the engine writes."""


@dataclass(frozen=True, slots=True)
class Switched:
    """A server before and after the brake was put on or taken off; as text its status now."""

    old: Setting
    new: Setting

    @property
    def changed(self) -> bool:
        return self.old != self.new

    def __str__(self) -> str:
        return self.new.status


class MailwizzDb:
    """One MailWizz database; use it in a `with`.

    Raises Unreachable, AccessDenied (login or grants), and Refused (a table or column that MailWizz should have is
    missing, or a row is no longer as it was read)."""

    def __init__(self, database: MailwizzDatabase) -> None:
        self.database = database
        self._engine = database.engine()
        self._tables: tables.Tables | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._engine.dispose()

    def servers(self) -> tuple[DeliveryServer, ...]:
        """Every delivery server, by id, with its x-virtual-mta headers and the state of its warm-up plan."""
        with self._transaction() as conn:
            return self._read(conn)

    def server(self, server_id: int) -> DeliveryServer:
        """One server; Refused if there is none."""
        with self._transaction() as conn:
            return self._one(conn, server_id)

    def usage_today(self, now: datetime) -> dict[int, int]:
        """Messages handed over so far in the UTC day of `now` (aware), by server id; empty without the usage log.

        MailWizz writes no row for a server without any quota whose sends do not count against the customer's."""
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        with self._transaction() as conn:
            log = self._known(conn).usage_log
            if log is None:
                return {}
            rows: Any = conn.execute(
                select(log.c.server_id, func.count())
                .where(log.c.date_added >= day, log.c.date_added < day + timedelta(days=1))
                .group_by(log.c.server_id)
            )
            return {int(server_id): int(count) for server_id, count in rows}

    def set_quota(self, server_id: int, daily: int, hourly: int, expected_old: Setting) -> None:
        """Writes both quotas if they are still as in `expected_old`, and reads them back.

        Refused for a quota below 1, for a server under a running warm-up plan and for one that is not active, in-use
        or disabled. NotVerified if reading back shows something else."""
        if daily < 1 or hourly < 1:
            raise Refused(
                self._subject(server_id), f"quotas {daily} a day and {hourly} an hour", "1 or more (0 is unlimited)",
                "disable the server instead",
            )  # fmt: skip
        with self._transaction() as conn:
            self._refuse_planned(seen := self._one(conn, server_id))
            server = self._known(conn).server
            unplanned = [server.c.warmup_plan_id.is_(None)] if _may_get_plan(server, seen) else []
            done = conn.execute(
                update(server)
                .where(server.c.server_id == server_id, server.c.status.in_(sorted(GOVERNED)))
                .where(server.c.daily_quota == expected_old.daily_quota)
                .where(server.c.hourly_quota == expected_old.hourly_quota, *unplanned)
                .values(daily_quota=daily, hourly_quota=hourly, **_touched(server))
            )
            touched = done.rowcount
        now = self.server(server_id).setting
        self._check(
            server_id,
            touched,
            (now.daily_quota, now.hourly_quota) == (daily, hourly),
            now,
            f"{daily}/{hourly}",
        )

    def set_status(self, server_id: int, status: str, expected_old: Setting) -> None:
        """Moves a server between active, in-use and disabled if it still is as in `expected_old`; reads it back."""
        if status not in GOVERNED or expected_old.status not in GOVERNED:
            raise Refused(
                self._subject(server_id), f"{expected_old.status} to {status}", "active, in-use or disabled",
                "change other states in MailWizz itself",
            )  # fmt: skip
        with self._transaction() as conn:
            server = self._known(conn).server
            same = {expected_old.status} if expected_old.status == DISABLED else GOVERNED - {DISABLED}
            done = conn.execute(
                update(server)
                .where(server.c.server_id == server_id, server.c.status.in_(sorted(same)))
                .values(status=status, **_touched(server))
            )
            touched = done.rowcount
        now = self.server(server_id).setting
        self._check(
            server_id, touched, now.status == status or (now.runs and status != DISABLED), now, status
        )

    def disable(self, server_id: int) -> Switched:
        """The brake: MailWizz picks this server no more. A server that does not send anyway stays as it is.

        Verified; a worker in the middle of a batch may still finish it."""
        old = self.server(server_id).setting
        if not old.runs:
            return Switched(old, old)
        try:
            self.set_status(server_id, DISABLED, old)
        except Refused:
            now = self.server(server_id).setting
            if now.runs:
                raise
            return Switched(now, now)  # somebody was quicker: it stands as wanted
        return Switched(old, self.server(server_id).setting)

    def columns_not_writable(self) -> tuple[str, ...]:
        """Columns of the delivery servers for which this login lacks UPDATE; asked with an update that touches no row."""
        return tuple(name for name in WRITTEN if not self._may_write(name))

    def _may_write(self, name: str) -> bool:
        try:
            with self._transaction() as conn:
                server = self._known(conn).server
                if name in server.c:
                    conn.execute(
                        update(server).where(server.c.server_id == -1).values({name: server.c[name]})
                    )
        except AccessDenied:
            return False
        return True

    def _read(self, conn: Connection, server_id: int | None = None) -> tuple[DeliveryServer, ...]:
        known = self._known(conn)
        query = select(known.server).order_by(known.server.c.server_id)
        if server_id is not None:
            query = query.where(known.server.c.server_id == server_id)
        rows = conn.execute(query).mappings().all()
        planned = any(row.get("warmup_plan_id") is not None for row in rows)
        complete = tables.completed_plans(conn, known) if planned else frozenset()
        return tuple(_server(dict(row), complete) for row in rows)

    def _one(self, conn: Connection, server_id: int) -> DeliveryServer:
        found = self._read(conn, server_id)
        if not found:
            raise Refused(
                self._subject(server_id),
                "no such row",
                "a delivery server",
                "correct mailwizz_server_id in fleet.yaml",
            )
        return found[0]

    def _refuse_planned(self, server: DeliveryServer) -> None:
        if server.warmup is Warmup.RUNNING:
            raise Refused(
                self._subject(server.server_id), "MailWizz's own warm-up plan is active", "no plan, or a completed one",
                "end the plan in MailWizz; at its end it would set all quotas to unlimited",
            )  # fmt: skip

    def _check(self, server_id: int, touched: int, right: bool, now: Setting, wanted: str) -> None:
        seen = f"daily {now.daily_quota}, hourly {now.hourly_quota}, {now.status}"
        if not touched:
            raise Refused(
                self._subject(server_id), f"the row changed meanwhile: {seen}", "the row as it was read",
                "run the sync again; it reads anew",
            )  # fmt: skip
        if not right:
            raise NotVerified(
                self._subject(server_id), f"reading back shows {seen}", wanted,
                "look who else writes to this table (triggers, MailWizz's hourly command)",
            )  # fmt: skip

    def _known(self, conn: Connection) -> tables.Tables:
        if self._tables is None:
            self._tables = tables.read_tables(conn, self.database.table_prefix, self.database.name)
        return self._tables

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        failure: EngineError | None = None
        try:
            with self._engine.begin() as conn:
                yield conn
        except DBAPIError as error:
            failure = self.database.failure(error)
        except SQLAlchemyError as error:
            failure = Refused(
                f"MailWizz database {self.database.name}",
                type(error).__name__,
                "an answer",
                "see the task's log",
            )
        if failure is not None:
            raise failure

    def _subject(self, server_id: int) -> str:
        return f"delivery server {server_id} of {self.database.name}"


def _server(row: dict[str, Any], complete: frozenset[tuple[int, int]]) -> DeliveryServer:
    plan, touched = row.get("warmup_plan_id"), row.get("last_updated")
    server_id = int(row["server_id"])
    warmup = (
        Warmup.NONE if plan is None else Warmup.COMPLETE if (server_id, plan) in complete else Warmup.RUNNING
    )
    return DeliveryServer(
        server_id=server_id,
        name=str(row.get("name") or ""),
        type=str(row.get("type") or "").strip(),
        hostname=str(row.get("hostname") or ""),
        setting=Setting(int(row["daily_quota"]), int(row["hourly_quota"]), str(row["status"]).strip()),
        vmtas=virtual_mtas(row.get("meta_data")),
        warmup=warmup,
        touched_at=touched.replace(tzinfo=UTC) if isinstance(touched, datetime) else None,
    )


def _may_get_plan(server: Table, seen: DeliveryServer) -> bool:
    return "warmup_plan_id" in server.c and seen.warmup is Warmup.NONE


def _touched(server: Table) -> dict[str, datetime]:
    """`last_updated` is naive UTC in MailWizz; older versions may lack the column."""
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    return {"last_updated": now} if "last_updated" in server.c else {}
