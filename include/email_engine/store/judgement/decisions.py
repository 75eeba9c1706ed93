"""Decisions: append-only, one for each pipeline, subject, run key and kind."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, ScalarResult, case, func, select, tuple_
from sqlalchemy.dialects.postgresql import Insert, insert

from email_engine.decision import Decision
from email_engine.errors import Refused
from email_engine.store.schema import decisions
from email_engine.warmup.explain import Recorded

QUOTA_SYNC = "mailwizz_quota_sync"
HANDOVER_KINDS = ("campaign-finding", "customer-finding", "quota-finding")
"""Kinds of the quota sync's decisions that say why a server hands over less; of one IP the last of these is told."""


def find(conn: Connection, pipeline: str, subject: str, run_key: str, kind: str = "decision") -> int | None:
    """The id of the decision under this key, None if there is none (or it is another tenant's)."""
    key = select(decisions.c.id).where(
        decisions.c.pipeline == pipeline,
        decisions.c.subject == subject,
        decisions.c.run_key == run_key,
        decisions.c.kind == kind,
    )
    return conn.execute(key).scalar_one_or_none()


def record(conn: Connection, decision: Decision, dag_id: str | None, run_id: str | None) -> int:
    """Writes the decision and returns its id; a key that is there already keeps its first row, whose id returns."""
    made = conn.execute(
        _recorded().returning(decisions.c.id), [_row(decision, dag_id, run_id)]
    ).scalar_one_or_none()
    known = made or find(conn, decision.pipeline, decision.subject, decision.run_key, decision.kind)
    if known is None:
        raise _of_another_tenant(decision)
    return int(known)


def record_many(conn: Connection, made: Sequence[Decision], dag_id: str | None, run_id: str | None) -> None:
    """As `record`, in one statement; a second one if some keys are there already."""
    if not made:
        return
    c = decisions.c
    key = (c.pipeline, c.subject, c.run_key, c.kind)
    rows = [_row(decision, dag_id, run_id) for decision in made]
    written = {tuple(row) for row in conn.execute(_recorded().returning(*key), rows)}
    others = {_key(decision): decision for decision in made if _key(decision) not in written}
    if others:
        there = {tuple(row) for row in conn.execute(select(*key).where(tuple_(*key).in_(list(others))))}
        for taken in others.keys() - there:
            raise _of_another_tenant(others[taken])


def _key(decision: Decision) -> tuple[str, str, str, str]:
    return (decision.pipeline, decision.subject, decision.run_key, decision.kind)


def _recorded() -> Insert:
    return insert(decisions).on_conflict_do_nothing(index_elements=["pipeline", "subject", "run_key", "kind"])


def _row(decision: Decision, dag_id: str | None, run_id: str | None) -> dict[str, Any]:
    return {
        "tenant": decision.tenant, "pipeline": decision.pipeline, "subject": decision.subject,
        "run_key": decision.run_key, "kind": decision.kind, "action": decision.action, "reason": decision.reason,
        "applied": decision.applied, "inputs": dict(decision.inputs), "verdicts": dict(decision.verdicts),
        "policy_digest": decision.policy_digest, "as_of": decision.as_of, "dag_id": dag_id, "run_id": run_id,
    }  # fmt: skip


def _of_another_tenant(decision: Decision) -> Refused:
    return Refused(
        f"decision of {decision.pipeline} on {decision.subject}",
        f"the key {decision.run_key} is taken by another tenant",
        f"a subject of tenant {decision.tenant}",
        "name the subject so that it belongs to one tenant",
    )


def of_day(conn: Connection, pipeline: str, subject: str, day: date) -> tuple[Recorded, ...]:
    """The decisions about a subject and about all others of its tenant that were made for the same UTC day, oldest first."""
    rows = decisions.c
    whose = select(rows.tenant).where(rows.pipeline == pipeline, rows.subject == subject).limit(1)
    query = select(decisions).where(
        rows.pipeline == pipeline,
        rows.run_key.startswith(day.isoformat()),
        rows.tenant == whose.scalar_subquery(),
    )
    return tuple(
        Recorded(
            subject=row.subject,
            day=day,
            action=row.action,
            reason=row.reason,
            inputs=row.inputs,
            verdicts=row.verdicts,
            policy_digest=row.policy_digest,
            run_id=row.run_id,
            pipeline=row.pipeline,
            run_key=row.run_key,
        )
        for row in conn.execute(query.order_by(rows.id))
    )


