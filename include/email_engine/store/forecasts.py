"""What stands beside every IP: state, allowance, score, when it graduates and what is in its way."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from email_engine.fleet.model import IpRecord, IpState
from email_engine.store.ips import load_ips
from email_engine.store.schema import warmup_plans

CLIMBS = frozenset({IpState.WARMING, IpState.STANDBY, IpState.RESTING, IpState.QUARANTINE})


@dataclass(frozen=True, slots=True)
class Standing:
    """`score`: 0 to 100, None while unknown; `graduates_on`, `blocked_by`: as the last closed day left them, and what a brake
    or a pause says since."""

    ip: IpRecord
    score: int | None
    graduates_on: date | None
    blocked_by: str | None

    def as_json(self) -> dict[str, Any]:
        ip = self.ip
        return {
            "ip": str(ip.address), "tenant": ip.tenant, "stream": ip.stream, "vmta": ip.vmta, "state": str(ip.state),
            "schedule": ip.schedule, "phase": ip.phase, "allowance": ip.allowance, "bounds": dict(ip.bounds),
            "score": self.score, "graduates_on": self.graduates_on and self.graduates_on.isoformat(),
            "blocked_by": self.blocked_by,
        }  # fmt: skip


def standings(conn: Connection, *, day: date, tenant: str | None = None) -> tuple[Standing, ...]:
    """Every IP on the UTC `day`, in the order of `load_ips`."""
    columns = warmup_plans.c
    query = select(columns.ip_id, columns.score, columns.graduates_on, columns.blocked_by)
    plans = {row.ip_id: row for row in conn.execute(query)}
    return tuple(_standing(ip, plans[ip.ip_id]) for ip in load_ips(conn, day=day, tenant=tenant))


def _standing(ip: IpRecord, plan: Any) -> Standing:
    blocked = plan.blocked_by
    if ip.paused_until is not None:
        blocked = blocked or f"it is paused until {ip.paused_until:%Y-%m-%d}"
    elif ip.braked and ip.state is IpState.WARMING:
        blocked = blocked or "its brake is on"
    return Standing(ip, plan.score, plan.graduates_on if ip.state in CLIMBS else None, blocked)
