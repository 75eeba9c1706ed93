"""Listings and quarantines in the engine's database, for tests of what follows them."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, update

from email_engine.decision import Origin
from email_engine.fleet.model import IpState
from email_engine.store import schema as s
from email_engine.store.fleet import ips


def add_listing(
    conn: Connection, ip_id: int, at: datetime, tenant: str = "aurora", closed: datetime | None = None, **columns: Any
) -> int:  # fmt: skip
    """A listing of high severity on `zen-lab`, opened at `at`; returns its id."""
    row = {"list": "zen-lab", "zone": "zen.lab.example", "severity": "high", "class": "reputation"} | columns
    row |= {"codes": ["127.0.0.2"], "opened_at": at, "last_seen_at": at, "closed_at": closed}
    made: int = conn.execute(
        insert(s.blacklist_events)
        .values(tenant=tenant, ip_id=ip_id, **row)
        .returning(s.blacklist_events.c.id)
    ).scalar_one()
    return made


def quarantine(conn: Connection, ip_id: int, at: datetime, days: int = 7, event: str = "listed") -> None:
    """The IP is stopped at `at` for so many days."""
    until = at + timedelta(days=days)
    origin = Origin("rbl_sweep", at, "rbl_sweep", "r")
    ips.transition(conn, ip_id, event, IpState.QUARANTINE, "Listed.", origin, None, quarantine_until=until)


def close_listing(conn: Connection, listing_id: int, at: datetime) -> None:
    e = s.blacklist_events
    conn.execute(update(e).where(e.c.id == listing_id).values(closed_at=at))


def leave_fleet(conn: Connection, ip_id: int, *, gone: bool = True) -> None:
    conn.execute(update(s.ips).where(s.ips.c.id == ip_id).values(removed=gone))
