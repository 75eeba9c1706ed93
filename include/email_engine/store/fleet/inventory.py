"""Applies an inventory plan to the database, in one transaction.

What leaves the fleet file is marked `removed` and never deleted, since history points at it; its names are free for
what replaces it. All functions need a session of tenant `*`."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, insert, null, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from email_engine.fleet.inventory import Action, FleetChange, FleetChangeKind, InventoryPlan
from email_engine.fleet.model import (
    SENDING_STATES,
    IpState,
    MailwizzInstance,
    MtaHost,
    SendingIp,
)
from email_engine.store import versions
from email_engine.store.fleet import domain_warmups, host_moves
from email_engine.store.fleet.host_moves import Place
from email_engine.store.fleet.inventory_read import load_fleet, load_removed
from email_engine.store.schema import (
    domains,
    ip_state_history,
    ips,
    mailwizz_instances,
    mta_hosts,
    streams,
    tenants,
    warmup_plans,
)

__all__ = ["apply_inventory", "load_fleet", "load_removed", "lock"]

LOCK = 0x666C656574
"""Key of the advisory lock: two loads or applies at once run one after the other."""

_TABLES: dict[FleetChangeKind, tuple[Table, tuple[str, ...]]] = {
    FleetChangeKind.TENANT: (tenants, ("name",)),
    FleetChangeKind.MTA_HOST: (mta_hosts, ("name",)),
    FleetChangeKind.MAILWIZZ: (mailwizz_instances, ("name",)),
    FleetChangeKind.STREAM: (streams, ("tenant", "name")),
}
_UNKNOWN_DNS = {
    "spf_valid": None, "dkim_valid": None, "dmarc_valid": None, "ptr_valid": None, "mx_valid": None,
    "last_dns_check": None,
}  # fmt: skip


def lock(conn: Connection) -> None:
    """Waits until no other load-plan-apply runs, then keeps others out until the transaction ends."""
    conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})


def apply_inventory(
    conn: Connection,
    plan: InventoryPlan,
    *,
    as_of: datetime,
    dag_id: str | None,
    run_id: str | None,
    actor: str | None = None,
    force: bool = False,
) -> bool:
    """Brings the tables to the plan; True if anything changed (then there is a new fleet version).

    An IP whose host changes stays at its old one until that sends from it no more (host_moves.py).

    Raises GuardBreach (`InventoryPlan.raise_if_unsafe`; a host that IPs still move from would leave), then nothing of the transaction may
    stay. A new IP starts in its initial
    state; one that comes back after a removal stands by, unless it was parked, then it stays as it was."""
    plan.raise_if_unsafe(force=force)
    if plan.empty:
        return False
    run = {"dag_id": dag_id, "run_id": run_id}
    who = actor or dag_id or "a person"
    places = host_moves.places(conn)
    _make_room(conn, plan)
    for change in reversed(plan.of(Action.REMOVE)):
        _remove(conn, change, who, as_of, run)
    for change in (c for c in plan.changes if c.action is not Action.REMOVE):
        if change.kind is not FleetChangeKind.IP:
            _put(conn, change)
        elif change.action is Action.CREATE:
            _create_ip(conn, change, who, as_of, run)
        else:
            _update_ip(conn, change, as_of, places[change.key])
    host_moves.require_hosts(conn)
    counts = ", ".join(f"{len(plan.of(action))} {action}" for action in Action if plan.of(action))
    versions.bump(conn, f"fleet file: {counts}", (dag_id, run_id))
    return True


def _make_room(conn: Connection, plan: InventoryPlan) -> None:
    """Names that are changed step aside first, so that two things can swap theirs. `~` is in no good name."""
    for change in plan.of(Action.UPDATE):
        if change.kind is FleetChangeKind.STREAM and "pool" in change.fields:
            where = and_(
                streams.c.tenant == change.key.split("/")[0], streams.c.name == change.key.split("/")[1]
            )
            conn.execute(update(streams).where(where).values(pool=streams.c.pool + "~" + streams.c.tenant))
        elif change.kind in (FleetChangeKind.MTA_HOST, FleetChangeKind.MAILWIZZ):
            table = _TABLES[change.kind][0]
            aside = {f: table.c[f] + "~" + table.c.name for f in change.fields if f.endswith("connection")}
            if aside:
                conn.execute(update(table).where(table.c.name == change.key).values(aside))
        elif change.kind is FleetChangeKind.IP:
            conn.execute(
                update(ips).where(ips.c.address == change.key).values(
                    hostname=ips.c.hostname + "~", vmta_name=ips.c.vmta_name + "~", mailwizz_server_id=-ips.c.id,
                    bind_address=null(),
                )
            )  # fmt: skip
            mine = select(ips.c.id).where(ips.c.address == change.key).scalar_subquery()
            conn.execute(update(domains).where(domains.c.ip_id == mine).values(name=domains.c.name + "~"))


def _remove(conn: Connection, change: FleetChange, actor: str, as_of: datetime, run: dict[str, Any]) -> None:
    if change.kind is not FleetChangeKind.IP:
        table, keys = _TABLES[change.kind]
        values = change.key.split("/") if len(keys) > 1 else [change.key]
        where = and_(*(table.c[key] == value for key, value in zip(keys, values, strict=True)))
        conn.execute(update(table).where(where).values(removed=True))
        return
    row = conn.execute(
        update(ips).where(ips.c.address == change.key).values(removed=True, **host_moves.STAYS)
        .returning(ips.c.id, ips.c.tenant, ips.c.status, ips.c.hostname, ips.c.vmta_name)
    ).one()  # fmt: skip
    conn.execute(delete(domains).where(domains.c.ip_id == row.id))
    reason = f"left the fleet file as {row.vmta_name} ({row.hostname})"
    _history(conn, row.id, row.tenant, row.status, row.status, "removed", reason, actor, as_of, run)


def _put(conn: Connection, change: FleetChange) -> None:
    table, keys = _TABLES[change.kind]
    noun = change.wanted
    row = {column.name: getattr(noun, column.name) for column in table.c if hasattr(noun, column.name)}
    row = {name: list(value) if isinstance(value, tuple) else value for name, value in row.items()}
    if isinstance(noun, MtaHost):
        row["base_config"] = asdict(noun.base) if noun.base else null()
    if isinstance(noun, MailwizzInstance):
        row["addresses"] = [str(address) for address in noun.addresses]
    row["removed"] = False
    statement = upsert(table).values(row)
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=keys, set_={name: value for name, value in row.items() if name not in keys}
        )
    )
    if change.kind is FleetChangeKind.STREAM:
        its_ips = and_(ips.c.tenant == row["tenant"], ips.c.stream == row["name"])
        conn.execute(update(ips).where(its_ips).values(purpose=row["purpose"]))


def _ip_columns(ip: SendingIp) -> dict[str, Any]:
    its_stream = and_(streams.c.tenant == ip.tenant, streams.c.name == ip.stream)
    return {
        "bind_address": str(ip.bind_address) if ip.bind_address else None,
        "hostname": ip.hostname,
        "tenant": ip.tenant,
        "stream": ip.stream,
        "purpose": select(streams.c.purpose).where(its_stream).scalar_subquery(),
        "vmta_name": ip.vmta,
        "pool_name": ip.pool,
        "mta_host": ip.mta_host,
        "mailwizz": ip.mailwizz,
        "mailwizz_server_id": ip.mailwizz_server_id,
        "server_learned": ip.server_learned,
        "removed": False,
    }


def _create_ip(
    conn: Connection, change: FleetChange, actor: str, as_of: datetime, run: dict[str, Any]
) -> None:
    ip = change.ip
    columns = _ip_columns(ip)
    known = conn.execute(
        select(ips.c.id, ips.c.status).where(ips.c.address == str(ip.address)).with_for_update()
    ).one_or_none()
    before: str | None = None
    if known is None:
        state = ip.initial_state
        statement = insert(ips).values(
            address=str(ip.address), status=state.value, status_since=as_of, **columns
        )
        ip_id = int(conn.execute(statement.returning(ips.c.id)).scalar_one())
        event, reason = "added", f"new in the fleet file as {state}"
    else:
        ip_id, before = known.id, known.status
        state = IpState.STANDBY if IpState(before) in SENDING_STATES else IpState(before)
        since = {} if state.value == before else {"status_since": as_of}
        columns |= host_moves.returning(conn, ip, ip_id, as_of)
        conn.execute(update(ips).where(ips.c.id == ip_id).values(status=state.value, **since, **columns))
        event, reason = "returned", "back in the fleet file"
    domain = {"name": ip.domain, "dkim_selector": ip.dkim_selector, "dkim_key_path": ip.dkim_key_path}
    conn.execute(insert(domains).values(tenant=ip.tenant, ip_id=ip_id, **domain))
    warming = state is IpState.WARMING
    plan = {
        "schedule": ip.schedule,
        "phase": ip.initial_phase if known is None else 1,
        "phase_started_on": as_of.date() if warming else None,
        "sent_days_in_phase": 0,
        "current_daily_quota": ip.daily_target if state is IpState.ACTIVE else 0,
        "target_daily_quota": ip.daily_target,
        "warmed_to": ip.warmed_to if known is None else 0,
    }
    conn.execute(
        upsert(warmup_plans)
        .values(tenant=ip.tenant, ip_id=ip_id, **plan)
        .on_conflict_do_update(index_elements=["ip_id"], set_=plan)
    )
    _history(conn, ip_id, ip.tenant, before, state.value, event, reason, actor, as_of, run)


def _update_ip(conn: Connection, change: FleetChange, as_of: datetime, place: Place) -> None:
    ip = change.ip
    columns = _ip_columns(ip) | host_moves.columns(conn, ip, place, as_of)
    statement = update(ips).where(ips.c.address == change.key).values(columns).returning(ips.c.id)
    ip_id: int = conn.execute(statement).scalar_one()
    domain = {"name": ip.domain, "dkim_selector": ip.dkim_selector, "dkim_key_path": ip.dkim_key_path}
    stale = (
        _UNKNOWN_DNS
        if change.fields.keys() & {"domain", "hostname", "dkim_selector", "dkim_key_path"}
        else {}
    )
    before, after = change.fields.get("domain", (None, None))
    warmup = domain_warmups.changed(conn, ip_id, before, after, as_of.date()) if before else {}
    conn.execute(update(domains).where(domains.c.ip_id == ip_id).values(**domain, **stale, **warmup))
    plan = {"schedule": ip.schedule, "target_daily_quota": ip.daily_target}
    conn.execute(update(warmup_plans).where(warmup_plans.c.ip_id == ip_id).values(plan))


def _history(
    conn: Connection, ip_id: int, tenant: str, before: str | None, after: str, event: str, reason: str, actor: str,
    as_of: datetime, run: dict[str, Any],
) -> None:  # fmt: skip
    conn.execute(
        insert(ip_state_history).values(
            tenant=tenant, ip_id=ip_id, from_status=before, to_status=after, event=event, reason=reason, actor=actor,
            as_of=as_of, **run,
        )
    )  # fmt: skip
