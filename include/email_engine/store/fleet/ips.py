"""Sending IPs in the database: reading them as records, changing state, plan and allowance."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from ipaddress import ip_address
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from email_engine.decision import Origin
from email_engine.dkim.stages import KeyStage
from email_engine.errors import InputError
from email_engine.fleet.key_files import key_file
from email_engine.fleet.model import (
    SENDING_STATES,
    DomainWarmup,
    IpAddress,
    IpRecord,
    IpState,
    Mode,
    Pause,
    RiskClass,
)
from email_engine.lifecycle.machine import Event, next_state
from email_engine.store.schema import (
    allowances,
    brakes,
    dkim_keys,
    domains,
    ip_state_history,
    ips,
    mailwizz_instances,
    streams,
    tenants,
    warmup_plans,
)

SIGNS = and_(
    dkim_keys.c.domain == domains.c.name,
    dkim_keys.c.tenant == domains.c.tenant,
    dkim_keys.c.stage == KeyStage.SIGNING.value,
)
SELECTOR = func.coalesce(dkim_keys.c.selector, domains.c.dkim_selector).label("dkim_selector")
KEY_PATH = func.coalesce(dkim_keys.c.key_path, domains.c.dkim_key_path).label("dkim_key_path")
"""The key that signs: the fleet file's own until its domain has one in table dkim_keys."""


def _query(day: date) -> Select[Any]:
    newest = (
        select(allowances.c.messages)
        .where(allowances.c.ip_id == ips.c.id, allowances.c.provider == "*", allowances.c.day <= day)
        .order_by(allowances.c.day.desc())
        .limit(1)
        .scalar_subquery()
    )
    braked = (
        select(literal(1))
        .where(brakes.c.ip_id == ips.c.id, brakes.c.provider == "*", brakes.c.released_at.is_(None))
        .correlate(ips)
        .exists()
    )
    return (
        select(
            ips.c.id.label("ip_id"), ips.c.address, ips.c.bind_address, ips.c.hostname, domains.c.name.label("domain"), ips.c.tenant,
            tenants.c.mode, ips.c.stream, streams.c.risk_class, ips.c.vmta_name, ips.c.pool_name, ips.c.mta_host,
            ips.c.mailwizz, ips.c.mailwizz_server_id, ips.c.server_learned, SELECTOR, KEY_PATH, ips.c.status,
            ips.c.status_since, ips.c.quarantine_until, ips.c.blacklisted_on, domains.c.listed_on,
            ips.c.moving_to, domains.c.warmup_since, domains.c.warmup_phase, domains.c.warmup_phase_started_on, warmup_plans.c.target_daily_quota,
            warmup_plans.c.schedule, warmup_plans.c.phase, warmup_plans.c.sent_days_in_phase, warmup_plans.c.paused,
            warmup_plans.c.pause_until, warmup_plans.c.warmed_to, mailwizz_instances.c.addresses, newest.label("messages"), braked.label("braked"),
        )
        .join_from(ips, tenants, tenants.c.name == ips.c.tenant)
        .join(streams, and_(streams.c.tenant == ips.c.tenant, streams.c.name == ips.c.stream))
        .join(domains, domains.c.ip_id == ips.c.id)
        .outerjoin(dkim_keys, SIGNS)
        .join(warmup_plans, warmup_plans.c.ip_id == ips.c.id)
        .join(mailwizz_instances, mailwizz_instances.c.name == ips.c.mailwizz)
        .where(ips.c.removed.is_(False))
        .order_by(ips.c.id)
    )  # fmt: skip


