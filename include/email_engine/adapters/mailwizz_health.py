"""One look at a MailWizz by SQL: its database's clock, how fast it answers, its console commands, campaigns that are due."""

import statistics
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection, Table, select, text
from sqlalchemy.exc import DBAPIError

from email_engine.adapters.mailwizz_campaigns import read_campaigns
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.adapters.mailwizz_health_columns import OPTIONAL, READ
from email_engine.adapters.mailwizz_readable import Reading, bound_statements
from email_engine.adapters.mailwizz_tables import MYSQL
from email_engine.errors import Refused
from email_engine.mailer.health import CommandRuns, CronsSeen, MailwizzFacts
from email_engine.mailer.model import DeliveryServer
from email_engine.mailer.unreadable import Unreadable

ROUND_TRIPS = 3
STATEMENT_SECONDS = 10
NEWEST_RUNS = 5_000
"""MailWizz keeps the last ten runs of each command."""


def read_health(database: MailwizzDb, silent_after: timedelta) -> MailwizzFacts:
    """`silent_after`: a campaign that handed over nothing for so long is looked at closely.

    Raises Unreachable and AccessDenied (login). What this login may not read is an Unreadable among the facts."""
    servers = _servers(database)
    senders = database.senders()
    engine, failure = database.database.engine(), None
    try:
        with engine.begin() as conn:
            bound_statements(conn, STATEMENT_SECONDS)
            now, offset, latency = _clock(conn)
            reading = Reading(conn, database.database.table_prefix, READ, OPTIONAL)
            return MailwizzFacts(
                now,
                offset,
                latency,
                _crons(reading),
                read_campaigns(reading, servers, senders, now, silent_after),
            )
    except DBAPIError as error:
        failure = database.database.failure(error)
    finally:
        engine.dispose()
    raise failure


def _servers(database: MailwizzDb) -> tuple[DeliveryServer, ...] | Unreadable:
    try:
        return database.servers()
    except Refused as error:
        return Unreadable(f"{error.subject}: {error.observed}", error.next_step)


def _clock(conn: Connection) -> tuple[datetime, timedelta, timedelta]:
    """The database's clock, how far it is ahead of the engine's, and the median of some round trips."""
    asked = (
        "SELECT UTC_TIMESTAMP(6)"
        if conn.dialect.name in MYSQL
        else "SELECT clock_timestamp() AT TIME ZONE 'UTC'"
    )
    trips = [_round_trip(conn, asked) for _ in range(ROUND_TRIPS)]
    _, offset = min(trips)
    now: Any = conn.execute(text(asked)).scalar_one()
    latency = statistics.median_low(took.total_seconds() for took, _ in trips)
    return now.replace(tzinfo=UTC), offset, timedelta(seconds=latency)


def _round_trip(conn: Connection, asked: str) -> tuple[timedelta, timedelta]:
    """How long the answer took, and how far its clock is ahead."""
    began, moment = time.monotonic(), datetime.now(UTC)
    answer: Any = conn.execute(text(asked)).scalar_one()
    took = timedelta(seconds=time.monotonic() - began)
    return took, answer.replace(tzinfo=UTC) - moment - took / 2


def _crons(reading: Reading) -> CronsSeen | Unreadable:
    found = reading.tables("console_command", "console_command_history")
    if isinstance(found, Unreadable):
        return found
    commands, history = found
    return reading.tried("the history of console commands", lambda: _runs(reading.conn, commands, history))


def _runs(conn: Connection, commands: Table, history: Table) -> CronsSeen:
    known = conn.execute(select(commands)).mappings().all()
    names = {row["command_id"]: str(row["command"]).strip() for row in known}
    found: dict[str, CommandRuns] = {}
    newest = select(history).order_by(history.c.history_id.desc()).limit(NEWEST_RUNS)
    for row in conn.execute(newest).mappings():
        name, started = names.get(row["command_id"]), moment_of(row["start_time"])
        if name and started and (name not in found or started > found[name].started):
            found[name] = CommandRuns(started, moment_of(row["end_time"]) is None)
    dates = [moment_of(row.get("date_added")) for row in known]
    return CronsSeen(found, min((each for each in dates if each is not None), default=None))


def moment_of(value: Any) -> datetime | None:
    """A time as MailWizz writes it: a UTC date with time, or unix seconds (number or text); None for none of them."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if value is None:
        return None
    try:
        seconds = Decimal(str(value))
    except InvalidOperation:
        try:
            return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
        except ValueError:
            return None
    return datetime.fromtimestamp(float(seconds), UTC) if 0 < seconds < 10**11 else None
