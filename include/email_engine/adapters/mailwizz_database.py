"""How to reach MailWizz's database."""

import ssl
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.exc import DBAPIError

from email_engine.adapters.mailwizz_failures import failure_of
from email_engine.adapters.mailwizz_tables import checked_prefix
from email_engine.addresses import parse_address
from email_engine.errors import EngineError, InputError

CONNECT_TIMEOUT = 10
STATEMENT_TIMEOUT = 30
SERVER_TIMEOUT = 25
LOCK_TIMEOUT = 10
_SESSION = (
    f"SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_TIMEOUT} "
    f"/*M!100101 , max_statement_time = {SERVER_TIMEOUT} */ /*!50708 , max_execution_time = {SERVER_TIMEOUT}000 */"
)
"""MariaDB reads the first comment alone, MySQL the second: a statement ends there before the client stops waiting for it."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How the way to the database is protected. `ca`: file with the authority's certificate, which the server's must come
    from; `verify`: it must, and it must name the host; `disabled`: plaintext. Without any of them MySQL's client encrypts
    where the server offers it and PostgreSQL's likewise, both unverified."""

    ca: str | None = None
    verify: bool = True
    disabled: bool = False

    def checked(self, subject: str) -> "Tls":
        """Itself; InputError if `ca` is no certificate that can be read, or beside `disabled`."""
        mistake = "ssl_ca and ssl_disabled together" if self.ca and self.disabled else self._unreadable()
        if mistake:
            raise InputError(
                subject, mistake, "ssl_ca: a file of certificates (PEM) that this worker's user may read, or ssl_disabled",
                "correct the extra fields of the mailwizz_db connection",
            )  # fmt: skip
        return self

    def for_mysql(self) -> dict[str, Any]:
        """Arguments of PyMySQL, which refuses a server without TLS once any of them is given."""
        if self.disabled:
            return {"ssl_disabled": True}
        if self.ca is None:
            return {}
        return {"ssl_ca": self.ca, "ssl_verify_cert": self.verify, "ssl_verify_identity": self.verify}

    def for_postgresql(self) -> dict[str, Any]:
        """Arguments of libpq."""
        if self.disabled:
            return {"sslmode": "disable"}
        if self.ca is None:
            return {}
        return {"sslmode": "verify-full", "sslrootcert": self.ca} if self.verify else {"sslmode": "require"}

    def _unreadable(self) -> str:
        if self.ca is None:
            return ""
        try:
            ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            return f"ssl_ca {self.ca} cannot be read ({error.strerror or type(error).__name__})"
        return ""


@dataclass(frozen=True, slots=True)
class MailwizzDatabase:
    """Where it is. `name` is how errors call it; `url`: `mysql+pymysql://` or `postgresql+psycopg://`;
    `table_prefix` as in MailWizz's main-custom.php. Raises InputError."""

    name: str
    url: URL = field(repr=False)
    table_prefix: str = "mw_"
    tls: Tls = Tls()

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
                "init_command": _SESSION,
                **self.tls.for_mysql(),
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
                **self.tls.for_postgresql(),
            }
        return create_engine(
            self.url, connect_args=options, pool_size=1, max_overflow=1, hide_parameters=True
        )

    def failure(self, error: DBAPIError) -> EngineError:
        """A driver's error without statement and parameters; see `mailwizz_failures`."""
        url = self.url
        where = (
            f"MailWizz database {self.name} ({url.database} on {url.host or 'a socket'} as {url.username})"
        )
        return failure_of(where, error)
