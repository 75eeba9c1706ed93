"""What the runs of dns_validate say about each IP."""

from collections import defaultdict
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from email_engine.store import schema as s
from email_engine.warmup.observation import DnsHealth

Health = tuple[DnsHealth, tuple[str, ...]]


class DnsGroup(NamedTuple):
    """Check ids of one group (spf, ptr ...) in one run."""

    broken: list[str]
    unknown: list[str]


DnsRun = dict[str, DnsGroup]


def dns_health(conn: Connection, tenant: str, oldest: datetime, latest: datetime) -> dict[int, Health]:
    """What the runs from `oldest` to `latest` found about each IP, with the ids of broken checks. Only errors count, not warnings.

    The newest run says which groups of checks there are; where it got no answer about one, the group's last answer stands: silence
    mends nothing, and one silent morning stops nobody. An answer that `domains` does not hold any more (the IP has another domain,
    host name or key since) does not stand."""
    kept = _verdicts(conn, tenant)
    return {
        ip_id: _health(runs, kept.get(ip_id, {}))
        for ip_id, runs in _runs(conn, tenant, oldest, latest).items()
    }


def dns_good_on(conn: Connection, tenant: str, oldest: datetime, latest: datetime) -> dict[int, date]:
    """By `ip_id`, the UTC day since which its DNS is good, of runs from `oldest` to `latest`: of the first run whose every answer was good,
    behind the last that found something broken. IPs without one are left out. Only errors count, not warnings; a run that got no answer
    is not good, and breaks nothing."""
    checks = s.dns_checks.c
    here = (checks.tenant == tenant, checks.severity == "error", checks.checked_at.between(oldest, latest))
    found = select(
        checks.ip_id,
        checks.checked_at.label("at"),
        func.bool_and(checks.status == "ok").label("good"),
        func.bool_or(checks.status == "broken").label("broken"),
    )
    runs = found.where(*here).group_by(checks.ip_id, checks.checked_at).subquery()
    broken = (
        select(runs.c.ip_id, func.max(runs.c.at).label("at"))
        .where(runs.c.broken)
        .group_by(runs.c.ip_id)
        .subquery()
    )
    query = (
        select(runs.c.ip_id, func.min(runs.c.at).label("at"))
        .outerjoin(broken, broken.c.ip_id == runs.c.ip_id)
        .where(runs.c.good, broken.c.at.is_(None) | (runs.c.at > broken.c.at))
        .group_by(runs.c.ip_id)
    )
    return {row.ip_id: row.at.astimezone(UTC).date() for row in conn.execute(query)}


def _runs(conn: Connection, tenant: str, oldest: datetime, latest: datetime) -> dict[int, list[DnsRun]]:
    """By IP, the newest first."""
    checks = s.dns_checks.c
    query = (
        select(checks.ip_id, checks.checked_at, checks.check_id, checks.status, checks.severity)
        .where(checks.tenant == tenant, checks.checked_at.between(oldest, latest))
        .order_by(checks.checked_at.desc())
    )
    runs: dict[int, dict[datetime, DnsRun]] = defaultdict(dict)
    for row in conn.execute(query):
        of_run = runs[row.ip_id].setdefault(row.checked_at, {})
        group = of_run.setdefault(row.check_id.partition(".")[0], DnsGroup([], []))
        if row.severity == "error" and row.status != "ok":
            (group.broken if row.status == "broken" else group.unknown).append(row.check_id)
    return {ip_id: list(of_ip.values()) for ip_id, of_ip in runs.items()}


def _verdicts(conn: Connection, tenant: str) -> dict[int, dict[str, bool | None]]:
    rows = conn.execute(select(s.domains).where(s.domains.c.tenant == tenant))
    groups = ("spf", "dkim", "dmarc", "ptr", "mx")
    return {row.ip_id: {group: getattr(row, f"{group}_valid") for group in groups} for row in rows}


def _health(runs: list[DnsRun], kept: dict[str, bool | None]) -> Health:
    broken: list[str] = []
    unknown = False
    for name, newest in runs[0].items():
        answered: Any = newest
        if newest.unknown and not newest.broken:
            earlier = (
                run[name] for run in runs[1:] if name in run and (run[name].broken or not run[name].unknown)
            )
            answered = next(earlier, None) if kept.get(name) is not None else None
        broken += answered.broken if answered else []
        unknown |= answered is None
    if broken:
        return DnsHealth.BROKEN, tuple(sorted(set(broken)))
    return (DnsHealth.UNKNOWN if unknown else DnsHealth.OK), ()
