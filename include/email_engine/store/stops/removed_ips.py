"""IPs that left the fleet file while they were sending."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from sqlalchemy import Connection, and_, func, or_, select

from email_engine.fleet.model import SENDING_STATES, IpAddress, IpState, Mode
from email_engine.store.schema import brakes, ip_state_history, ips, tenants


@dataclass(frozen=True, slots=True)
class RemovedIp:
    """An IP that left the fleet file while it was sending, and whose mail nobody has stopped since."""

    ip_id: int
    tenant: str
    address: IpAddress
    vmta: str
    mta_host: str
    stream: str
    state: IpState
    left_at: datetime


def removed_ips(conn: Connection, *, also_stopped: bool = False) -> tuple[RemovedIp, ...]:
    """IPs of tenants in `act` that left the fleet file while they were sending and that no brake holds since: their mail
    must stop at once, for no deployment does it without a person. `also_stopped`: those too that were stopped, and perhaps let
    go again by hand so that their queue drains."""
    left = (
        select(ip_state_history.c.ip_id, func.max(ip_state_history.c.id).label("entry"))
        .where(ip_state_history.c.event == "removed")
        .group_by(ip_state_history.c.ip_id)
        .subquery()
    )
    h = ip_state_history.c
    stopped = or_(
        and_(
            brakes.c.released_at.is_(None),
            or_(brakes.c.release_asked_at.is_(None), brakes.c.release_asked_at >= h.as_of),
        ),
        brakes.c.released_at >= h.recorded_at,
    )
    query = (
        select(ips.c.id.label("ip_id"), ips.c.tenant, ips.c.address, ips.c.vmta_name.label("vmta"), ips.c.mta_host, ips.c.stream,
               ips.c.status.label("state"), h.as_of.label("left_at"))
        .join(left, left.c.ip_id == ips.c.id)
        .join(ip_state_history, h.id == left.c.entry)
        .join(tenants, tenants.c.name == ips.c.tenant)
        .where(
            ips.c.removed, tenants.c.mode == Mode.ACT.value,
            ips.c.status.in_([state.value for state in SENDING_STATES]),
        )
        .order_by(ips.c.id)
    )  # fmt: skip
    if not also_stopped:
        query = query.where(
            ~select(brakes.c.id).where(brakes.c.ip_id == ips.c.id, brakes.c.provider == "*", stopped).exists()
        )
    return tuple(
        RemovedIp(**{**row, "address": ip_address(str(row["address"])), "state": IpState(row["state"])})
        for row in conn.execute(query).mappings()
    )
