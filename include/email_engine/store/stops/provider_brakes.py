"""Brakes of single mailbox providers follow what the judgement suspends, and tell when mail may have waited for it."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, or_, select

from email_engine.decision import Origin
from email_engine.fleet.model import Mode
from email_engine.store.schema import brakes, tenants
from email_engine.store.stops.brakes import WHOLE, OfTenant, ask_release, engage

USUAL_AGE = timedelta(days=4, hours=12)
"""How long mail that timed out had waited where its file does not say so: PowerMTA's `bounce-after` unless a configuration says
otherwise."""
MOST = 0.5
"""Part of its time in the queue for which the queue must have stood still."""


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
    """When the queues of an IP to a provider stood still because that provider was suspended."""

    spans: Mapping[tuple[int, str], tuple[tuple[datetime, datetime | None], ...]] = field(
        default_factory=dict
    )

    def cover(self, ip_id: int, provider: str, queued: datetime | None, logged: datetime) -> bool:
        """Did they for most of the time from `queued` to `logged`?"""
        begin = queued if queued is not None and queued < logged else logged - USUAL_AGE
        held = timedelta()
        for first, last in self.spans.get((ip_id, provider), ()):
            held += max(min(last or logged, logged) - max(first, begin), timedelta())
        return held >= MOST * (logged - begin)


def waits(conn: Connection) -> Waits:
    """Of an open suspension only where the queues were seen to stand still, and the tenant acts."""
    c = brakes.c
    held = or_(c.released_at.is_not(None), and_(c.powermta_holds, tenants.c.mode == Mode.ACT.value))
    rows = conn.execute(
        select(c.ip_id, c.provider, c.engaged_at, c.released_at)
        .join_from(brakes, tenants, tenants.c.name == c.tenant)
        .where(c.provider != WHOLE, held)
    )
    found: dict[tuple[int, str], list[tuple[datetime, datetime | None]]] = defaultdict(list)
    for row in rows:
        found[row.ip_id, row.provider].append((row.engaged_at, row.released_at))
    return Waits({key: tuple(spans) for key, spans in found.items()})
