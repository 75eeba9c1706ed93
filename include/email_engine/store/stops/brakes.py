"""The brake as the database knows it: an IP whose queue must stand still and whose delivery server must be off.

A brake of one mailbox provider (`provider`, else `*`) makes only that provider's queues stand still; it is made and let go by
what the judgement suspends (provider_brakes.py), never by hand, and counts nowhere as a stop of the IP."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from email_engine.decision import Origin
from email_engine.fleet.model import SENDING_STATES, IpAddress, Mode
from email_engine.store.schema import brakes, ips, mailwizz_instances, mta_hosts, tenants

_ADDRESSES = ("address", "bind_address", "successor_binds")
BY_HAND = "emergency_stop"
"""The DAG by which people brake; only people release such a brake."""
WHOLE = "*"
"""The `provider` of a brake of all of an IP's mail."""
_OF_IP = brakes.c.provider == WHOLE


@dataclass(frozen=True, slots=True)
class Brake:
    """An engaged brake. `powermta_holds`, `mailwizz_holds`: was each side seen to stand still?

    `release_asked_at` is set when nothing speaks for holding any longer; the brake ends when both sides run again.
    `provider`: whose queues alone stand still, `*` for the IP. `connection`, `config_file`, `mailwizz_connection`: of host and MailWizz, also where they left the fleet
    (`host_removed`). `removed`: the IP left the fleet file; then `successor` is the address that has its virtual MTA on the
    host now, `server_successor` the one that has its delivery server, None where nobody has; `successor_binds`: what PowerMTA
    binds for the successor."""

    brake_id: int
    tenant: str
    ip_id: int
    address: IpAddress
    vmta: str
    mta_host: str
    mailwizz: str
    mailwizz_server_id: int | None
    reason: str
    actor: str
    dag_id: str | None
    engaged_at: datetime
    powermta_holds: bool
    mailwizz_holds: bool
    checked_at: datetime | None
    release_asked_at: datetime | None
    server_learned: bool = False
    provider: str = WHOLE
    mode: Mode = Mode.ACT
    connection: str = ""
    config_file: str = ""
    mailwizz_connection: str = ""
    host_removed: bool = False
    removed: bool = False
    successor: str | None = None
    successor_sends: bool = False
    server_successor: str | None = None
    bind_address: IpAddress | None = None
    successor_binds: IpAddress | None = None
    moving_to: str | None = None
    """The MTA host that the IP goes to when `mta_host` sends from it no more."""

    @property
    def local_address(self) -> IpAddress:
        """What PowerMTA binds, by which it knows the source."""
        return self.bind_address or self.address

    @property
    def whole(self) -> bool:
        """Does it hold all of the IP's mail?"""
        return self.provider == WHOLE

    @property
    def lets_go(self) -> bool:
        """What it held may go: a release was asked, or a provider's brake is of an IP that is no more."""
        return self.release_asked_at is not None or (self.removed and not self.whole)

    @property
    def name(self) -> str:
        """For people: `198.51.100.1 (aurora-1)`, with the provider where it holds that one alone."""
        return f"{self.address} ({self.vmta})" + ("" if self.whole else f" to {self.provider}")