def _record(row: Row[Any], bounds: Mapping[str, int]) -> IpRecord:
    state = IpState(row.status)
    may_send = state in SENDING_STATES and not row.paused and not row.braked
    allowance = (row.messages or 0) if may_send else 0
    return IpRecord(
        ip_id=row.ip_id,
        address=_address(row.address),
        bind_address=_address(row.bind_address) if row.bind_address else None,
        hostname=row.hostname,
        domain=row.domain,
        tenant=row.tenant,
        mode=Mode(row.mode),
        stream=row.stream,
        risk_class=RiskClass(row.risk_class),
        vmta=row.vmta_name,
        pool=row.pool_name,
        mta_host=row.mta_host,
        moving_to=row.moving_to,
        mailwizz=row.mailwizz,
        mailwizz_server_id=row.mailwizz_server_id,
        server_learned=row.server_learned,
        dkim_selector=row.dkim_selector,
        dkim_key_path=key_file(row.dkim_key_path, row.dkim_selector),
        state=state,
        state_since=row.status_since,
        allowance=allowance,
        daily_target=row.target_daily_quota,
        schedule=row.schedule,
        phase=row.phase,
        sent_days_in_phase=row.sent_days_in_phase,
        pause=Pause(row.pause_until) if row.paused else None,
        quarantine_until=row.quarantine_until,
        blacklisted_on=tuple(row.blacklisted_on),
        domain_listed_on=tuple(row.listed_on),
        dealt=row.messages is not None,
        warmed_to=row.warmed_to,
        braked=row.braked,
        mailwizz_addresses=tuple(map(_address, row.addresses)),
        bounds={name: messages for name, messages in bounds.items() if messages < allowance},
        domain_warmup=DomainWarmup(row.warmup_since, row.warmup_phase, row.warmup_phase_started_on)
        if row.warmup_since is not None
        else None,
    )


def addresses(conn: Connection) -> tuple[IpAddress, ...]:
    """Of every IP of the fleet, in order."""
    query = select(ips.c.address).where(ips.c.removed.is_(False))
    return tuple(sorted(map(_address, conn.execute(query).scalars()), key=lambda a: (a.version, int(a))))


def load_bounds(conn: Connection, *, day: date, tenant: str | None = None) -> dict[int, dict[str, int]]:
    """Messages by mailbox provider that stand for an IP on the UTC `day`, by its id: the newest rows whose day is not later.
    Those that are no less than its allowance bound nothing."""
    rows = allowances.c
    query = (
        select(rows.ip_id, rows.provider, rows.messages)
        .ext(distinct_on(rows.ip_id, rows.provider))
        .where(rows.provider != "*", rows.day <= day)
        .order_by(rows.ip_id, rows.provider, rows.day.desc())
    )
    if tenant is not None:
        query = query.where(rows.tenant == tenant)
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for row in conn.execute(query):
        found[row.ip_id][row.provider] = row.messages
    return dict(found)


def _address(value: Any) -> IpAddress:
    return ip_address(str(value).partition("/")[0])


def load_ips(
    conn: Connection,
    *,
    day: date,
    tenant: str | None = None,
    mta_host: str | None = None,
    mailwizz: str | None = None,
) -> tuple[IpRecord, ...]:
    """Every IP of the fleet that the session may see, oldest first, with the allowance in force on the UTC `day`.

    The allowance is the newest row for all providers whose day is not later than `day`; it is 0 while the IP is
    parked, paused, braked, or was never given one. So are the bounds of single providers; there are none where the
    allowance is 0."""
    query = _query(day)
    for column, wanted in ((ips.c.tenant, tenant), (ips.c.mta_host, mta_host), (ips.c.mailwizz, mailwizz)):
        if wanted is not None:
            query = query.where(column == wanted)
    rows = conn.execute(query).all()
    bounds = load_bounds(conn, day=day, tenant=tenant)
    return tuple(_record(row, bounds.get(row.ip_id, {})) for row in rows)


def lock_ips(conn: Connection, tenant: str) -> None:
    """Waits for, then holds, the tenant's IPs until the transaction ends: two pipelines never decide on the same IP
    at once. A stop does not wait for it: brakes and decisions may still point at the rows (`FOR NO KEY UPDATE`)."""
    conn.execute(
        select(ips.c.id).where(ips.c.tenant == tenant).order_by(ips.c.id).with_for_update(key_share=True)
    ).all()