def handovers_of_day(conn: Connection, subjects: Collection[str], day: date) -> dict[str, str]:
    """By subject, what the quota sync found on the UTC day that keeps MailWizz from handing over an IP's allowance."""
    rows = decisions.c
    begin = datetime.combine(day, time(), UTC)
    query = select(rows.subject, rows.verdicts["observed"].astext).where(
        rows.subject.in_(subjects),
        rows.pipeline == QUOTA_SYNC,
        rows.kind.in_(HANDOVER_KINDS),
        rows.as_of >= begin,
        rows.as_of < begin + timedelta(days=1),
        rows.verdicts.has_key("observed"),
    )
    return {str(row.subject): str(row[1]) for row in conn.execute(query.order_by(rows.kind, rows.id))}


def actions_of_day(
    conn: Connection, pipeline: str, subjects: Collection[str], day: date
) -> frozenset[tuple[str, str]]:
    """(subject, action) of every decision that the pipeline made about them for the UTC day."""
    rows = decisions.c
    query = select(rows.subject, rows.action).where(
        rows.pipeline == pipeline, rows.subject.in_(subjects), rows.run_key.startswith(day.isoformat())
    )
    return frozenset((row.subject, row.action) for row in conn.execute(query))


def others_of_day(
    conn: Connection, pipelines: Collection[str], subject: str, day: date
) -> tuple[tuple[str, str, str, datetime], ...]:
    """Pipeline, action, reason and moment (aware) of what pipelines other than `pipelines` decided about a subject on a UTC
    day, oldest first."""
    rows = decisions.c
    begin = datetime.combine(day, time(), UTC)
    query = (
        select(rows.pipeline, rows.action, rows.reason, rows.as_of)
        .where(rows.subject == subject, rows.pipeline.not_in(pipelines))
        .where(rows.as_of >= begin, rows.as_of < begin + timedelta(days=1))
        .order_by(rows.id)
    )
    return tuple((row.pipeline, row.action, row.reason, row.as_of) for row in conn.execute(query))


def days_of(conn: Connection, pipelines: Collection[str], subject: str) -> tuple[date, ...]:
    """The UTC days about which anything was decided about a subject, oldest first: those that `pipelines` closed or looked at, and
    those on which others decided."""
    rows = decisions.c
    day = case(
        (rows.pipeline.in_(pipelines), func.substr(rows.run_key, 1, 10)),
        else_=func.to_char(func.timezone("UTC", rows.as_of), "YYYY-MM-DD"),
    )
    found: ScalarResult[str] = conn.execute(select(day).where(rows.subject == subject).distinct()).scalars()
    return tuple(sorted(date.fromisoformat(text) for text in found))


def subjects(conn: Connection, pipeline: str, run_key: str) -> frozenset[str]:
    """About whom one run of a pipeline decided already."""
    query = select(decisions.c.subject).where(
        decisions.c.pipeline == pipeline, decisions.c.run_key == run_key, decisions.c.kind == "decision"
    )
    return frozenset(conn.execute(query).scalars())


def overtaken(conn: Connection, pipeline: str, run_key: str) -> frozenset[str]:
    """Subjects about which this run decided already and another run of the pipeline since: a clear of it is outdated there.

    By order of recording, never by times: a clock may have been ahead, and a run that decided nothing yet is always new."""
    rows, later = decisions.c, decisions.alias("later")
    since = select(later.c.id).where(
        later.c.pipeline == pipeline,
        later.c.subject == rows.subject,
        later.c.run_key != run_key,
        later.c.id > rows.id,
    )
    query = select(rows.subject).where(rows.pipeline == pipeline, rows.run_key == run_key, since.exists())
    return frozenset(conn.execute(query).scalars())


AHEAD = timedelta(minutes=5)
"""A time so much later than the database's clock was written by a clock that was wrong."""


def newest(conn: Connection) -> datetime | None:
    """The latest time for which anything was decided: it cannot be earlier now, whatever a run that is cleared says.

    Times in the future are not believed: they come from a clock that was ahead."""
    believed = decisions.c.as_of <= func.now() + AHEAD
    found: datetime | None = conn.execute(select(func.max(decisions.c.as_of)).where(believed)).scalar_one()
    return found


def in_future(conn: Connection) -> tuple[int, datetime | None]:
    """How many decisions were made for a time that has not come yet, and the latest of these times."""
    ahead = decisions.c.as_of > func.now() + AHEAD
    row = conn.execute(select(func.count(), func.max(decisions.c.as_of)).where(ahead)).one()
    return int(row[0]), row[1]
