"""One PostgreSQL connection that plays MailWizz's MySQL."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

TABLES = (
    "delivery_server",
    "delivery_server_usage_log",
    "delivery_server_warmup_plan",
    "delivery_server_warmup_plan_schedule",
    "delivery_server_warmup_plan_schedule_log",
    "list",
    "list_subscriber",
    "campaign",
    "campaign_option",
    "campaign_bounce_log",
    "campaign_complain_log",
    "campaign_delivery_log",
    "campaign_delivery_log_archive",
    "campaign_track_open",
    "campaign_track_unsubscribe",
    "campaign_track_url",
    "campaign_url",
    "email_blacklist",
    "customer",
    "customer_group",
    "customer_group_option",
    "customer_api_key",
    "customer_api_key_permission",
    "campaign_to_delivery_server",
    "campaign_delivery_count_history",
    "campaign_tracking_ignore_list",
    "delivery_server_to_customer_group",
    "console_command",
    "console_command_history",
)
Row = dict[str, Any]


@cache
def compose(statement: str, prefix: str) -> sql.Composed:
    """Fills `{delivery_server}` and its like with the quoted, prefixed table name."""
    return sql.SQL(statement).format(**{name: sql.Identifier(prefix + name) for name in TABLES})


class Database:
    """Statements name tables as `{delivery_server}`; values are always parameters.

    The session runs in UTC like MailWizz's own. A broken connection is opened anew at the next statement. A lock
    held by somebody else stops a statement after 3 s (psycopg.errors.LockNotAvailable)."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = prefix
        self._connection: psycopg.Connection[Row] | None = None

    def _open(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=5,
                options="-c timezone=UTC -c lock_timeout=3000 -c synchronous_commit=off -c client_min_messages=warning",
            )
        return self._connection

    def rows(self, statement: str, *values: object) -> list[Row]:
        return self._open().execute(compose(statement, self._prefix), values).fetchall()

    def row(self, statement: str, *values: object) -> Row | None:
        return self._open().execute(compose(statement, self._prefix), values).fetchone()

    def number(self, statement: str, *values: object) -> int:
        """The first column of the first row as a whole number; 0 for none or NULL."""
        row = self.row(statement, *values)
        return int(next(iter(row.values())) or 0) if row else 0

    def run(self, statement: str, *values: object) -> int:
        """The number of rows touched."""
        return self._open().execute(compose(statement, self._prefix), values).rowcount

    def copy(self, statement: str, lines: Iterable[str]) -> None:
        """COPY ... FROM STDIN of lines in PostgreSQL's text format, without line ends."""
        with self._open().cursor().copy(compose(statement, self._prefix)) as sink:
            sink.write("".join(f"{line}\n" for line in lines))

    def many(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        if rows:
            with self._open().cursor() as cursor:
                cursor.executemany(compose(statement, self._prefix), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._open().transaction():
            yield

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
