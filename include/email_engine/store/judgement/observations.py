"""What the database knows about a tenant's IPs at the end of a UTC day, read for the warm-up decision."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from email_engine.blocklists.config import load_blocklists
from email_engine.fleet.model import SENDING_STATES, IpRecord, IpState
from email_engine.fleet.traffic import NO_DAYS
from email_engine.reputation.named import suspicions, too_many
from email_engine.store import schema as s
from email_engine.store.accounting import refusals
from email_engine.store.accounting.day_counts import (
    days_by_provider,
    days_of_ips,
    earlier_by_provider,
    reporting_providers,
)
from email_engine.store.fleet.ips import load_ips
from email_engine.store.hosts.trouble import host_trouble
from email_engine.store.judgement.decisions import handovers_of_day
from email_engine.store.judgement.dns import dns_good_on, dns_health
from email_engine.store.judgement.opens import opens_of_ips
from email_engine.store.judgement.outages import mail_within
from email_engine.store.stops import delistings, quarantines
from email_engine.store.stops.brakes import BY_HAND, Brake, engaged
from email_engine.store.stops.named_lists import named_by_ip
from email_engine.warmup.observation import DnsHealth, IpObservation, RateStop, midnight
from email_engine.warmup.outages import NO_SPANS, Spans, down, without_outages
from email_engine.warmup.peers import peers_of
from email_engine.warmup.plan import Quotas
from email_engine.warmup.policy import Policy
from email_engine.warmup.provider_limits import UNBOUND, WHOLE


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
    policy: Policy,
    as_of: datetime | None = None,
    known_until: datetime | None = None,
    spans: Spans = NO_SPANS,
) -> tuple[IpObservation, ...]:
    """Every IP of the tenant at the end of the UTC `day`, in the order of `load_ips`.

    `effective`: the first day that is planned; `policy`: says how old a check may be. `as_of`: the end of the day by default;
    earlier, and aware, while the day still runs. `known_until`: DNS checks count up to then, `as_of` by default; what was
    found later was not known. `spans`: outages of providers (`outage_spans`), whose unknown users are not believed."""
    end = as_of or midnight(day + timedelta(days=1))
    records = load_ips(conn, day=effective, tenant=tenant)
    days = days_of_ips(conn, tenant, day)
    providers = days_by_provider(conn, tenant, day)
    earlier = earlier_by_provider(conn, tenant, day, providers)
    outages = mail_within(conn, tenant, spans)
    fair = {ip_id: without_outages(some, outages.get(ip_id, {})) for ip_id, some in days.items()}
    around = peers_of(records, fair, policy.gates)
    reporting = reporting_providers(conn, tenant, day)
    named = named_by_ip(conn, tenant, day, policy.named_lists.days, load_blocklists()[0])
    suspected = sum(bool(suspicions(those, day, policy.named_lists.days)) for those in named.values())
    many = too_many(suspected, sum(ip.state in SENDING_STATES for ip in records), policy.named_lists.many)
    given, standing = _allowances(conn, tenant, day), _allowances(conn, tenant, effective)
    fresh, listed, plans = _fresh_through(conn), _last_listed(conn, tenant), _plans(conn, tenant)
    dns = dns_health(conn, tenant, end - timedelta(hours=policy.dns_max_age_hours), known_until or end)
    good = dns_good_on(conn, tenant, end - timedelta(days=policy.clean_days + 1), known_until or end)
    swept = _swept(conn, tenant, end - timedelta(hours=policy.blocklists_max_age_hours))
    brakes = {brake.ip_id: brake for brake in engaged(conn, tenant=tenant)}
    stopped, troubles = quarantines.standing(conn, tenant), host_trouble(conn, end)
    handovers = handovers_of_day(conn, [str(ip.address) for ip in records], day)
    awaited = delistings.awaited(conn, tenant, stopped)
    opens = opens_of_ips(conn, tenant, day, policy.open_rate.days) if policy.open_rate.hold else {}
    unknown: tuple[DnsHealth, tuple[str, ...]] = (DnsHealth.UNKNOWN, ())
    return tuple(
        IpObservation(
            ip=ip,
            days=days.get(ip.ip_id, NO_DAYS),
            given=given[ip.ip_id].get(WHOLE, 0),
            standing=standing[ip.ip_id].get(WHOLE, 0),
            bounds={name: n for name, n in sorted(standing[ip.ip_id].items()) if name != WHOLE},
            fresh_through=fresh.get(ip.mta_host),
            dns=dns.get(ip.ip_id, unknown)[0],
            dns_broken=dns.get(ip.ip_id, unknown)[1],
            dns_good_on=good.get(ip.ip_id) if ip.state is IpState.STANDBY else None,
            phase_started_on=plans[ip.ip_id].phase_started_on,
            last_stop_at=plans[ip.ip_id].last_stop_at,
            last_listed_at=listed.get(ip.ip_id),
            blocklists_known=ip.ip_id in swept,
            held_by=_holder(ip, brakes.get(ip.ip_id)),
            quarantined_from=stopped[ip.ip_id].stopped_in if ip.ip_id in stopped else None,
            minor_listing=ip.ip_id in stopped and stopped[ip.ip_id].minor,
            awaited=awaited.get(ip.ip_id),
            providers=providers.get(ip.ip_id, {}),
            earlier=earlier.get(ip.ip_id, {}),
            peers=around[ip.ip_id].peers,
            domain=around[ip.ip_id].domain,
            throttle_factors=plans[ip.ip_id].paces,
            slowed_on={name: date.fromisoformat(day) for name, day in plans[ip.ip_id].slowed_on.items()},
            last_stream_stop_at=plans[ip.ip_id].last_list_stop_at,
            trouble=troubles.get(ip.mta_host),
            risen=around[ip.ip_id].risen,
            reporting=reporting,
            named=named.get(ip.ip_id, ()),
            many_named=many,
            handover=handovers.get(str(ip.address)),
            opens=opens.get(ip.ip_id),
            outages=outages.get(ip.ip_id, {}),
            down=down(spans, outages.get(ip.ip_id, {}), policy.gates.bounces.limit),
            stops=tuple(RateStop(date.fromisoformat(x["day"]), x["kind"]) for x in plans[ip.ip_id].stops),
        )
        for ip in records
    )


def _holder(ip: IpRecord, brake: Brake | None) -> str | None:
    """Who holds the IP's brake apart from its own pause or its parked state."""
    if brake is None or brake.release_asked_at is not None:
        return None
    expected = ip.state not in SENDING_STATES or ip.pause is not None
    return None if expected and brake.dag_id != BY_HAND else f"{brake.actor} ({brake.reason})"


