"""What the database knows about a tenant's IPs at the end of a UTC day, read for the warm-up decision."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Date, cast, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from email_engine.fleet.model import SENDING_STATES, IpRecord
from email_engine.fleet.traffic import DayCounts
from email_engine.store import quarantines
from email_engine.store import schema as s
from email_engine.store.brakes import BY_HAND, Brake, engaged
from email_engine.store.ips import load_ips
from email_engine.warmup.observation import WINDOW_DAYS, DnsHealth, IpObservation, midnight
from email_engine.warmup.plan import Quotas

Dns = dict[int, tuple[DnsHealth, tuple[str, ...]]]


def quotas(conn: Connection, tenant: str) -> Quotas:
    """The tenant's daily quota and the shares of its streams."""
    whole: int = conn.execute(select(s.tenants.c.daily_quota).where(s.tenants.c.name == tenant)).scalar_one()
    shares = select(s.streams.c.name, s.streams.c.daily_quota).where(
        s.streams.c.tenant == tenant, s.streams.c.daily_quota.is_not(None), ~s.streams.c.removed
    )
    return Quotas(whole, {row.name: int(row.daily_quota) for row in conn.execute(shares)})


def observe(
    conn: Connection,
    tenant: str,
    day: date,
    effective: date,
    dns_max_age: timedelta,
    lists_max_age: timedelta,
) -> tuple[IpObservation, ...]:
    """Every IP of the tenant at the end of the UTC `day`, in the order of `load_ips`.

    `effective`: the first day that is planned; `dns_max_age`, `lists_max_age`: what was checked earlier counts as unknown."""
    records = load_ips(conn, day=effective, tenant=tenant)
    days = _days(conn, tenant, day)
    given, standing = _allowances(conn, tenant, day), _allowances(conn, tenant, effective)
    fresh, listed, plans = _fresh_through(conn, day), _last_listed(conn, tenant), _plans(conn, tenant)
    dns = _dns(conn, tenant, midnight(day + timedelta(days=1)) - dns_max_age)
    swept = _swept(conn, tenant, midnight(day + timedelta(days=1)) - lists_max_age)
    brakes = {brake.ip_id: brake for brake in engaged(conn, tenant=tenant)}
    stopped = quarantines.standing(conn, tenant)
    unknown: tuple[DnsHealth, tuple[str, ...]] = (DnsHealth.UNKNOWN, ())
    return tuple(
        IpObservation(
            ip=ip,
            days=tuple(days[ip.ip_id]),
            given=given.get(ip.ip_id, 0),
            standing=standing.get(ip.ip_id, 0),
            fresh_through=fresh.get(ip.mta_host),
            dns=dns.get(ip.ip_id, unknown)[0],
            dns_broken=dns.get(ip.ip_id, unknown)[1],
            phase_started_on=plans[ip.ip_id].phase_started_on,
            last_stop_at=plans[ip.ip_id].last_stop_at,
            last_listed_at=listed.get(ip.ip_id),
            lists_known=ip.ip_id in swept,
            held_by=_holder(ip, brakes.get(ip.ip_id)),
            quarantined_from=stopped[ip.ip_id].stopped_in if ip.ip_id in stopped else None,
            minor_listing=ip.ip_id in stopped and stopped[ip.ip_id].minor,
        )
        for ip in records
    )


def _holder(ip: IpRecord, brake: Brake | None) -> str | None:
    """Who holds the IP's brake apart from its own pause or its parked state."""
    if brake is None or brake.release_asked_at is not None:
        return None
    expected = ip.state not in SENDING_STATES or ip.paused_until is not None
    return None if expected and brake.dag_id != BY_HAND else f"{brake.actor} ({brake.reason})"


