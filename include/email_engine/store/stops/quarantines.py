"""Why IPs are in quarantine: the state in which each was stopped, and whether it was a minor listing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import distinct_on

from email_engine.fleet.model import IpState
from email_engine.lifecycle.machine import Event
from email_engine.store import schema as s

ALONE_WITHIN = timedelta(days=30)
"""A second listing within these days, of the IP or of another in its pool, is no accident any more."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """`minor`: one listing of medium weight stopped it, the only one in its pool within 30 days, and it is closed."""

    stopped_in: IpState
    event: str
    since: datetime
    minor: bool


def standing(conn: Connection, tenant: str) -> dict[int, Quarantine]:
    """How each IP of the tenant that is in quarantine now came there, by its id."""
    h = s.ip_state_history.c
    came = (
        select(h.ip_id, h.from_status, h.event, h.as_of, s.ips.c.pool_name)
        .ext(distinct_on(h.ip_id))
        .join(s.ips, s.ips.c.id == h.ip_id)
        .where(s.ips.c.tenant == tenant, s.ips.c.status == IpState.QUARANTINE.value)
        .where(h.to_status == IpState.QUARANTINE.value, h.from_status != IpState.QUARANTINE.value)
        .order_by(h.ip_id, h.id.desc())
    )
    rows = conn.execute(came).all()
    minor = _minor(conn, {row.ip_id: row.as_of for row in rows if row.event == Event.LISTED.value})
    return {
        row.ip_id: Quarantine(IpState(row.from_status), row.event, row.as_of, row.ip_id in minor)
        for row in rows
    }


def _minor(conn: Connection, since: dict[int, datetime]) -> frozenset[int]:
    """Of the IPs that a listing stopped (id to when), those whose listing was minor."""
    if not since:
        return frozenset()
    events, mine, other = s.blacklist_events.c, s.ips.alias("mine"), s.ips.alias("other")
    in_its_pool = (
        select(mine.c.id, events.ip_id, events.severity, events.closed_at)
        .join_from(mine, other, other.c.pool_name == mine.c.pool_name)
        .join(s.blacklist_events, events.ip_id == other.c.id)
        .where(mine.c.id.in_(since), events["class"] == "reputation", events.severity.in_(("high", "medium")))
    )
    found: dict[int, list[bool]] = {ip_id: [] for ip_id in since}
    for row in conn.execute(in_its_pool):
        closed = row.closed_at is not None
        if not closed or row.closed_at >= since[row.id] - ALONE_WITHIN:
            found[row.id].append(closed and row.ip_id == row.id and row.severity == "medium")
    return frozenset(ip_id for ip_id, listings in found.items() if listings == [True])
