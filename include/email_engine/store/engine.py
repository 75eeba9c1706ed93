"""One way into the engine's database: a transaction that says whose rows it may see."""

import contextlib
from collections.abc import Iterator

from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from email_engine.addresses import parse_address, shown
from email_engine.errors import AccessDenied, EngineError, InputError, Unreachable

ALL_TENANTS = "*"
CONNECT_TIMEOUT_SECONDS = 10
DATABASE = "database"
"""The cause of every error that says that the engine's database is away."""


def database_name(url: str | URL) -> str:
    """The database as a message may name it: role, host and database, never the password."""
    parsed = make_url(url)
    host = parsed.host or parsed.query.get("host") or "the local socket"
    return f"database {parsed.database} on {shown(str(host))} as {parsed.username}"


def unavailable(url: str | URL, error: DBAPIError) -> EngineError:
    """What a failed connection means for a person."""
    meant = _meaning(url, error)
    meant.cause = DATABASE
    return meant


def _meaning(url: str | URL, error: DBAPIError) -> EngineError:
    observed = " ".join(str(error.orig).split())
    if getattr(error.orig, "sqlstate", None) in {"28P01", "28000"} or "authentication failed" in observed:
        return AccessDenied(
            database_name(url),
            observed,
            "a role that may log in",
            "check login and password of the connection",
        )
    return Unreachable(
        database_name(url),
        observed,
        "an answer",
        "see that PostgreSQL runs and host, port and database are right",
    )


LOCK_NOT_AVAILABLE = "55P03"


class Store:
    """The engine's database. Rows of a tenant are seen only in a session of that tenant, or of `*`.

    Args:
        url: SQLAlchemy URL, `postgresql+psycopg://`; a bare `postgresql://` is read so too."""

    def __init__(self, url: str | URL) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() != "postgresql":
            raise InputError(
                "engine database",
                f"a URL for {parsed.get_backend_name()}",
                "postgresql",
                "use PostgreSQL 15 or newer",
            )
        parse_address("engine database", parsed.host)
        self._url = parsed.set(drivername="postgresql+psycopg")
        self._engine = create_engine(
            self._url,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "application_name": "email-engine",
                "options": "-c timezone=UTC",
            },
        )

    def __repr__(self) -> str:
        return f"Store({database_name(self._url)})"

    @contextlib.contextmanager
    def session(self, tenant: str | None = None) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back on any error.

        `tenant` is a name, `*` for all tenants, or None: then no tenant's row is seen or written (row-level security).
        Raises `Unreachable` or `AccessDenied` when there is no connection to be had, `Unreachable` also when it is lost
        on the way."""
        try:
            connection = self._engine.connect()
        except OperationalError as error:
            raise unavailable(self._url, error) from None
        try:
            with connection, connection.begin():
                connection.execute(
                    text("SELECT set_config('email_engine.tenant', :tenant, true)"), {"tenant": tenant or ""}
                )
                yield connection
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
                raise Unreachable(
                    "engine database", "another session holds a row for too long", "a row within the time that is waited for it",
                    "it is tried again; pg_stat_activity shows who waits for whom",
                ) from None  # fmt: skip
            if not error.connection_invalidated:
                raise
            raise unavailable(self._url, error) from None

    def dispose(self) -> None:
        """Closes every pooled connection."""
        self._engine.dispose()


def connect(url: str | URL) -> Store:
    """A store on `url`; connects on first use."""
    return Store(url)
