"""MailWizz's own database: delivery-server quotas and status, for no API changes them.

MySQL or MariaDB in production, PostgreSQL in the lab. Every write compares with what was read (somebody else may have
changed it meanwhile), touches one row in its own transaction and is read back (many at once: `mailwizz_batch`). It takes effect late: MailWizz keeps
"sendings left" in a cache for 300 s after each send, so PowerMTA's queue is the real brake (facts: quota enforcement).
Quota 0 means unlimited and is never written."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Table, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from email_engine.adapters import mailwizz_refusals as refusals
from email_engine.adapters import mailwizz_tables as tables
from email_engine.adapters.mailwizz_catalogue import read_catalogue
from email_engine.adapters.mailwizz_database import MailwizzDatabase
from email_engine.adapters.mailwizz_failures import RowLocked
from email_engine.adapters.mailwizz_limits import read_progress
from email_engine.adapters.mailwizz_senders import read_senders
from email_engine.adapters.mailwizz_server_rows import server_of
from email_engine.adapters.mailwizz_usage import count_usage
from email_engine.errors import AccessDenied, EngineError, Refused
from email_engine.mailer.catalogue import Catalogue
from email_engine.mailer.model import DISABLED, GOVERNED, UNLIMITED, DeliveryServer, Setting, Warmup
from email_engine.mailer.senders import Senders

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
        with self.transaction() as conn:
            return self._read(conn)

    def senders(self) -> Senders:
        """Who uses the servers: customers, groups and the campaigns that send now, as far as this login may read."""
        with self.transaction() as conn:
            return read_senders(conn, self.database.table_prefix)

    def catalogue(self) -> Catalogue:
        """Which tables and columns this login sees, for whoever sets it up."""
        with self.transaction() as conn:
            return read_catalogue(conn, self.database.table_prefix, WRITTEN)

    def server(self, server_id: int) -> DeliveryServer:
        """One server; Refused if there is none."""
        with self.transaction() as conn:
            return self._one(conn, server_id)

    def usage_today(
        self, now: datetime, server_ids: Collection[int] | None = None, until: datetime | None = None
    ) -> dict[int, int]:
        """Messages that these servers (None: all there are) were handed in the UTC day of `now` (aware), by server id; `until`
        leaves out what came later. Empty without the usage log. TooSlow, or another EngineError, where it cannot be read:
        nothing else is wrong then.

        MailWizz writes no row for a server without any quota whose sends do not count against the customer's, and keeps
        the rows of a server that was deleted without its id."""
        with self.transaction() as conn:
            known = self.known(conn)
            if known.usage_log is None:
                return {}
            if server_ids is None:
                server_ids = list(conn.execute(select(known.server.c.server_id)).scalars())
            return count_usage(conn, known.usage_log, now, server_ids, until)

    def set_quota(self, server_id: int, daily: int, hourly: int, expected_old: Setting) -> None:
        """Writes both quotas if they are still as in `expected_old`, and reads them back.

        Refused for a quota below 1, for a server under a running warm-up plan and for one that is not active, in-use
        or disabled. NotVerified if reading back shows something else."""
        if daily < 1 or hourly < 1:
            raise refusals.unlimited(self.subject(server_id), daily, hourly)
        with self._row(server_id) as conn:
            self._refuse_planned(seen := self._one(conn, server_id))
            server = self.known(conn).server
            unplanned = [server.c.warmup_plan_id.is_(None)] if _may_get_plan(server, seen) else []
            done = conn.execute(
                update(server)
                .where(server.c.server_id == server_id, server.c.status.in_(sorted(GOVERNED)))
                .where(server.c.daily_quota == expected_old.daily_quota)
                .where(server.c.hourly_quota == expected_old.hourly_quota, *unplanned)
                .values(daily_quota=daily, hourly_quota=hourly, **touched_now(server))
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
        """Moves a server between active, in-use and disabled if it still is as in `expected_old`; reads it back.

        One that is to run must also have the quotas of `expected_old`, 1 or more, and no warm-up plan that runs: it would hand
        over by a stranger's. To switch a server off nothing but its status is asked."""
        if status not in GOVERNED or expected_old.status not in GOVERNED:
            raise Refused(
                self.subject(server_id), f"{expected_old.status} to {status}", "active, in-use or disabled",
                "change other states in MailWizz itself",
            )  # fmt: skip
        runs = status != DISABLED
        if runs and min(expected_old.daily_quota, expected_old.hourly_quota) <= UNLIMITED:
            daily, hourly = expected_old.daily_quota, expected_old.hourly_quota
            raise refusals.unlimited(self.subject(server_id), daily, hourly)
        with self._row(server_id) as conn:
            server = self.known(conn).server
            as_read = []
            if runs:
                self._refuse_planned(seen := self._one(conn, server_id))
                as_read = [server.c.daily_quota == expected_old.daily_quota]
                as_read += [server.c.hourly_quota == expected_old.hourly_quota]
                as_read += [server.c.warmup_plan_id.is_(None)] if _may_get_plan(server, seen) else []
            same = {expected_old.status} if expected_old.status == DISABLED else GOVERNED - {DISABLED}
            done = conn.execute(
                update(server)
                .where(server.c.server_id == server_id, server.c.status.in_(sorted(same)), *as_read)
                .values(status=status, **touched_now(server))
            )
            touched = done.rowcount
        now = self.server(server_id).setting
        quotas = (now.daily_quota, now.hourly_quota) == (expected_old.daily_quota, expected_old.hourly_quota)
        right = (now.runs and quotas) if runs else now.status == status
        self._check(server_id, touched, right, now, status)

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
            with self.transaction() as conn:
                server = self.known(conn).server
                if name in server.c:
                    conn.execute(
                        update(server).where(server.c.server_id == -1).values({name: server.c[name]})
                    )
        except AccessDenied:
            return False
        return True

    def _read(self, conn: Connection, server_id: int | None = None) -> tuple[DeliveryServer, ...]:
        known = self.known(conn)
        query = select(known.server).order_by(known.server.c.server_id)
        if server_id is not None:
            query = query.where(known.server.c.server_id == server_id)
        rows = conn.execute(query).mappings().all()
        planned = any(row.get("warmup_plan_id") is not None for row in rows)
        complete = tables.completed_plans(conn, known) if planned else frozenset()
        progress = read_progress(conn, known) if planned else {}
        return tuple(server_of(dict(row), known, complete, progress) for row in rows)

    def _one(self, conn: Connection, server_id: int) -> DeliveryServer:
        found = self._read(conn, server_id)
        if not found:
            raise refusals.absent(self.subject(server_id))
        return found[0]

    def _refuse_planned(self, server: DeliveryServer) -> None:
        doubt = server.limits.doubt()
        if doubt:
            raise Refused(self.subject(server.server_id), doubt[0], "limits that are all known", doubt[1])
        if server.warmup is Warmup.RUNNING:
            raise refusals.planned(self.subject(server.server_id))

    def _check(self, server_id: int, touched: int, right: bool, now: Setting, wanted: str) -> None:
        if not touched:
            raise refusals.changed_meanwhile(self.subject(server_id), now)
        if not right:
            raise refusals.not_verified(self.subject(server_id), now, wanted)

    def known(self, conn: Connection) -> tables.Tables:
        """The tables and columns that this MailWizz has."""
        if self._tables is None:
            self._tables = tables.read_tables(conn, self.database.table_prefix, self.database.name)
        return self._tables

    @contextmanager
    def _row(self, server_id: int) -> Iterator[Connection]:
        """A transaction about one server: a row that another session holds is told as that row."""
        try:
            with self.transaction() as conn:
                yield conn
        except RowLocked as error:
            raise refusals.locked(self.subject(server_id), server_id, error) from None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, committed at its end."""
        with self.connection() as conn, conn.begin():
            yield conn

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """For more than one transaction; what was not committed is undone at its end."""
        with self.translated(), self._engine.connect() as conn:
            yield conn

    @contextmanager
    def translated(self) -> Iterator[None]:
        """A driver's error becomes an EngineError without statement and parameters."""
        failure: EngineError | None = None
        try:
            yield
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

    def subject(self, server_id: int) -> str:
        """How errors call one of its servers."""
        return f"delivery server {server_id} of {self.database.name}"


def _may_get_plan(server: Table, seen: DeliveryServer) -> bool:
    return "warmup_plan_id" in server.c and seen.warmup is Warmup.NONE


def touched_now(server: Table) -> dict[str, datetime]:
    """`last_updated` is naive UTC in MailWizz; older versions may lack the column."""
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    return {"last_updated": now} if "last_updated" in server.c else {}
