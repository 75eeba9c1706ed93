"""The warm-up of a domain that came to an IP which had another one: where it stands, in table `domains`."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from email_engine.fleet.model import DomainWarmup, IpState
from email_engine.store.schema import allowances, domains, ips
from email_engine.warmup.domain_warmup import begins_with_its_ip
from email_engine.warmup.observation import WINDOW_DAYS

_NONE: dict[str, Any] = {"warmup_since": None, "warmup_phase": None, "warmup_phase_started_on": None}


def keep(conn: Connection, ip_id: int, warmup: DomainWarmup | None) -> None:
    """Writes where the warm-up of the IP's domain stands; None where it has none, or where it is over."""
    columns = _NONE if warmup is None else _columns(warmup.since, warmup.phase, warmup.phase_started_on)
    over = {"replaced": None} if warmup is None else {}
    conn.execute(update(domains).where(domains.c.ip_id == ip_id).values(**columns, **over))


def changed(conn: Connection, ip_id: int, before: str, name: str, today: date) -> dict[str, Any]:
    """Columns of the domain `name` that takes the place of `before` on the UTC day `today`.

    It gets a warm-up of its own, unless nothing was ever decided about the IP (its first declaration is mended), both begin
    together (standby), or the warm domain comes back within the days that receivers remember."""
    query = select(ips.c.status, domains.c.warmup_since, domains.c.replaced).join_from(
        ips, domains, domains.c.ip_id == ips.c.id
    )
    row = conn.execute(query.where(ips.c.id == ip_id)).one()
    dealt = conn.execute(select(allowances.c.ip_id).where(allowances.c.ip_id == ip_id).limit(1)).first()
    if dealt is None or begins_with_its_ip(IpState(row.status)):
        return _NONE | {"replaced": None}
    remembered = row.warmup_since is not None and today - row.warmup_since < timedelta(days=WINDOW_DAYS)
    if row.replaced == name and remembered:
        return _NONE | {"replaced": None}
    warm = row.replaced if row.warmup_since is not None else before
    return _columns(today, 1, today + timedelta(days=1)) | {"replaced": warm}


def _columns(since: date, phase: int, started_on: date) -> dict[str, Any]:
    return {"warmup_since": since, "warmup_phase": phase, "warmup_phase_started_on": started_on}
