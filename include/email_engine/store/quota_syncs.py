"""Table `quota_syncs`: every write to a delivery server, noted before it is tried and completed after it was read back.

A row that says `not_verified` was tried and never completed (the worker died): it counts as the engine's own doing, so
that a server that the engine disabled is never taken for one that a person disabled."""

from datetime import date
from enum import StrEnum

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects.postgresql import distinct_on

from email_engine.mailer.model import LastSync, Setting
from email_engine.store.schema import quota_syncs


class SyncResult(StrEnum):
    APPLIED = "applied"
    DRIFT_MENDED = "drift_mended"
    REFUSED = "refused"
    NOT_VERIFIED = "not_verified"


def begin(
    conn: Connection,
    *,
    ip_id: int,
    tenant: str,
    mailwizz: str,
    server_id: int,
    day: date,
    fleet_version: int,
    old: Setting,
    new: Setting,
    reason: str,
    dag_id: str | None,
    run_id: str | None,
) -> int:
    """Notes a write that is about to be tried; returns its id. `day` is the UTC day of the quotas."""
    row = {
        "ip_id": ip_id, "tenant": tenant, "mailwizz": mailwizz, "server_id": server_id, "day": day,
        "fleet_version": fleet_version, "old_daily_quota": old.daily_quota, "old_hourly_quota": old.hourly_quota,
        "old_status": old.status, "new_daily_quota": new.daily_quota, "new_hourly_quota": new.hourly_quota,
        "new_status": new.status, "result": SyncResult.NOT_VERIFIED, "message": reason, "dag_id": dag_id, "run_id": run_id,
    }  # fmt: skip
    return int(conn.execute(insert(quota_syncs).values(**row).returning(quota_syncs.c.id)).scalar_one())


def finish(conn: Connection, sync_id: int, result: SyncResult, message: str) -> None:
    """Says what became of a write."""
    conn.execute(
        update(quota_syncs).where(quota_syncs.c.id == sync_id).values(result=result, message=message)
    )


def history(conn: Connection, mailwizz: str) -> dict[int, LastSync]:
    """By server id: the quotas that the engine wrote last, and the status that it changed last."""
    q = quota_syncs.c
    written = (
        select(q.server_id, q.new_daily_quota, q.new_hourly_quota, q.new_status)
        .where(q.mailwizz == mailwizz, q.result != SyncResult.REFUSED)
        .order_by(q.server_id, q.id.desc())
        .ext(distinct_on(q.server_id))
    )
    statuses = {
        row.server_id: row.new_status for row in conn.execute(written.where(q.old_status != q.new_status))
    }
    return {
        row.server_id: LastSync(row.new_daily_quota, row.new_hourly_quota, statuses.get(row.server_id))
        for row in conn.execute(written)
    }
