"""What the refusals of MailWizz's database mean: whether they concern one row, the whole database or the way to it.

Codes are those of MySQL and MariaDB (server and client) and PostgreSQL's SQLSTATE."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from email_engine.errors import AccessDenied, EngineError, Refused, Unreachable

Code = int | str
LONGEST = 300


class RowLocked(Refused):
    """Another session holds a row: nothing was written to it, and nothing else is concerned."""


class ReadOnly(Refused):
    """A replica, or a primary that takes no writes: nothing can be written to the whole database."""


class TooSlow(Refused):
    """The database ended a statement that took too long; the session goes on."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    kind: type[EngineError]
    allowed: str
    next_step: str


_DENIED = _Meaning(
    AccessDenied,
    "SELECT, and UPDATE on quotas, status and last_updated of delivery_server",
    "check login, password and grants of its mailwizz_db connection",
)
_PLAINTEXT = _Meaning(
    AccessDenied,
    "a connection with TLS",
    "give ssl_ca in its mailwizz_db connection, and leave ssl_disabled out",
)
_LOCKED = _Meaning(
    RowLocked,
    "a row that nobody else holds",
    "SHOW ENGINE INNODB STATUS (pg_stat_activity) names who holds it; the next run tries again",
)
_DEADLOCK = _Meaning(
    RowLocked,
    "no deadlock with another session",
    "nothing, if it was once: the next run tries again; SHOW ENGINE INNODB STATUS shows the last one",
)
_READ_ONLY = _Meaning(
    ReadOnly,
    "the primary; this is a read-only replica",
    "name the primary in its mailwizz_db connection, or end read_only after a failover",
)
_SLOW = _Meaning(
    TooSlow,
    "an answer in time",
    "see with SHOW FULL PROCESSLIST what keeps the database busy",
)
_FULL = _Meaning(
    Unreachable,
    "a free connection",
    "raise max_connections, or end idle sessions (SHOW PROCESSLIST)",
)
_STOPPING = _Meaning(
    Unreachable,
    "a database that runs",
    "it is being stopped: wait until it is back, or start it",
)
_ABSENT = _Meaning(
    Unreachable,
    "an answer",
    "see that the database runs and host and port are right",
)
_GONE = _Meaning(
    Unreachable,
    "the connection to last",
    "see its error log: it was restarted, or closed an idle connection (wait_timeout)",
)
_SILENT = _Meaning(
    Unreachable,
    "an answer in time",
    "see with SHOW FULL PROCESSLIST what keeps it busy, and whether the network between is cut",
)
_CERTIFICATE = _Meaning(
    Unreachable,
    "a certificate that ssl_ca vouches for, with the connection's host as its name",
    "correct ssl_ca or the host of its mailwizz_db connection, or the server's certificate",
)
_NO_TLS = _Meaning(
    Unreachable,
    "a server that offers TLS, since ssl_ca is given",
    "switch TLS on at the server (ssl_cert, ssl_key), or take ssl_ca out of the connection",
)
_STRANGE = _Meaning(
    Refused,
    "a MailWizz database",
    "check database and table_prefix of its connection",
)

_BY_CODE: Mapping[Code, _Meaning] = {
    **dict.fromkeys((1044, 1045, 1142, 1143, 1698, "28P01", "28000", "42501"), _DENIED),
    3159: _PLAINTEXT,
    **dict.fromkeys((1205, "55P03"), _LOCKED),
    **dict.fromkeys((1213, "40P01"), _DEADLOCK),
    **dict.fromkeys((1792, 1836, "25006"), _READ_ONLY),
    **dict.fromkeys((1969, 3024, "57014"), _SLOW),
    **dict.fromkeys((1040, 1203, 1226, "53300"), _FULL),
    **dict.fromkeys((1053, "57P01", "57P02", "57P03"), _STOPPING),
    **dict.fromkeys((2002, 2003, "08001"), _ABSENT),
    **dict.fromkeys((2006, "08003", "08006"), _GONE),
    2013: _SILENT,
    2026: _NO_TLS,
}
_READ_ONLY_OPTION = 1290
"""The server runs with an option that forbids the statement; the text names it."""
_CLIENT = range(2000, 3000)
"""The client's own codes: there was no answer."""


def failure_of(where: str, error: DBAPIError) -> EngineError:
    """A driver's error without statement and parameters. `where`: the database as people call it."""
    observed = " ".join(str(error.orig).split())[:LONGEST]
    meaning = _meaning(_code(error), observed, error)
    return meaning.kind(where, observed, meaning.allowed, meaning.next_step)


def _code(error: DBAPIError) -> Code | None:
    """MySQL's number where there is one: its SQLSTATE says less."""
    first = next(iter(getattr(error.orig, "args", ())), None)
    if isinstance(first, int):
        return first
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state or None


def _meaning(code: Code | None, observed: str, error: DBAPIError) -> _Meaning:
    said = observed.lower()
    if "certificate verify failed" in said or "does not match host name" in said:
        return _CERTIFICATE
    if "does not support ssl" in said:
        return _NO_TLS
    if "authentication failed" in said:
        return _DENIED
    if code == _READ_ONLY_OPTION and ("read-only" in said or "read_only" in said):
        return _READ_ONLY
    if code is not None and code in _BY_CODE:
        return _BY_CODE[code]
    if _no_answer(code, error):
        return _ABSENT if isinstance(code, int) or code is None else _GONE
    return _STRANGE


def _no_answer(code: Code | None, error: DBAPIError) -> bool:
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    if code is None:
        return isinstance(error, OperationalError)
    return code in _CLIENT if isinstance(code, int) else code.startswith("08")
