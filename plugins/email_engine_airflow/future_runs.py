"""Runs that a clock ahead of time left in the future, moved to the present: in Airflow's own database, so never in a task.

Airflow plans from the latest logical date, starts and continues no run before its `run_after`, counts such a run against
`max_active_runs`, skips a time that has a run already, and its DAG processor parses no file again before the wrong time. So one
wrong hour makes every schedule stand still for as long as the clock was ahead."""

from dataclasses import dataclass
from datetime import UTC, datetime

from airflow.models.dag import DagModel, DagTag
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunType
from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from email_engine.store.clock import MovedRuns
from email_engine.store.judgement.decisions import AHEAD

TAG = "email-engine"
"""Which DAGs are the engine's; runs of others are left alone."""
UNFINISHED = (DagRunState.QUEUED, DagRunState.RUNNING)
BY_A_CLOCK = (DagRunType.SCHEDULED, DagRunType.ASSET_TRIGGERED)
"""Runs whose time Airflow gave them. Others may be planned for later by a person, but not made later than now."""


@dataclass(frozen=True, slots=True)
class Healed:
    """`moved`: runs that lay in the future, None if none did. `parsing`: the DAG processor was asked to parse again."""

    moved: MovedRuns | None
    parsing: bool


def latest_clock(session: Session) -> datetime:
    """The later one of this machine's clock and the database's: a clock that is behind makes no run lie in the future."""
    said: datetime = session.execute(select(func.now())).scalar_one()
    return max(said if said.tzinfo else said.replace(tzinfo=UTC), datetime.now(UTC))


def heal(session: Session, now: datetime) -> Healed:
    """Moves runs of the future to `now` and asks for a new parse, which plans the next runs; commits nothing.

    A moved run has no logical date any more (as a run by asset), so its time gets a run of its own when it comes. It keeps its
    state: who is queued starts, who is running goes on, who is done stays so. Waits for retries and heartbeats that lie in the
    future are over, too."""
    moved = _move_runs(session, now)
    _shorten_waits(session, now)
    parsing = moved is not None or _parsed_in_future(session, now)
    if parsing:
        _ask_for_parse(session)
    return Healed(moved, parsing)


def lies_in_future(now: datetime) -> ColumnElement[bool]:
    """Runs that a wrong clock made, whoever's DAG it is; not those that a person planned for later."""
    limit = now + AHEAD
    wrong = DagRun.run_type.in_(BY_A_CLOCK) | (DagRun.queued_at > limit) | (DagRun.start_date > limit)
    return wrong & (DagRun.run_after > limit)


def _ours(column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    return column.in_(select(DagTag.dag_id).where(DagTag.name == TAG))


def _move_runs(session: Session, now: datetime) -> MovedRuns | None:
    future = (_ours(DagRun.dag_id), lies_in_future(now))
    rows = session.execute(select(DagRun.dag_id, DagRun.run_after, DagRun.state).where(*future)).all()
    if not rows:
        return None
    interval = {
        column: case((column.is_not(None), now), else_=None)
        for column in (DagRun.data_interval_start, DagRun.data_interval_end)
    }
    begun = DagRun.state.in_(UNFINISHED) & (DagRun.start_date > now)
    values = {
        DagRun.run_after: now,
        DagRun.logical_date: None,
        DagRun.start_date: case((begun, now), else_=DagRun.start_date),
        **interval,
    }
    session.execute(update(DagRun).where(*future).values(values).execution_options(synchronize_session=False))
    return MovedRuns(
        count=len(rows),
        unfinished=sum(row.state in UNFINISHED for row in rows),
        latest=max(row.run_after for row in rows),
        dags=tuple(sorted({row.dag_id for row in rows})),
    )


def _shorten_waits(session: Session, now: datetime) -> None:
    """A retry is due its delay after `end_date`; a worker that died is missed a while after `last_heartbeat_at`."""
    waits = (
        (TaskInstance.end_date, TaskInstanceState.UP_FOR_RETRY),
        (TaskInstance.last_heartbeat_at, TaskInstanceState.RUNNING),
    )
    for column, state in waits:
        wrong = (_ours(TaskInstance.dag_id), TaskInstance.state == state, column > now + AHEAD)
        change = update(TaskInstance).where(*wrong).values({column: now})
        session.execute(change.execution_options(synchronize_session=False))


def _parsed_in_future(session: Session, now: datetime) -> bool:
    wrong = (_ours(DagModel.dag_id), ~DagModel.is_stale, DagModel.last_parsed_time > now + AHEAD)
    return session.execute(select(DagModel.dag_id).where(*wrong).limit(1)).first() is not None


def _ask_for_parse(session: Session) -> None:
    """What the button "Reparse Dag" of the UI does, for every file of ours."""
    asked = DagPriorityParsingRequest
    known = session.execute(select(asked.bundle_name, asked.relative_fileloc)).all()
    files = session.execute(
        select(DagModel.bundle_name, DagModel.relative_fileloc)
        .where(_ours(DagModel.dag_id), ~DagModel.is_stale)
        .distinct()
    ).all()
    for bundle, file in set(map(tuple, files)) - set(map(tuple, known)):
        if bundle and file:
            session.add(asked(bundle_name=bundle, relative_fileloc=file))