def _days(conn: Connection, tenant: str, day: date) -> dict[int, list[DayCounts]]:
    stats = s.delivery_stats.c
    utc_day = cast(func.timezone("UTC", stats.hour), Date).label("day")
    names = ("delivered", "bounced", "deferred", "complained")
    query = (
        select(stats.ip_id, utc_day, *(func.sum(stats[name]).label(name) for name in names))
        .where(stats.tenant == tenant)
        .where(stats.hour >= midnight(day - timedelta(days=WINDOW_DAYS - 1)))
        .where(stats.hour < midnight(day + timedelta(days=1)))
        .group_by(stats.ip_id, utc_day)
        .order_by(stats.ip_id, utc_day)
    )
    found: dict[int, list[DayCounts]] = defaultdict(list)
    for row in conn.execute(query):
        found[row.ip_id].append(DayCounts(row.day, *(int(getattr(row, name)) for name in names)))
    return found


def _allowances(conn: Connection, tenant: str, day: date) -> dict[int, int]:
    rows = s.allowances.c
    query = (
        select(rows.ip_id, rows.messages)
        .ext(distinct_on(rows.ip_id))
        .where(rows.tenant == tenant, rows.provider == "*", rows.day <= day)
        .order_by(rows.ip_id, rows.day.desc())
    )
    return {row.ip_id: row.messages for row in conn.execute(query)}


def _fresh_through(conn: Connection, day: date) -> dict[str, datetime]:
    """Up to when each host's accounting of the UTC `day` is known: its newest file that was taken, or the last good look at
    its folder; but only up to the first file of the day that was refused, since what it says is unknown."""
    files, hosts = s.accounting_files.c, s.mta_hosts.c
    query = (
        select(files.mta_host, func.max(files.modified))
        .where(files.status == "taken")
        .group_by(files.mta_host)
    )
    newest = {row[0]: datetime.fromtimestamp(row[1], UTC) for row in conn.execute(query)}
    looked = select(hosts.name, hosts.accounting_checked_at).where(hosts.accounting_checked_at.is_not(None))
    for row in conn.execute(looked):
        newest[row[0]] = max(row[1], newest.get(row[0], row[1]))
    refused = (
        select(files.mta_host, func.min(files.modified))
        .where(files.status == "refused", files.modified >= int(midnight(day).timestamp()))
        .group_by(files.mta_host)
    )
    gaps = {row[0]: datetime.fromtimestamp(row[1], UTC) for row in conn.execute(refused)}
    return {name: min(at, gaps.get(name, at)) for name, at in newest.items()}


def _last_listed(conn: Connection, tenant: str) -> dict[int, datetime]:
    events = s.blacklist_events.c
    query = (
        select(events.ip_id, func.max(events.last_seen_at))
        .where(events.tenant == tenant, events["class"] != "info")
        .group_by(events.ip_id)
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def _swept(conn: Connection, tenant: str, oldest: datetime) -> frozenset[int]:
    known = (s.ips.c.tenant == tenant) & (s.ips.c.lists_checked_at >= oldest)
    return frozenset(conn.execute(select(s.ips.c.id).where(known)).scalars())


def _plans(conn: Connection, tenant: str) -> dict[int, Any]:
    plans = s.warmup_plans.c
    query = select(plans.ip_id, plans.phase_started_on, plans.last_stop_at).where(plans.tenant == tenant)
    return {row.ip_id: row for row in conn.execute(query)}


def _dns(conn: Connection, tenant: str, oldest: datetime) -> Dns:
    """What the newest run found about each IP, if it is not older than `oldest`. Only errors count, warnings do not."""
    checks = s.dns_checks.c
    newest = (
        select(checks.ip_id, func.max(checks.checked_at).label("checked_at"))
        .where(checks.tenant == tenant, checks.checked_at >= oldest)
        .group_by(checks.ip_id)
        .subquery()
    )
    query = select(checks.ip_id, checks.check_id, checks.status, checks.severity).join(
        newest, (newest.c.ip_id == checks.ip_id) & (newest.c.checked_at == checks.checked_at)
    )
    found: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in conn.execute(query):
        found[row.ip_id][row.status if row.severity == "error" else "ok"].add(row.check_id)
    health: Dns = {}
    for ip_id, by_status in found.items():
        if by_status["broken"]:
            health[ip_id] = (DnsHealth.BROKEN, tuple(sorted(by_status["broken"])))
        else:
            health[ip_id] = (DnsHealth.UNKNOWN if by_status["unknown"] else DnsHealth.OK, ())
    return health
