"""Whether a column is not there or only not granted, by what the database answers when it is asked for it."""

from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from email_engine.adapters.mailwizz_tables import hidden_columns


class DriverError(Exception):
    sqlstate: str | None = None


class Answers:
    """A connection whose statements fail with one error, or with none."""

    def __init__(self, error: Exception | None, lost: bool = False) -> None:
        self._error, self._lost = error, lost

    def begin_nested(self) -> Any:
        return nullcontext()

    def execute(self, statement: object) -> None:
        if self._error is not None:
            raise OperationalError("", {}, self._error, connection_invalidated=self._lost)


def of_postgresql(code: str) -> DriverError:
    error = DriverError("told")
    error.sqlstate = code
    return error


@pytest.mark.parametrize(
    ("error", "hidden"),
    [
        (None, False),
        (DriverError(1054, "Unknown column"), False),
        (of_postgresql("42703"), False),
        (DriverError(1143, "SELECT command denied"), True),
        (of_postgresql("42501"), True),
        (DriverError(1235, "not supported by this proxy"), True),
    ],
    ids=[
        "readable",
        "MySQL has none",
        "PostgreSQL has none",
        "MySQL denies",
        "PostgreSQL denies",
        "something else",
    ],
)
def test_a_column_that_the_database_does_not_deny_to_exist_is_hidden(
    error: Exception | None, hidden: bool
) -> None:
    conn: Any = Answers(error)
    assert hidden_columns(conn, "mw_delivery_server", ["minute_quota"]) == (
        ("minute_quota",) if hidden else ()
    )


def test_a_lost_connection_is_no_answer() -> None:
    conn: Any = Answers(DriverError(2013, "Lost connection"), lost=True)
    with pytest.raises(OperationalError):
        hidden_columns(conn, "mw_delivery_server", ["minute_quota"])
