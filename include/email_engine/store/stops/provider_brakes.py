"""Brakes of single mailbox providers follow what the judgement suspends, and tell when mail may have waited for it."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from email_engine.decision import Origin
from email_engine.store.schema import brakes
from email_engine.store.stops.brakes import WHOLE, OfTenant, ask_release, engage

MAY_WAIT = timedelta(days=5)
"""So long after its release mail still times out that had waited in a suspended queue: PowerMTA's `bounce-after` is 4d12h unless
a configuration says otherwise, and 24h to 5d in use."""


def suspended(conn: Connection) -> dict[int, frozenset[str]]:
    """Providers whose queues must stand still now, by IP id, of the IPs that the session sees."""
    c = brakes.c
    standing = select(c.ip_id, c.provider).where(
        c.provider != WHOLE, c.released_at.is_(None), c.release_asked_at.is_(None)
    )
    found: dict[int, set[str]] = defaultdict(set)
    for row in conn.execute(standing):
        found[row.ip_id].add(row.provider)
    return {ip_id: frozenset(names) for ip_id, names in found.items()}


def follow(
    conn: Connection,
    ip: OfTenant,
    before: Collection[str],
    wanted: Collection[str],
    reason: str,
    origin: Origin,
    decision_id: int,
) -> None:
    """Makes a brake for each provider that is `wanted` and was not held `before`, and asks to let the others go."""
    for provider in sorted(set(wanted) - set(before)):
        engage(conn, ip, reason, origin, decision_id, provider)
    for provider in sorted(set(before) - set(wanted)):
        ask_release(conn, ip.ip_id, origin.as_of, provider=provider)


@dataclass(frozen=True, slots=True)
class Waits:
    """When mail of an IP to a provider may have timed out because that provider was suspended."""

    spans: Mapping[tuple[int, str], tuple[tuple[datetime, datetime | None], ...]] = field(
        default_factory=dict
    )

    def cover(self, ip_id: int, provider: str, hour: datetime) -> bool:
        """Is a part of the hour that begins at `hour` within such a time?"""
        return any(
            hour + timedelta(hours=1) > first and (last is None or hour <= last)
            for first, last in self.spans.get((ip_id, provider), ())
        )


def waits(conn: Connection) -> Waits:
    """From each suspension until MAY_WAIT after its end."""
    c = brakes.c
    rows = conn.execute(select(c.ip_id, c.provider, c.engaged_at, c.released_at).where(c.provider != WHOLE))
    found: dict[tuple[int, str], list[tuple[datetime, datetime | None]]] = defaultdict(list)
    for row in rows:
        last = row.released_at + MAY_WAIT if row.released_at is not None else None
        found[row.ip_id, row.provider].append((row.engaged_at, last))
    return Waits({key: tuple(spans) for key, spans in found.items()})
