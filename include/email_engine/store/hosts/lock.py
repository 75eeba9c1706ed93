"""One deployment at a time on a host: a lock of the database's that its holder must prove again before each change."""

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.exc import SQLAlchemyError

from email_engine.errors import EngineError, Refused
from email_engine.store.engine import ALL_TENANTS, Store
from email_engine.store.schema import deployments

_TAKE = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
_HELD = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted"
    " AND objsubid = 1 AND ((classid::bigint << 32) | objid::bigint) = hashtextextended(:name, 0))"
)

_PATIENT = (
    "idle_in_transaction_session_timeout = 0",
    "tcp_keepalives_idle = 30",
    "tcp_keepalives_interval = 10",
    "tcp_keepalives_count = 3",
)
"""Waiting for a host is no idleness; a holder whose machine is gone is found out within a minute."""


class Busy(Refused):
    """Somebody else is at it; trying again later is right."""


class LockLost(Busy):
    """Another one took over, or ended this deployment; from here on nothing more is touched on the host."""


class HostLock:
    """The lock of one host, on a database session of its own: it ends with its holder, however that ends.

    A session can be cut without its holder noticing (a network, a restart of the database, `pg_terminate_backend`). So
    `require` asks before everything that another deployment must not find undone."""

    def __init__(self, store: Store, mta_host: str) -> None:
        self.mta_host = mta_host
        self._store = store
        self._session = contextlib.ExitStack()
        self._conn: Connection | None = None

    def take(self) -> bool:
        """False while another holds it. Raises Unreachable when the database is away."""
        with contextlib.ExitStack() as opened:
            conn = opened.enter_context(self._store.session(tenant=ALL_TENANTS))
            for setting in _PATIENT:
                conn.execute(text(f"SET LOCAL {setting}"))
            if not conn.execute(_TAKE, self._name).scalar_one():
                return False
            self._session, self._conn = opened.pop_all(), conn
        return True

    def release(self) -> None:
        """Ends the session; one that is cut already has ended."""
        self._conn = None
        with contextlib.suppress(EngineError, SQLAlchemyError):
            self._session.close()

    def require(self, deployment: int | None = None) -> None:
        """Raises LockLost unless the host is still ours: the lock is held (again, where its session was cut and nobody took
        it), and `deployment`, if given, is still `applying` and the newest of its host. Unreachable: nobody knows."""
        if not self._holds():
            self._again()
        if deployment is None:
            return
        newest = self._newest()
        if newest is not None and newest.id > deployment:
            raise self._lost(f"superseded: deployment {newest.id} came after number {deployment}")
        if newest is None or newest.status != "applying":
            ended = newest.status if newest is not None else "its row is gone"
            raise self._lost(f"superseded: another run ended deployment {deployment} meanwhile ({ended})")

    @property
    def _name(self) -> dict[str, str]:
        return {"name": f"email_engine deployment {self.mta_host}"}

    def _holds(self) -> bool:
        if self._conn is None:
            return False
        try:
            return bool(self._conn.execute(_HELD, self._name).scalar_one())
        except SQLAlchemyError:
            return False

    def _again(self) -> None:
        self.release()
        if not self.take():
            raise self._lost("superseded: its session was cut, and another deployment has the host now")

    def _newest(self) -> Any:
        here = select(deployments.c.id, deployments.c.status).where(deployments.c.mta_host == self.mta_host)
        try:
            if self._conn is None:
                raise self._lost("its session with the database has ended")
            return self._conn.execute(here.order_by(deployments.c.id.desc()).limit(1)).one_or_none()
        except SQLAlchemyError:
            raise self._lost("its session with the database was cut just now") from None

    def _lost(self, observed: str) -> LockLost:
        return LockLost(
            f"deployment to {self.mta_host}",
            observed,
            "one deployment at a time on a host, the newest last",
            "none: this one touches the host no more; the task starts anew and finds out what is left to do",
        )


@contextlib.contextmanager
def host_lock(store: Store, mta_host: str) -> Iterator[HostLock]:
    """Raises Busy while another deployment holds the host."""
    lock = HostLock(store, mta_host)
    if not lock.take():
        raise Busy(
            f"deployment to {mta_host}",
            "another deployment to this host is under way",
            "one at a time",
            "wait for it; the task tries again",
        )
    try:
        yield lock
    finally:
        lock.release()
