"""A table of MailWizz's with the columns that this login may read, or why it cannot be asked: not there, or not granted."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, MetaData, Table, column, literal, select, table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType

from email_engine.adapters.mailwizz_tables import MYSQL, NOT_THERE, visible_columns
from email_engine.mailer.unreadable import Unreadable

NO_TABLE = frozenset({1146, "42P01"})
"""MySQL's and PostgreSQL's codes for a table that is not there."""
T = TypeVar("T")


def bound_statements(conn: Connection, seconds: float) -> None:
    """From here on the database itself ends a statement that takes longer: the session goes on, and MailWizz is not slowed by a
    query whose asker is gone. Older servers than MariaDB 10.1 and MySQL 5.7.8 cannot."""
    mariadb = bool(getattr(conn.dialect, "is_mariadb", False))
    version: tuple[int, ...] = getattr(conn.dialect, "server_version_info", None) or ()
    if conn.dialect.name not in MYSQL:
        conn.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))
    elif mariadb and version >= (10, 1, 1):
        conn.execute(text(f"SET SESSION max_statement_time = {float(seconds)}"))
    elif not mariadb and version >= (5, 7, 8):
        conn.execute(text(f"SET SESSION max_execution_time = {int(seconds * 1000)}"))


class Reading:
    """`needed` columns by table, without the prefix; those pairs of table and column in `optional` may be missing."""

    def __init__(
        self,
        conn: Connection,
        prefix: str,
        needed: Mapping[str, tuple[str, ...]],
        optional: Collection[tuple[str, str]],
    ) -> None:
        self.conn = conn
        self._prefix = prefix
        self._needed = needed
        self._optional = optional
        self._found: dict[str, Table | Unreadable] = {}

    def table(self, name: str) -> Table | Unreadable:
        """With the columns that are there."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def tables(self, *names: str) -> tuple[Table, ...] | Unreadable:
        """All of them, or why the first one cannot be read."""
        found = [self.table(name) for name in names]
        lacking = [table for table in found if isinstance(table, Unreadable)]
        return lacking[0] if lacking else tuple(table for table in found if isinstance(table, Table))

    def _find(self, name: str) -> Table | Unreadable:
        full, wanted = f"{self._prefix}{name}", self._needed[name]
        there = visible_columns(self.conn, full)
        lacking = [
            column for column in wanted if column not in there and (name, column) not in self._optional
        ]
        if lacking:
            return self._why(full, lacking)
        return Table(full, MetaData(), *(Column(column, NullType()) for column in wanted if column in there))

    def tried(self, what: str, read: Callable[[], T]) -> T | Unreadable:
        """What fails for itself (a statement that takes too long) is not known; a connection that is lost ends the look."""
        try:
            with self.conn.begin_nested():
                return read()
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            return Unreadable(f"{what} could not be read ({type(error.orig).__name__})")

    def _why(self, full: str, lacking: list[str]) -> Unreadable:
        asked: Any = select(*map(column, lacking)).select_from(table(full)).where(literal(1) == literal(0))
        listed = ", ".join(lacking)
        try:
            with self.conn.begin_nested():
                self.conn.execute(asked)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            codes = {getattr(error.orig, "sqlstate", None), *getattr(error.orig, "args", ())[:1]}
            if codes & NO_TABLE:
                return Unreadable(f"this MailWizz has no table {full}", absent=True)
            if codes & NOT_THERE:
                return Unreadable(f"table {full} of this MailWizz lacks {listed}", absent=True)
        return Unreadable(
            f"{listed} of {full} cannot be read with this login",
            f"grant SELECT ({listed}) on {full}: `email-engine mailwizz grants` prints the statement",
        )