def _allowances(conn: Connection, tenant: str, day: date) -> dict[int, dict[str, int]]:
    """By IP and provider, as last set up to the UTC day; `*` is all of it, and a bound that ended is not in it."""
    rows = s.allowances.c
    query = (
        select(rows.ip_id, rows.provider, rows.messages)
        .ext(distinct_on(rows.ip_id, rows.provider))
        .where(rows.tenant == tenant, rows.day <= day)
        .order_by(rows.ip_id, rows.provider, rows.day.desc())
    )
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for row in conn.execute(query):
        if row.messages < UNBOUND:
            found[row.ip_id][row.provider] = row.messages
    return found


def _fresh_through(conn: Connection) -> dict[str, datetime]:
    """Up to when each host's accounting is known: its newest file that was taken, or the last good look at
    its folder; but only up to where a refused file that stands begins, however long ago that was."""
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
    held = refusals.holds(conn)
    return {name: min(at, held.get(name, at)) for name, at in newest.items()}


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
    query = select(
        plans.ip_id,
        plans.phase_started_on,
        plans.last_stop_at,
        plans.last_list_stop_at,
        plans.paces,
        plans.slowed_on,
        plans.stops,
    ).where(plans.tenant == tenant)
    return {row.ip_id: row for row in conn.execute(query)}
