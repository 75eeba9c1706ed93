"""Table `quota_syncs`: every write to a delivery server, noted before it is tried and completed after it was read back.

A row that says `not_verified` was tried and nobody knows what became of it (the worker died, the database went away in
the middle): its old and its new setting are both the engine's own. The next look at the server says which of them
stands, and the row is settled by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    ScalarResult,
    Text,
    cast,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on

from email_engine.mailer.model import DISABLED, Attempt, DeliveryServer, LastSync, Setting
from email_engine.store.schema import quota_syncs

OF_BRAKE = "brake: "
"""So the reason of a write begins that a brake made."""


class SyncResult(StrEnum):
    APPLIED = "applied"
    DRIFT_MENDED = "drift_mended"
    REFUSED = "refused"
    NOT_VERIFIED = "not_verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A write that is about to be tried. `day` is the UTC day of the quotas."""

    ip_id: int
    tenant: str
    mailwizz: str
    server_id: int
    day: date
    fleet_version: int
    old: Setting
    new: Setting
    reason: str
    dag_id: str | None
    run_id: str | None

    def row(self) -> dict[str, Any]:
        old, new = self.old, self.new
        return {
            "ip_id": self.ip_id, "tenant": self.tenant, "mailwizz": self.mailwizz, "server_id": self.server_id,
            "day": self.day, "fleet_version": self.fleet_version, "old_daily_quota": old.daily_quota,
            "old_hourly_quota": old.hourly_quota, "old_status": old.status, "new_daily_quota": new.daily_quota,
            "new_hourly_quota": new.hourly_quota, "new_status": new.status, "result": SyncResult.NOT_VERIFIED,
            "message": self.reason, "dag_id": self.dag_id, "run_id": self.run_id,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a write."""

    sync_id: int
    result: SyncResult
    message: str


def begin_many(conn: Connection, begun: Sequence[Begun]) -> list[int]:
    """Notes writes that are about to be tried, in one statement; returns their ids in the same order."""
    if not begun:
        return []
    noted = insert(quota_syncs).returning(quota_syncs.c.id, sort_by_parameter_order=True)
    ids: ScalarResult[int] = conn.execute(noted, [each.row() for each in begun]).scalars()
    return list(ids)


def finish_many(conn: Connection, finished: Sequence[Finished]) -> None:
    """Says what became of them, in one statement."""
    if not finished:
        return
    columns = (
        cast([each.sync_id for each in finished], ARRAY(BigInteger)),
        cast([each.result.value for each in finished], ARRAY(Text)),
        cast([each.message for each in finished], ARRAY(Text)),
    )
    ended = func.unnest(*columns).table_valued("id", "result", "message", name="ended").render_derived()
    conn.execute(
        update(quota_syncs)
        .where(quota_syncs.c.id == ended.c.id)
        .values(result=ended.c.result, message=ended.c.message)
    )


def begin(conn: Connection, begun: Begun) -> int:
    """Notes a write that is about to be tried; returns its id."""
    return begin_many(conn, [begun])[0]


def finish(conn: Connection, sync_id: int, result: SyncResult, message: str) -> None:
    """Says what became of a write."""
    finish_many(conn, [Finished(sync_id, result, message)])


def settle(conn: Connection, attempt: Attempt, server: DeliveryServer) -> SyncResult | None:
    """A write that was not verified counts as what a later look finds of it: all of it, or nothing. None: half of it stands,
    and it stays open. Whoever is still at that write says better afterwards (`finish`)."""
    stands = attempt.stands(server)
    if stands not in (attempt.new, attempt.old):
        return None
    result = SyncResult.REFUSED if stands == attempt.old else SyncResult.APPLIED
    took = "none" if result is SyncResult.REFUSED else "all"
    unsure = (quota_syncs.c.id == attempt.sync_id) & (quota_syncs.c.result == SyncResult.NOT_VERIFIED)
    said = quota_syncs.c.message + f"; a later look found {took} of it"
    conn.execute(update(quota_syncs).where(unsure).values(result=result, message=said))
    return result


def switched_off(conn: Connection, since: Mapping[int, datetime]) -> dict[int, frozenset[int]]:
    """By IP, the delivery servers that its brake switched off, its own and copies of it. `since`: by IP, when the brake was engaged."""
    c = quota_syncs.c
    query = select(c.ip_id, c.server_id, c.recorded_at).where(
        c.ip_id.in_(list(since)), c.new_status == DISABLED, c.result == SyncResult.APPLIED.value,
        c.message.startswith(OF_BRAKE),
    )  # fmt: skip
    found: dict[int, set[int]] = {ip_id: set() for ip_id in since}
    for row in conn.execute(query):
        if row.recorded_at >= since[row.ip_id]:
            found[row.ip_id].add(row.server_id)
    return {ip_id: frozenset(servers) for ip_id, servers in found.items()}


def history(conn: Connection, mailwizz: str) -> dict[int, LastSync]:
    """By server id: the quotas that the engine wrote last, the status that it changed last, and, where the last write was
    not verified, that write.

    A write that was not verified and was followed by another one counts by what that one found: it took or it did not."""
    q = quota_syncs.c
    after = func.lead(q.old_status).over(partition_by=q.server_id, order_by=q.id).label("status_after")
    known = (
        select(quota_syncs, after).where(q.mailwizz == mailwizz, q.result != SyncResult.REFUSED).subquery()
    )
    row, newest = known.c, (known.c.server_id, known.c.id.desc())
    last = select(known).order_by(*newest).ext(distinct_on(row.server_id))
    took = or_(
        row.result != SyncResult.NOT_VERIFIED,
        row.status_after.is_(None),
        (row.status_after == DISABLED) == (row.new_status == DISABLED),
    )
    switched = last.where(row.old_status != row.new_status, took)
    statuses = {found.server_id: found.new_status for found in conn.execute(switched)}
    return {
        found.server_id: LastSync(
            found.new_daily_quota, found.new_hourly_quota, statuses.get(found.server_id), _attempt(found)
        )
        for found in conn.execute(last)
    }


def _attempt(row: Any) -> Attempt | None:
    if row.result != SyncResult.NOT_VERIFIED:
        return None
    return Attempt(
        row.id,
        Setting(row.old_daily_quota, row.old_hourly_quota, row.old_status),
        Setting(row.new_daily_quota, row.new_hourly_quota, row.new_status),
        row.recorded_at,
    )