def transition(
    conn: Connection,
    ip_id: int,
    event: Event | str,
    to: IpState,
    reason: str,
    origin: Origin,
    decision_id: int | None,
    **columns: Any,
) -> None:
    """Moves an IP to another state and writes the history row with it; `columns` are further columns of `ips`.

    An event that leaves it in its state is written down too, and the state goes on since when it stood. Raises `InputError` if the lifecycle does not know the event in the IP's present state, or leads elsewhere."""
    found = conn.execute(
        select(ips.c.tenant, ips.c.address, ips.c.status)
        .where(ips.c.id == ip_id)
        .with_for_update(key_share=True)
    ).one_or_none()
    if found is None:
        raise InputError(
            f"ip {ip_id}", "not seen in this session", "an IP of the session's tenant", "check the id"
        )
    reached = next_state(IpState(found.status), event)
    if reached is not to:
        raise InputError(
            f"ip {found.address}",
            f"{event} from {found.status} leads to {reached}",
            f"an event to {to}",
            "fix the call",
        )
    moved = {"status": to.value, "status_since": origin.as_of} if to.value != found.status else {}
    if moved or columns:
        conn.execute(update(ips).where(ips.c.id == ip_id).values(**moved, **columns))
    conn.execute(
        insert(ip_state_history).values(
            tenant=found.tenant,
            ip_id=ip_id,
            from_status=found.status,
            to_status=to.value,
            event=str(event),
            reason=reason,
            actor=origin.actor,
            decision_id=decision_id,
            as_of=origin.as_of,
            dag_id=origin.dag_id,
            run_id=origin.run_id,
        )
    )


def any_allowance(conn: Connection) -> bool:
    """Was anything decided about any IP that the session sees?"""
    return conn.execute(select(allowances.c.ip_id).limit(1)).first() is not None


def set_allowance(
    conn: Connection,
    ip_id: int,
    tenant: str,
    day: date,
    messages: int,
    fleet_version: int,
    decision_id: int | None,
    provider: str = "*",
) -> None:
    """From the UTC `day` on the IP may be handed `messages` a day, until a later row says otherwise."""
    row = {"messages": messages, "fleet_version": fleet_version, "decision_id": decision_id}
    conn.execute(
        upsert(allowances)
        .values(ip_id=ip_id, tenant=tenant, day=day, provider=provider, **row)
        .on_conflict_do_update(index_elements=["ip_id", "day", "provider"], set_=row)
    )


def update_plan(conn: Connection, ip_id: int, **columns: Any) -> None:
    """Changes columns of the IP's warm-up plan."""
    if columns:
        conn.execute(update(warmup_plans).where(warmup_plans.c.ip_id == ip_id).values(**columns))


def mark_swept(conn: Connection, ip_ids: Iterable[int], at: datetime) -> None:
    """Block lists answered about these IPs at `at`; an older sweep moves nothing back. The first time is kept."""
    mine = ips.c.id.in_(sorted(ip_ids))
    conn.execute(select(ips.c.id).where(mine).order_by(ips.c.id).with_for_update(key_share=True)).all()
    older = ips.c.lists_checked_at.is_(None) | (ips.c.lists_checked_at < at)
    first = func.coalesce(ips.c.first_swept_at, at)
    conn.execute(update(ips).where(mine, older).values(lists_checked_at=at, first_swept_at=first))


def learn_servers(conn: Connection, learned: Mapping[int, int]) -> None:
    """Delivery servers by `ip_id`, for IPs that have none yet or learned another; one that a fleet file names meanwhile stays, and so does
    one that another IP has."""
    for ip_id, server_id in learned.items():
        other = ips.alias()
        taken = (
            select(other.c.id)
            .where(
                other.c.mailwizz == ips.c.mailwizz,
                other.c.mailwizz_server_id == server_id,
                other.c.id != ip_id,
                ~other.c.removed,
            )
            .exists()
        )
        mine = (ips.c.id == ip_id, ips.c.mailwizz_server_id.is_(None) | ips.c.server_learned, ~taken)
        conn.execute(update(ips).where(*mine).values(mailwizz_server_id=server_id, server_learned=True))


def set_listed(conn: Connection, ip_id: int, zones: Iterable[str]) -> None:
    """Names the block lists that hold the IP now, for `blacklisted_on`."""
    conn.execute(update(ips).where(ips.c.id == ip_id).values(blacklisted_on=sorted(set(zones))))
