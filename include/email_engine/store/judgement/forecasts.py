"""What stands beside every IP: state, allowance, score, when it graduates and what is in its way."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Connection, select

from email_engine.fleet.model import SENDING_STATES, IpRecord, IpState
from email_engine.store.fleet.ips import load_ips
from email_engine.store.schema import warmup_plans
from email_engine.store.stops import provider_brakes
from email_engine.warmup.forecast import by_schedule
from email_engine.warmup.policy import Policy

CLIMBS = frozenset({IpState.WARMING, IpState.STANDBY, IpState.RESTING, IpState.QUARANTINE})


@dataclass(frozen=True, slots=True)
class Standing:
    """`score`: 0 to 100, None while unknown; `graduates_on`, `blocked_by`: as the last closed day left them, and what a
    quarantine, a pause or a brake says since. `graduates_by`: what the date comes from, `decision`, or `schedule` where no
    day was decided since the IP began to warm; None without a date. `suspended`: mailbox providers whose queues stand still for it."""

    ip: IpRecord
    score: int | None
    graduates_on: date | None
    blocked_by: str | None
    graduates_by: str | None = None
    suspended: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        ip = self.ip
        return {
            "ip": str(ip.address), "tenant": ip.tenant, "stream": ip.stream, "vmta": ip.vmta, "state": str(ip.state),
            "schedule": ip.schedule, "phase": ip.phase, "allowance": ip.allowance, "bounds": dict(ip.bounds),
            "score": self.score, "graduates_on": self.graduates_on and self.graduates_on.isoformat(),
            "blocked_by": self.blocked_by, "graduates_by": self.graduates_by,
            "paused": ip.pause is not None, "paused_until": ip.pause and ip.pause.until and ip.pause.until.isoformat(), "braked": self.ip.braked,
            "listed_on": list(self.ip.blacklisted_on), "suspended": list(self.suspended),
        }  # fmt: skip


def standings(
    conn: Connection, *, day: date, tenant: str | None = None, policy: Policy | None = None
) -> tuple[Standing, ...]:
    """Every IP on the UTC `day`, in the order of `load_ips`; with a policy also when those graduate about whom nothing was
    decided yet."""
    columns = warmup_plans.c
    query = select(columns.ip_id, columns.score, columns.graduates_on, columns.blocked_by)
    plans = {row.ip_id: row for row in conn.execute(query)}
    held = provider_brakes.suspended(conn)
    return tuple(
        replace(_standing(ip, plans[ip.ip_id], day, policy), suspended=tuple(sorted(held.get(ip.ip_id, ()))))
        for ip in load_ips(conn, day=day, tenant=tenant)
    )


def _standing(ip: IpRecord, plan: Any, day: date, policy: Policy | None) -> Standing:
    """What was foreseen when the last day closed says nothing about an IP that moved since."""
    moved = ip.state_since > datetime.combine(day, time(), UTC)
    blocked, graduates_on = (None, None) if moved else (plan.blocked_by, plan.graduates_on)
    if blocked is None:
        blocked = _stands_still(ip)
    on = graduates_on if ip.state in CLIMBS else None
    if on is None and blocked is None and policy is not None:
        on = by_schedule(ip, policy, day)
        return Standing(ip, plan.score, on, blocked, "schedule" if on else None)
    return Standing(ip, plan.score, on, blocked, "decision" if on else None)


def _stands_still(ip: IpRecord) -> str | None:
    if ip.state is IpState.QUARANTINE:
        return (
            f"it is in quarantine until {ip.quarantine_until:%Y-%m-%d}"
            if ip.quarantine_until
            else "it is in quarantine"
        )
    if ip.pause is not None:
        return f"it is paused {ip.pause.ends}"
    return "its brake is on" if ip.braked and ip.state in SENDING_STATES else None
