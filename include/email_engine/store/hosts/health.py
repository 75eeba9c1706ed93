"""Tables `mta_health` and `mta_queues`: what was seen of an MTA host, and what ages of queues are reckoned from.

Run it under tenant `*`. A look that is older than the newest one known is dropped (a run that was cleared)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from email_engine.health.queue_ages import Departures, Key, Look, QueueGroup
from email_engine.store.schema import (
    accounting_files,
    delivery_stats,
    deployments,
    ips,
    mta_health,
    mta_queues,
)

CLOCK_KNOWN_FOR = timedelta(days=1)


def deployed_at(conn: Connection, mta_host: str) -> datetime | None:
    """When a deployment last left PowerMTA with a configuration that it had loaded well."""
    rows = deployments.c
    reloaded = rows.status.in_(("verified", "rolled_back"))
    found: datetime | None = conn.execute(
        select(func.max(rows.finished_at)).where(rows.mta_host == mta_host, reloaded)
    ).scalar_one()
    return found


def clock_offset(conn: Connection, mta_host: str, as_of: datetime) -> timedelta:
    """How far the host's clock was ahead of ours when that was last seen, within a day; none where nobody saw it."""
    looks = mta_health.c
    query = (
        select(looks.clock_offset_seconds)
        .where(looks.mta_host == mta_host, looks.clock_offset_seconds.is_not(None))
        .where(looks.checked_at > as_of - CLOCK_KNOWN_FOR)
        .order_by(looks.checked_at.desc())
        .limit(1)
    )
    return timedelta(seconds=conn.execute(query).scalar() or 0)


def earlier_looks(conn: Connection, mta_host: str) -> Mapping[Key, tuple[Look, ...]]:
    """What earlier looks at the queues leave to remember, oldest first."""
    rows = mta_queues.c
    query = select(rows.vmta, rows.provider, rows.looks).where(rows.mta_host == mta_host)
    return {
        (row.vmta, row.provider): tuple(
            Look(datetime.fromisoformat(at), n, left) for at, n, left in row.looks
        )
        for row in conn.execute(query)
    }


def departures(conn: Connection, mta_host: str, since: datetime | None) -> Departures:
    """What left by accounting, from the hour of `since` on (None: nothing is asked for)."""
    if since is None:
        return Departures()
    files, stats = accounting_files.c, delivery_stats.c
    newest = select(func.max(files.modified)).where(files.mta_host == mta_host, files.status == "taken")
    seconds: int | None = conn.execute(newest).scalar_one()
    if seconds is None:
        return Departures()
    here = (ips.c.mta_host == mta_host) & ips.c.removed.is_(False)
    query = (
        select(ips.c.vmta_name, stats.provider, stats.hour, (stats.delivered + stats.bounced).label("gone"))
        .join(ips, ips.c.id == stats.ip_id)
        .where(here, stats.hour >= since.replace(minute=0, second=0, microsecond=0))
    )
    found: dict[str, dict[str, dict[datetime, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in conn.execute(query):
        found[row.vmta_name][row.provider][row.hour] = row.gone
    vmtas: frozenset[str] = frozenset(conn.execute(select(ips.c.vmta_name).where(here)).scalars())
    return Departures(datetime.fromtimestamp(seconds, UTC), vmtas, found)


def waiting(
    conn: Connection, mta_host: str, vmtas: Iterable[str]
) -> tuple[datetime | None, Mapping[str, int]]:
    """When the host's queues were last seen (None: never), and the recipients that waited then in these virtual MTAs."""
    looks, rows = mta_health.c, mta_queues.c
    seen = looks.recipients.is_not(None)
    at: datetime | None = conn.execute(
        select(func.max(looks.checked_at)).where(looks.mta_host == mta_host, seen)
    ).scalar_one()
    found: dict[str, int] = dict.fromkeys(vmtas, 0)
    query = (
        select(rows.vmta, func.sum(rows.recipients).label("waiting"))
        .where(rows.mta_host == mta_host, rows.vmta.in_(list(found)))
        .group_by(rows.vmta)
    )
    found |= {row.vmta: int(row.waiting) for row in conn.execute(query)}
    return at, found


def save_look(conn: Connection, mta_host: str, at: datetime, kept: timedelta, **columns: Any) -> bool:
    """One row of `mta_health`, again for the same time; rows older than `kept` go. False: a newer look is known."""
    looks = mta_health.c
    newest = select(func.max(looks.checked_at)).where(looks.mta_host == mta_host)
    known: datetime | None = conn.execute(newest).scalar_one()
    if known is not None and known > at:
        return False
    conn.execute(
        insert(mta_health)
        .values(mta_host=mta_host, checked_at=at, **columns)
        .on_conflict_do_update(index_elements=["mta_host", "checked_at"], set_=columns)
    )
    conn.execute(delete(mta_health).where(looks.mta_host == mta_host, looks.checked_at < at - kept))
    return True


def save_queues(conn: Connection, mta_host: str, at: datetime, groups: Iterable[QueueGroup]) -> None:
    """The queues as they stand now, in place of those of the last look."""
    conn.execute(delete(mta_queues).where(mta_queues.c.mta_host == mta_host))
    rows = [
        {
            "mta_host": mta_host,
            "vmta": group.vmta,
            "provider": group.provider,
            "checked_at": at,
            "queues": group.queues,
            "recipients": group.recipients,
            "paused": group.paused,
            "backoff": group.backoff,
            "waiting_since": group.waiting_since,
            "looks": [[look.at.isoformat(), look.recipients, look.left] for look in group.looks],
        }
        for group in groups
    ]
    if rows:
        conn.execute(insert(mta_queues), rows)
