"""Writing down what the warm-up decided: all of one tenant's day in the caller's transaction."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from email_engine.store import schema, versions
from email_engine.store.fleet import domain_warmups, ips
from email_engine.store.judgement import decisions
from email_engine.store.judgement.writer import apply_change
from email_engine.store.stops import provider_brakes
from email_engine.warmup.rows import PIPELINE, WarmupRow, Writing


def last_decided(conn: Connection, tenant: str) -> date | None:
    """The newest UTC day that was closed for the tenant."""
    rows = schema.decisions.c
    newest = select(func.max(rows.run_key)).where(rows.tenant == tenant, rows.pipeline == PIPELINE)
    key: str | None = conn.execute(newest).scalar_one()
    return date.fromisoformat(key) if key else None


def decided(conn: Connection, tenant: str, day: date) -> frozenset[str]:
    """Addresses whose decision for the UTC day stands already."""
    rows = schema.decisions.c
    query = select(rows.subject).where(
        rows.tenant == tenant, rows.pipeline == PIPELINE, rows.run_key == day.isoformat()
    )
    return frozenset(conn.execute(query).scalars())


def record(conn: Connection, rows: Sequence[WarmupRow], writing: Writing) -> int | None:
    """Writes every row; those of a tenant in `observe` as decisions that were not applied, and nothing else. The brakes of
    single providers follow what is suspended.

    Returns the new fleet version, None when nothing changed that a deployment or a sync must follow."""
    origin, version = writing.origin, None
    held = provider_brakes.suspended(conn)
    for row in rows:
        decision_id = decisions.record(conn, row.decision, origin.dag_id, origin.run_id)
        if not row.decision.applied:
            continue
        if row.change is not None and version is None:
            reason = f"{writing.pipeline} of {row.decision.tenant} for {writing.day}"
            version = versions.bump(conn, reason, (origin.dag_id, origin.run_id))
        _keep_day(conn, row, writing.day)
        ips.update_plan(conn, row.ip_id, **row.plan)
        if row.domain != row.domain_before:
            domain_warmups.keep(conn, row.ip_id, row.domain)
        before = held.get(row.ip_id, frozenset())
        provider_brakes.follow(conn, row, before, row.suspended, row.decision.reason, origin, decision_id)
        if row.change is not None and version is not None:
            apply_change(conn, row.change, origin, decision_id, version)
    return version


def _keep_day(conn: Connection, row: WarmupRow, day: date) -> None:
    if row.day_stats is None:
        return
    conn.execute(
        upsert(schema.warmup_daily_stats)
        .values(tenant=row.decision.tenant, ip_id=row.ip_id, day=day, **row.day_stats)
        .on_conflict_do_update(index_elements=["ip_id", "day"], set_=dict(row.day_stats))
    )
