"""Table `approvals`: what the guard stopped, and what a person said to it; at most one question is open a host.

Hosts carry several tenants: run everything here under tenant `*`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, false, insert, or_, select, update

from email_engine.errors import InputError, Refused
from email_engine.store.schema import approvals, deployments, mta_hosts

WAIT = timedelta(hours=12)
"""How long a person has time to answer; then the answer is no."""
LOST = timedelta(hours=2)
"""A question that is open for this much longer than `WAIT` has nobody left who waits for its answer."""


class Superseded(Refused):
    """What was planned or approved is no longer what would be done; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One row. The approved change is from `previous_digest` (None: no file) to `digest`, and nothing else.

    `breaches`: what the guard objects to, in words. `only_tenant`: the run was for this tenant's part alone."""

    id: int
    mta_host: str
    fleet_version: int
    status: str
    digest: str
    previous_digest: str | None
    breaches: tuple[str, ...]
    summary: str
    diff: str
    caused_by: str
    rollback_to: int | None
    only_tenant: str | None
    asked_at: datetime
    answered_by: str | None
    reason: str | None
    run_id: str | None

    @property
    def ended(self) -> str:
        """Why nobody is asked any more, in a sentence."""
        if self.status == "superseded":
            return f"{self.reason or 'superseded'}; nothing was changed"
        by = f" by {self.answered_by}" if self.answered_by else ""
        why = f": {self.reason}" if self.reason else ""
        return f"approval {self.id} is {self.status}{by}{why}"


_COLUMNS = [approvals.c[name] for name in Approval.__dataclass_fields__]


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked; fields as in `Approval`."""

    mta_host: str
    fleet_version: int
    digest: str
    previous_digest: str | None
    breaches: Sequence[str]
    summary: str
    diff: str
    caused_by: str
    rollback_to: int | None = None
    only_tenant: str | None = None
    dag_id: str | None = None
    run_id: str | None = None


def ask(conn: Connection, question: Question, now: datetime) -> Approval:
    """The open approval of this very change: a new one, or the one that waits already, or the one that was refused.

    Whatever else waited for an answer about the host is superseded by it, or expired if nobody can answer it any more."""
    conn.execute(select(mta_hosts.c.name).where(mta_hosts.c.name == question.mta_host).with_for_update())
    known = _one(
        conn,
        approvals.c.mta_host == question.mta_host,
        approvals.c.digest == question.digest,
        approvals.c.previous_digest.is_not_distinct_from(question.previous_digest),
    )
    if known and known.status == "refused":
        supersede(conn, question.mta_host, _by(question), now)
        return known
    if known and known.status == "pending" and now - known.asked_at <= WAIT + LOST:
        return known
    _expire_lost(conn, question.mta_host, now)
    supersede(conn, question.mta_host, _by(question), now)
    values: dict[str, Any] = {name: getattr(question, name) for name in Question.__dataclass_fields__}
    values |= {"breaches": list(question.breaches), "asked_at": now}
    made: int = conn.execute(insert(approvals).values(**values).returning(approvals.c.id)).scalar_one()
    return find(conn, made)


def _by(question: Question) -> str:
    return f"superseded by fleet version {question.fleet_version}"


def _expire_lost(conn: Connection, mta_host: str, now: datetime) -> None:
    conn.execute(
        update(approvals)
        .where(
            approvals.c.mta_host == mta_host,
            approvals.c.status == "pending",
            approvals.c.asked_at < now - WAIT - LOST,
        )
        .values(status="expired", answered_at=now, reason="nobody answered")
    )


def supersede(conn: Connection, mta_host: str, reason: str, now: datetime) -> tuple[int, ...]:
    """Ends every open question about a host; gives their ids. Who waits for the answer sees it soon."""
    done = conn.execute(
        update(approvals)
        .where(approvals.c.mta_host == mta_host, approvals.c.status == "pending")
        .values(status="superseded", answered_at=now, reason=reason)
        .returning(approvals.c.id)
    )
    return tuple(done.scalars())


def answer(
    conn: Connection, approval_id: int, status: str, by: str | None, reason: str | None, at: datetime
) -> bool:
    """Writes the answer (`approved`, `refused`, `expired`); False if the question is not open any more."""
    done = conn.execute(
        update(approvals)
        .where(approvals.c.id == approval_id, approvals.c.status == "pending")
        .values(status=status, answered_by=by, reason=reason, answered_at=at)
    )
    return bool(done.rowcount)


def find(conn: Connection, approval_id: int) -> Approval:
    """Raises InputError if there is none."""
    found = _one(conn, approvals.c.id == approval_id) if 0 < approval_id < 2**63 else None
    if found is None:
        raise InputError(
            f"approval {str(approval_id)[:20]}",
            "not in the database",
            "the id of an approval",
            "see table approvals",
        )
    return found


def require_usable(conn: Connection, approval_id: int, mta_host: str, run_id: str | None = None) -> Approval:
    """An approval that a person gave for this host and that was not used yet, but by `run_id`, whose task may be tried again
    as long as what it deployed stands. Raises InputError or Refused."""
    found = find(conn, approval_id)
    if found.mta_host != mta_host:
        raise InputError(
            f"approval {approval_id}", f"it is for {found.mta_host}", f"one for {mta_host}", "see `host`"
        )
    again = deployments.c.run_id.is_not_distinct_from(run_id) if run_id else false()
    used = conn.execute(
        select(deployments.c.id).where(
            deployments.c.approval_id == approval_id,
            deployments.c.digest == found.digest,
            deployments.c.status.in_(("verified", "rolled_back")),
            or_(deployments.c.status != "verified", ~again),
        )
    ).scalar()
    if found.status != "approved" or used:
        raise Refused(
            f"approval {approval_id}",
            f"deployment {used} used it" if used else f"it is {found.status}",
            "one that a person gave and that was not used yet",
            "start pmta_config_deploy without `approval`: it asks again where it must",
        )
    return found


def _one(conn: Connection, *conditions: Any) -> Approval | None:
    query = select(*_COLUMNS).where(*conditions).order_by(approvals.c.id.desc()).limit(1)
    row = conn.execute(query).mappings().one_or_none()
    return _approval(dict(row)) if row else None


def _approval(row: dict[str, Any]) -> Approval:
    return Approval(**{**row, "breaches": tuple(row["breaches"])})