class OfTenant(Protocol):
    """An IP, in the fleet or not."""

    @property
    def ip_id(self) -> int: ...
    @property
    def tenant(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Confirmed:
    """`was_held`: both sides were seen to hold before already, by whomever; `release_asked`: it is to let go."""

    was_held: bool
    release_asked: bool


def free(conn: Connection, ip_ids: Sequence[int]) -> frozenset[int]:
    """Those IPs that a brake can be written for at once: whose rows nobody else holds. Waits for none of them, and keeps them."""
    own = (
        select(ips.c.id)
        .where(ips.c.id.in_(ip_ids))
        .with_for_update(key_share=True, read=True, skip_locked=True)
    )
    mine: set[int] = set(conn.execute(own).scalars())
    standing = select(brakes.c.ip_id).where(
        brakes.c.ip_id.in_(ip_ids), _OF_IP, brakes.c.released_at.is_(None)
    )
    braked: set[int] = set(conn.execute(standing).scalars())
    held: set[int] = set(conn.execute(standing.with_for_update(skip_locked=True)).scalars())
    return frozenset(mine - (braked - held))


def engage(
    conn: Connection,
    ip: OfTenant,
    reason: str,
    origin: Origin,
    decision_id: int | None,
    provider: str = WHOLE,
) -> int:
    """The id of the IP's engaged brake (or that of its mail to one provider), made if there is none; a release that was asked for is called off.

    A pipeline's brake belongs to whoever engaged it last: a move that is taken back lets nobody go who was stopped meanwhile. A person's
    stays a person's."""
    values: dict[str, Any] = {
        "reason": reason,
        "actor": origin.actor,
        "decision_id": decision_id,
        "dag_id": origin.dag_id,
        "run_id": origin.run_id,
    }
    made = conn.execute(
        insert(brakes)
        .values(tenant=ip.tenant, ip_id=ip.ip_id, provider=provider, engaged_at=origin.as_of, **values)
        .on_conflict_do_nothing(
            index_elements=["ip_id", "provider"], index_where=brakes.c.released_at.is_(None)
        )
        .returning(brakes.c.id)
    ).scalar_one_or_none()
    if made is not None:
        return int(made)
    standing = (brakes.c.ip_id == ip.ip_id) & (brakes.c.provider == provider) & brakes.c.released_at.is_(None)
    held = conn.execute(select(brakes).where(standing).with_for_update()).one()
    if held.release_asked_at is not None:
        called_off = {"release_asked_at": None, "powermta_holds": False, "mailwizz_holds": False}
        conn.execute(update(brakes).where(standing).values(**values, **called_off))
    elif held.dag_id != BY_HAND:
        conn.execute(update(brakes).where(standing).values(**values))
    return int(held.id)


def confirm(
    conn: Connection,
    brake_id: int,
    powermta_holds: bool | None,
    mailwizz_holds: bool | None,
    message: str | None,
    checked_at: datetime,
) -> Confirmed | None:
    """What was read back from both sides; None leaves that side's last reading. None if the brake ended meanwhile."""
    seen = {"powermta_holds": powermta_holds, "mailwizz_holds": mailwizz_holds}
    known = {name: value for name, value in seen.items() if value is not None}
    standing = (brakes.c.id == brake_id) & brakes.c.released_at.is_(None)
    row = (brakes.c.powermta_holds, brakes.c.mailwizz_holds, brakes.c.release_asked_at)
    held = select(*row).where(standing).with_for_update()
    before = conn.execute(held).one_or_none()
    if before is None:
        return None
    conn.execute(update(brakes).where(standing).values(message=message, checked_at=checked_at, **known))
    was_held = bool(before.powermta_holds and before.mailwizz_holds)
    return Confirmed(was_held, before.release_asked_at is not None)


def engaged(
    conn: Connection, mta_host: str | None = None, tenant: str | None = None, *, providers: bool = False
) -> tuple[Brake, ...]:
    """Brakes that are not released, oldest first; those of IPs that left the fleet too. `providers`: those of single
    providers as well."""
    query = _query().where(brakes.c.released_at.is_(None)).order_by(brakes.c.id)
    if not providers:
        query = query.where(_OF_IP)
    if mta_host is not None:
        query = query.where(ips.c.mta_host == mta_host)
    if tenant is not None:
        query = query.where(brakes.c.tenant == tenant)
    rows = conn.execute(query).mappings()
    return tuple(_brake(dict(row)) for row in rows)


def _brake(row: dict[str, Any]) -> Brake:
    row |= {name: ip_address(str(row[name])) for name in _ADDRESSES if row[name] is not None}
    return Brake(**row | {"mode": Mode(row["mode"])})


def _query() -> Select[Any]:
    other = ips.alias("other")
    sends = other.c.status.in_([state.value for state in SENDING_STATES])
    held_too = brakes.alias("held_too")

    def successor(column: Any, *same: ColumnElement[bool]) -> Any:
        there = (ips.c.removed, other.c.removed.is_(False), other.c.id != ips.c.id)
        return select(column).where(*there, *same).limit(1).scalar_subquery()

    same_vmta = (other.c.vmta_name == ips.c.vmta_name, other.c.mta_host == ips.c.mta_host)
    learns_it = and_(other.c.mailwizz_server_id.is_(None), other.c.vmta_name == ips.c.vmta_name)
    same_server = (
        other.c.mailwizz == ips.c.mailwizz,
        or_(other.c.mailwizz_server_id == ips.c.mailwizz_server_id, learns_it),
    )
    standing = (
        held_too.c.ip_id == other.c.id,
        held_too.c.provider == WHOLE,
        held_too.c.released_at.is_(None),
    )
    braked = select(held_too.c.id).where(*standing).exists()
    return (
        select(
            brakes.c.id.label("brake_id"), brakes.c.tenant, brakes.c.ip_id, ips.c.address, ips.c.bind_address, ips.c.vmta_name.label("vmta"),
            ips.c.mta_host, ips.c.mailwizz, ips.c.mailwizz_server_id, ips.c.server_learned, brakes.c.reason, brakes.c.actor, brakes.c.dag_id,
            brakes.c.engaged_at, brakes.c.powermta_holds, brakes.c.mailwizz_holds, brakes.c.checked_at,
            brakes.c.release_asked_at, brakes.c.provider, tenants.c.mode, mta_hosts.c.connection, mta_hosts.c.config_file,
            mailwizz_instances.c.db_connection.label("mailwizz_connection"),
            mta_hosts.c.removed.label("host_removed"), ips.c.removed, ips.c.moving_to,
            successor(func.host(other.c.address), *same_vmta).label("successor"),
            successor(func.host(func.coalesce(other.c.bind_address, other.c.address)), *same_vmta).label("successor_binds"),
            func.coalesce(successor(and_(sends, ~braked), *same_vmta), False).label("successor_sends"),
            successor(func.host(other.c.address), *same_server).label("server_successor"),
        )
        .join_from(brakes, ips, ips.c.id == brakes.c.ip_id)
        .join(tenants, tenants.c.name == brakes.c.tenant)
        .join(mta_hosts, mta_hosts.c.name == ips.c.mta_host)
        .join(mailwizz_instances, mailwizz_instances.c.name == ips.c.mailwizz)
    )  # fmt: skip


def vmta_of_others(conn: Connection, brake: Brake) -> bool:
    """Has another IP of the fleet a virtual MTA of this name behind the same MailWizz?"""
    same = (ips.c.id != brake.ip_id, ~ips.c.removed, ips.c.mailwizz == brake.mailwizz)
    name = func.lower(ips.c.vmta_name) == brake.vmta.lower()
    return conn.execute(select(ips.c.id).where(*same, name).limit(1)).first() is not None


def standing(conn: Connection, ip_ids: Collection[int]) -> frozenset[int]:
    """Which of these IPs have a brake that is not released."""
    if not ip_ids:
        return frozenset()
    c = brakes.c
    query = select(c.ip_id).where(c.ip_id.in_(ip_ids), _OF_IP, c.released_at.is_(None))
    return frozenset(conn.execute(query).scalars())


def ask_release(
    conn: Connection, ip_id: int, at: datetime, *, by_hand: bool = False, provider: str = WHOLE
) -> bool:
    """Asks to let the IP go; false if it has no brake, or one that a person engaged and `by_hand` is not set.

    The time of the first asking stays."""
    standing = (brakes.c.ip_id == ip_id) & (brakes.c.provider == provider) & brakes.c.released_at.is_(None)
    if not by_hand:
        standing &= func.coalesce(brakes.c.dag_id, "") != BY_HAND
    asked = (
        update(brakes).where(standing).values(release_asked_at=func.coalesce(brakes.c.release_asked_at, at))
    )
    return conn.execute(asked.returning(brakes.c.id)).first() is not None
