"""IPs that move to another MTA host: they stay at the old one until it sends from them no more, so that never two hosts do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from email_engine.decision import Origin
from email_engine.errors import GuardBreach
from email_engine.fleet.model import Mode, SendingIp
from email_engine.store.schema import brakes, deployments, ip_state_history, ips, mta_hosts, tenants

STAYS: dict[str, Any] = {"moving_to": None, "moving_bind": None, "moving_since": None}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an IP is, and where it goes (None: it stays). `bind`: what PowerMTA binds there, where that is another address."""

    host: str
    bind: str | None
    vmta: str
    moving_to: str | None
    moving_since: datetime | None


@dataclass(frozen=True, slots=True)
class Moving:
    """An IP that moves, of a tenant in `act`."""

    ip_id: int
    tenant: str
    address: str
    vmta: str
    mta_host: str
    moving_to: str
    moving_since: datetime


def places(conn: Connection) -> dict[str, Place]:
    """By address, of every IP of the fleet."""
    c = ips.c
    rows = conn.execute(
        select(c.address, c.mta_host, c.bind_address, c.vmta_name, c.moving_to, c.moving_since).where(
            ~c.removed
        )
    )
    return {
        _text(row.address): Place(
            row.mta_host,
            _text(row.bind_address) if row.bind_address else None,
            row.vmta_name,
            row.moving_to,
            row.moving_since,
        )
        for row in rows
    }


def columns(conn: Connection, ip: SendingIp, place: Place, as_of: datetime) -> dict[str, Any]:
    """Columns of table `ips` by which the IP comes to the host that the fleet file wants.

    It moves at once where the engine never deployed anything to the old host, or its tenant is in `observe`: there the engine stops nothing.
    Raises GuardBreach if its virtual MTA is renamed while it moves: the old host knows it by the old name."""
    if ip.mta_host == place.host or not _governed(conn, ip.tenant, place.host):
        return dict(STAYS)
    if ip.vmta != place.vmta:
        raise GuardBreach(
            f"IP {ip.address}", f"moves from {place.host} to {ip.mta_host} and its virtual MTA {place.vmta} becomes {ip.vmta}",
            "one of both at once", "move it under its name, and rename it when it is there",
        )  # fmt: skip
    since = place.moving_since if place.moving_to == ip.mta_host else as_of
    return {
        "mta_host": place.host,
        "bind_address": place.bind,
        "moving_to": ip.mta_host,
        "moving_bind": str(ip.bind_address) if ip.bind_address else None,
        "moving_since": since,
    }


def returning(conn: Connection, ip: SendingIp, ip_id: int, as_of: datetime) -> dict[str, Any]:
    """The same for an IP that left the fleet file and is back, perhaps on another host: its old one may still have its virtual MTA.

    Raises GuardBreach where the old host left the fleet and the IP's brake still stands: nobody saw that it sends no more."""
    c = ips.c
    row = conn.execute(
        select(ips, mta_hosts.c.removed.label("host_removed"))
        .join(mta_hosts, mta_hosts.c.name == c.mta_host)
        .where(c.id == ip_id)
    ).one()
    if row.mta_host == ip.mta_host:
        return dict(STAYS)
    if not row.host_removed:
        bind = _text(row.bind_address) if row.bind_address else None
        return columns(conn, ip, Place(row.mta_host, bind, ip.vmta, None, None), as_of)
    standing = select(brakes.c.id).where(brakes.c.ip_id == ip_id, brakes.c.released_at.is_(None))
    if conn.execute(standing).first() is not None:
        raise GuardBreach(
            f"IP {ip.address}", f"comes back on {ip.mta_host} while its stop on {row.mta_host}, which left the fleet, still stands",
            "an IP that its old host was seen to be without", f"put {row.mta_host} back until its stop ended, or leave the IP out",
        )  # fmt: skip
    return dict(STAYS)


def _governed(conn: Connection, tenant: str, host: str) -> bool:
    mode: str = conn.execute(select(tenants.c.mode).where(tenants.c.name == tenant)).scalar_one()
    ever = select(deployments.c.id).where(deployments.c.mta_host == host).limit(1)
    return mode == Mode.ACT.value and conn.execute(ever).first() is not None


def require_hosts(conn: Connection) -> None:
    """Raises GuardBreach where a host left the fleet file that IPs still are on."""
    query = (
        select(ips.c.mta_host, ips.c.address)
        .join_from(ips, mta_hosts, mta_hosts.c.name == ips.c.mta_host)
        .where(~ips.c.removed, mta_hosts.c.removed)
        .order_by(ips.c.id)
    )
    rows = conn.execute(query).all()
    if rows:
        host = rows[0].mta_host
        count = sum(row.mta_host == host for row in rows)
        raise GuardBreach(
            f"MTA host {host}", f"would leave the fleet file while {count} IPs still move away from it, {_text(rows[0].address)} first",
            "a host that carries no IP any more",
            "keep it in mta_hosts until they are gone; if it is off for good, `email-engine fleet host-is-off` first",
        )  # fmt: skip


def moving(conn: Connection, host: str | None = None) -> tuple[Moving, ...]:
    """Every IP that moves (from `host`), oldest first."""
    c = ips.c
    query = (
        select(c.id.label("ip_id"), c.tenant, c.address, c.vmta_name.label("vmta"), c.mta_host, c.moving_to, c.moving_since)
        .join_from(ips, tenants, tenants.c.name == c.tenant)
        .where(~c.removed, c.moving_to.is_not(None), tenants.c.mode == Mode.ACT.value)
        .order_by(c.id)
    )  # fmt: skip
    if host is not None:
        query = query.where(c.mta_host == host)
    return tuple(
        Moving(**{**row, "address": _text(row["address"])}) for row in conn.execute(query).mappings()
    )


def arrive(conn: Connection, ip_id: int, reason: str, origin: Origin) -> bool:
    """The IP is at its new host from now on, with a row in its history; false if it moves no more, or if another IP that still goes has its bind
    address there."""
    c = ips.c
    row = conn.execute(
        select(ips).where(c.id == ip_id, c.moving_to.is_not(None)).with_for_update(key_share=True)
    ).one_or_none()
    if row is None:
        return False
    taken = select(c.id).where(
        c.mta_host == row.moving_to, c.bind_address == row.moving_bind, c.id != ip_id, ~c.removed
    )
    if row.moving_bind is not None and conn.execute(taken).first() is not None:
        return False
    conn.execute(
        update(ips).where(c.id == ip_id).values(mta_host=row.moving_to, bind_address=row.moving_bind, **STAYS)
    )
    conn.execute(
        insert(ip_state_history).values(
            tenant=row.tenant, ip_id=ip_id, from_status=row.status, to_status=row.status, event="moved", reason=reason,
            actor=origin.actor, as_of=origin.as_of, dag_id=origin.dag_id, run_id=origin.run_id,
        )
    )  # fmt: skip
    return True


def _text(address: Any) -> str:
    return str(address).partition("/")[0]
