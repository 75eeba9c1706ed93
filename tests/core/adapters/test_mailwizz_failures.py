"""Every code of MailWizz's database that a person can act on says what it concerns and what to do."""

from typing import Any

import pytest
from pymysql import err
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from email_engine.adapters.mailwizz_failures import ReadOnly, RowLocked, TooSlow, failure_of
from email_engine.errors import AccessDenied, EngineError, Refused, Unreachable

READ_ONLY = "The MariaDB server is running with the --read-only option so it cannot execute this statement"


class Sqlstate(Exception):
    def __init__(self, state: str, text: str) -> None:
        super().__init__(text)
        self.sqlstate = state


def met(orig: Exception, kind: type[DBAPIError] = OperationalError) -> EngineError:
    return failure_of("MailWizz database x", kind("UPDATE secret", {"daily": 1}, orig))


@pytest.mark.parametrize(
    ("orig", "kind", "step"),
    [
        (err.OperationalError(1205, "Lock wait timeout exceeded"), RowLocked, "the next run tries again"),
        (Sqlstate("55P03", "canceling statement due to lock timeout"), RowLocked, "pg_stat_activity"),
        (err.OperationalError(1213, "Deadlock found"), RowLocked, "nothing, if it was once"),
        (Sqlstate("40P01", "deadlock detected"), RowLocked, "nothing, if it was once"),
        (err.OperationalError(1290, READ_ONLY), ReadOnly, "name the primary"),
        (err.OperationalError(1792, "Cannot execute statement in a READ ONLY transaction."), ReadOnly, "name the primary"),
        (err.OperationalError(1836, "Running in read-only mode"), ReadOnly, "name the primary"),
        (Sqlstate("25006", "cannot execute UPDATE in a read-only transaction"), ReadOnly, "name the primary"),
        (err.OperationalError(1040, "Too many connections"), Unreachable, "raise max_connections"),
        (Sqlstate("53300", "too many connections"), Unreachable, "raise max_connections"),
        (err.OperationalError(2013, "Lost connection to MySQL server during query (timed out)"), Unreachable, "keeps it busy"),
        (err.OperationalError(2002, "Can't connect through socket"), Unreachable, "see that the database runs"),
        (err.OperationalError(2003, "Can't connect to MySQL server (Connection refused)"), Unreachable, "host and port"),
        (err.OperationalError(2006, "MySQL server has gone away"), Unreachable, "wait_timeout"),
        (err.OperationalError(1053, "Server shutdown in progress"), Unreachable, "it is being stopped"),
        (Sqlstate("57P01", "terminating connection due to administrator command"), Unreachable, "it is being stopped"),
        (err.OperationalError(1969, "Query execution was interrupted (max_statement_time exceeded)"), TooSlow, "PROCESSLIST"),
        (err.OperationalError(3024, "maximum statement execution time exceeded"), TooSlow, "PROCESSLIST"),
        (err.OperationalError(1142, "UPDATE command denied"), AccessDenied, "grants"),
        (err.OperationalError(3159, "Connections using insecure transport are prohibited"), AccessDenied, "give ssl_ca"),
        (err.OperationalError(2026, "SSL is required but the server doesn't support it"), Unreachable, "switch TLS on"),
        (err.OperationalError(2003, "Can't connect (certificate verify failed: self-signed)"), Unreachable, "correct ssl_ca"),
    ],
)  # fmt: skip
def test_each_has_its_next_step(orig: Exception, kind: type[EngineError], step: str) -> None:
    error = met(orig)
    assert type(error) is kind
    assert step in error.next_step
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("orig", "of", "kind"),
    [
        (err.OperationalError(1290, "running with the --secure-file-priv option"), OperationalError, Refused),
        (err.OperationalError(1049, "Unknown database 'x'"), OperationalError, Refused),
        (err.ProgrammingError(1146, "Table does not exist"), DBAPIError, Refused),
        (err.OperationalError(2055, "Lost connection"), OperationalError, Unreachable),
        (err.InterfaceError(0, ""), InterfaceError, Unreachable),
        (Sqlstate("", "connection refused"), OperationalError, Unreachable),
        (Sqlstate("08P01", "protocol violation"), OperationalError, Unreachable),
        (Sqlstate("42P01", "relation does not exist"), DBAPIError, Refused),
    ],
)  # fmt: skip
def test_a_code_without_a_meaning_of_its_own_is_an_answer_or_none(
    orig: Any, of: Any, kind: type[EngineError]
) -> None:
    assert type(met(orig, of)) is kind
