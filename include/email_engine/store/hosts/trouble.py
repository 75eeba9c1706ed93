"""Hosts whose signals cannot be trusted: nothing may be advanced on what they say. Run it under tenant `*` or a tenant's."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from email_engine.health.policy import shipped_health_policy
from email_engine.store.schema import accounting_files, mta_health

STRANGERS_FOR = timedelta(days=1)
KNOWN_FOR = timedelta(days=7)


def host_trouble(conn: Connection, as_of: datetime, unknown_sources: int | None = None) -> Mapping[str, str]:
    """MTA host to one clause that fits behind "Nothing advances, because "; no entry: nothing speaks against its signals.

    A clock that was far off and accounting that was silent count until a look sees them well again, for a week at most: a
    look that could not see them changes nothing, and a host at which nobody looked is in no trouble (the age of its
    accounting decides). `unknown_sources`: accounting rows of senders that the fleet does not have, in the last day, which are
    still no trouble (None: as config/health.yaml says). What was seen after `as_of` is not asked for, so a past day gives the same answer later.
    """
    most = shipped_health_policy().unknown_sources if unknown_sources is None else unknown_sources
    troubles = {
        **{
            host: _strangers(host, rows)
            for host, rows in strangers_by_host(conn, as_of).items()
            if rows > most
        },
        **{row.mta_host: _silent(row) for row in _last_known(conn, as_of, "accounting") if _is_bad(row)},
        **{row.mta_host: _clock(row) for row in _last_known(conn, as_of, "clock") if row.level == "critical"},
    }
    return dict(sorted(troubles.items()))


def _last_known(conn: Connection, as_of: datetime, check: str) -> list[Row]:
    looks, level = mta_health.c, mta_health.c.checks[check].as_string()
    query = (
        select(looks.mta_host, looks.checked_at, looks.clock_offset_seconds, level.label("level"))
        .ext(distinct_on(looks.mta_host))
        .where(looks.checked_at <= as_of, looks.checked_at > as_of - KNOWN_FOR, level != "unknown")
        .order_by(looks.mta_host, looks.checked_at.desc())
    )
    return list(conn.execute(query))


def _is_bad(row: Row) -> bool:
    return row.level in ("warning", "critical")


def _clock(row: Row) -> str:
    off = row.clock_offset_seconds or 0
    way = "ahead" if off > 0 else "behind"
    return f"the clock of {row.mta_host} is {abs(off):.0f} s {way}, so its accounting counts on wrong days"


def _silent(row: Row) -> str:
    return f"mail leaves {row.mta_host} and its PowerMTA closes no accounting file"


def strangers_by_host(conn: Connection, as_of: datetime) -> Mapping[str, int]:
    """Records of senders that are not in the fleet, in files that were taken and are at most a day old."""
    files = accounting_files.c
    since, until = ((as_of - STRANGERS_FOR).timestamp(), as_of.timestamp())
    query = (
        select(files.mta_host, func.sum(files.strangers))
        .where(files.status == "taken", files.modified > since, files.modified <= until)
        .group_by(files.mta_host)
    )
    return {row[0]: int(row[1]) for row in conn.execute(query)}


def _strangers(host: str, rows: int) -> str:
    return (
        f"the accounting of {host} holds {rows} records of the last day of senders that are not in the fleet"
    )
