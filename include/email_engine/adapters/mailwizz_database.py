"""How to reach MailWizz's database, and what its refusals mean."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError

from email_engine.adapters.mailwizz_tables import checked_prefix
from email_engine.addresses import parse_address
from email_engine.errors import AccessDenied, EngineError, InputError, Refused, Unreachable

CONNECT_TIMEOUT = 10
STATEMENT_TIMEOUT = 30
LOCK_TIMEOUT = 10


DENIED = frozenset({1044, 1045, 1142, 1143, 1698, "28P01", "28000", "42501"})
"""MySQL's and PostgreSQL's codes for a refused login or a missing grant."""


@dataclass(frozen=True, slots=True)
class MailwizzDatabase:
    """Where it is. `name` is how errors call it; `url`: `mysql+pymysql://` or `postgresql+psycopg://`;
    `table_prefix` as in MailWizz's main-custom.php. Raises InputError."""

    name: str
    url: URL = field(repr=False)
    table_prefix: str = "mw_"

    def __post_init__(self) -> None:
        if self.url.drivername not in ("mysql+pymysql", "postgresql+psycopg"):
            raise InputError(
                f"MailWizz database {self.name}", f"dialect {self.url.drivername}", "mysql or postgresql",
                "correct `dialect` of its mailwizz_db connection",
            )  # fmt: skip
        parse_address(f"MailWizz database {self.name}", self.url.host)
        checked_prefix(self.table_prefix)

    def engine(self) -> Engine:
        """A new engine; every session runs in UTC, and waits for answers and locks a bounded time."""
        if self.url.get_backend_name() == "mysql":
            options: dict[str, Any] = {
                "connect_timeout": CONNECT_TIMEOUT,
                "read_timeout": STATEMENT_TIMEOUT,
                "write_timeout": STATEMENT_TIMEOUT,
                "init_command": f"SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_TIMEOUT}",
            }
            if self.url.password:
                options["password"] = str(
                    self.url.password
                ).encode()  # PyMySQL alone takes Latin-1 and breaks on the rest
        else:
            timeouts = (
                f"-c statement_timeout={STATEMENT_TIMEOUT}s -c lock_timeout={LOCK_TIMEOUT}s -c timezone=UTC"
            )
            options = {
                "connect_timeout": CONNECT_TIMEOUT,
                "options": timeouts,
                "application_name": "email-engine",
            }
        return create_engine(
            self.url, connect_args=options, pool_size=1, max_overflow=1, hide_parameters=True
        )

    def failure(self, error: DBAPIError) -> EngineError:
        """A driver's error without statement and parameters."""
        url = self.url
        where = (
            f"MailWizz database {self.name} ({url.database} on {url.host or 'a socket'} as {url.username})"
        )
        codes = {getattr(error.orig, "sqlstate", None), *getattr(error.orig, "args", ())[:1]}
        observed = " ".join(str(error.orig).split())[:300]
        if codes & DENIED or "authentication failed" in observed:
            return AccessDenied(
                where, observed, "SELECT, and UPDATE on quotas, status and last_updated of delivery_server",
                "check login, password and grants of its mailwizz_db connection",
            )  # fmt: skip
        if isinstance(error, OperationalError) or error.connection_invalidated:
            return Unreachable(
                where, observed, "an answer", "see that the database runs and host and port are right"
            )
        return Refused(
            where, observed, "a MailWizz database", "check database and table_prefix of its connection"
        )
