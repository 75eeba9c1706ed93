"""A clock was ahead, Airflow made runs for the future, and the clock is right again: schedules go on, nothing runs twice.

Each story is told with Airflow's own functions: the DAG processor's writing of a parse, the scheduler's making of runs."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.settings import Session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunType
from sqlalchemy import delete, select

from email_engine.doctor.finding import State
from email_engine_airflow import future_runs
from email_engine_airflow.doctor import airflow_itself
from tests.airflow_world import BUNDLE, FOREIGN, STEP, Airflow

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CLOCKS = pytest.mark.parametrize(
    "ahead", [10 * MINUTE, 3 * HOUR, 30 * DAY], ids=["ten minutes", "hours", "month"]
)


@pytest.fixture
def airflow(airflow_database: None) -> Iterator[Airflow]:
    """Everything is rolled back afterwards."""
    session = Session()
    for table in (TaskInstance, DagRun, DagPriorityParsingRequest):
        session.execute(delete(table))
    if session.get(DagBundleModel, BUNDLE) is None:
        session.add(DagBundleModel(name=BUNDLE))
        session.flush()
    try:
        yield Airflow(session)
    finally:
        session.rollback()
        session.close()


def slot(name: str, at: datetime) -> datetime:
    """The last time for which the DAG runs."""
    begin = datetime(2026, 1, 1, 0, 35 if name == "pmta_config_deploy" else 0, tzinfo=UTC)
    return at - (at - begin) % STEP[name]


@CLOCKS
@pytest.mark.parametrize("name", STEP)
def test_after_runs_of_the_future_the_next_one_is_due_in_its_time(
    airflow: Airflow, name: str, ahead: timedelta
) -> None:
    now = datetime.now(UTC)
    wrong = slot(name, now + ahead + STEP[name])
    airflow.run(name, slot(name, now) - STEP[name], DagRunState.SUCCESS)
    run = airflow.run(name, wrong, DagRunState.SUCCESS)
    standing = airflow.parse(name).next_dagrun_create_after
    assert standing == wrong + STEP[name]  # a new parse alone heals nothing

    healed = airflow.heal(now)

    assert healed.moved is not None
    assert (healed.moved.count, healed.moved.unfinished) == (1, 0)
    assert (healed.moved.latest, healed.moved.dags) == (wrong, (name,))
    due = airflow.parse(name).next_dagrun_create_after
    assert due is not None
    assert slot(name, now) <= due <= datetime.now(UTC)
    done = airflow.get(run)
    assert (done.state, done.run_after, done.logical_date) == (DagRunState.SUCCESS, now, None)
    assert airflow.heal(now) == future_runs.Healed(None, False)


@CLOCKS
@pytest.mark.parametrize("state", [DagRunState.QUEUED, DagRunState.RUNNING])
@pytest.mark.parametrize("kind", [DagRunType.SCHEDULED, DagRunType.MANUAL])
def test_an_unfinished_run_goes_on_instead_of_blocking_its_dag(
    airflow: Airflow, state: DagRunState, kind: DagRunType, ahead: timedelta
) -> None:
    now = datetime.now(UTC) - timedelta(seconds=2)  # SQLite's own clock knows whole seconds
    run = airflow.run("mta_health", now + ahead, state, kind)
    assert airflow.parse("mta_health").exceeds_max_non_backfill
    due = {DagRunState.QUEUED: DagRun.get_queued_dag_runs_to_set_running, DagRunState.RUNNING: DagRun.get_running_dag_runs_to_examine}[state]  # fmt: skip
    assert [each.id for each in due(airflow.session)] == []

    healed = airflow.heal(now)

    assert healed.moved is not None
    assert healed.moved.unfinished == 1
    assert [each.id for each in due(airflow.session)] == [run]
    moved = airflow.get(run)
    assert moved.state == state
    assert moved.start_date in (None, now)  # or its timeout would come as late as the clock was ahead
    moved.state = DagRunState.SUCCESS
    airflow.session.flush()
    assert not airflow.parse("mta_health").exceeds_max_non_backfill


def test_when_the_wrong_time_really_comes_its_run_is_made_once_more_and_only_once(airflow: Airflow) -> None:
    now = datetime.now(UTC)
    wrong = slot("warmup_advance", now) + 31 * DAY
    early = airflow.run("warmup_advance", wrong, DagRunState.SUCCESS)
    early_id = airflow.get(early).run_id
    airflow.heal(now)
    model = airflow.parse("warmup_advance")
    model.next_dagrun = model.next_dagrun_create_after = wrong
    model.next_dagrun_data_interval = (wrong, wrong)
    airflow.session.flush()

    (made,) = airflow.schedule("warmup_advance")

    assert made.run_id != early_id
    assert made.state == DagRunState.QUEUED
    assert airflow.model("warmup_advance").next_dagrun == wrong + DAY
    again = airflow.model("warmup_advance")
    again.next_dagrun = again.next_dagrun_create_after = wrong
    again.next_dagrun_data_interval = (wrong, wrong)
    again.exceeds_max_non_backfill = False
    airflow.session.flush()
    assert [run.id for run in airflow.schedule("warmup_advance")] == [made.id]
    assert airflow.model("warmup_advance").next_dagrun == wrong + DAY


def test_right_runs_stay_as_they_are(airflow: Airflow) -> None:
    """A clock may be off by minutes; runs of the past and the run of this moment are no trouble."""
    now = datetime.now(UTC)
    runs = [airflow.run("brake_watch", now + n * MINUTE, DagRunState.SUCCESS) for n in (-60, 0, 4)]
    before = [(airflow.get(run).run_after, airflow.get(run).logical_date) for run in runs]
    assert airflow.heal(now) == future_runs.Healed(None, False)
    assert [(airflow.get(run).run_after, airflow.get(run).logical_date) for run in runs] == before
    assert airflow.asked() == set()


def test_a_run_that_a_person_planned_for_later_waits_for_its_time(airflow: Airflow) -> None:
    now = datetime.now(UTC)
    planned = airflow.run("mta_health", now + DAY, DagRunState.QUEUED, DagRunType.MANUAL, made_at=now)
    assert airflow.heal(now) == future_runs.Healed(None, False)
    assert airflow.get(planned).run_after == now + DAY


def test_a_paused_dag_is_healed_and_stays_paused(airflow: Airflow) -> None:
    now = datetime.now(UTC)
    airflow.model("mta_health").is_paused = True
    airflow.run("mta_health", now + 30 * DAY, DagRunState.QUEUED)
    airflow.heal(now)
    model = airflow.parse("mta_health")
    assert model.is_paused
    assert model.next_dagrun_create_after is not None
    assert model.next_dagrun_create_after <= datetime.now(UTC)


def test_dags_of_others_are_left_alone(airflow: Airflow) -> None:
    now = datetime.now(UTC)
    theirs = airflow.run(FOREIGN, now + 30 * DAY, DagRunState.QUEUED)
    airflow.model(FOREIGN).last_parsed_time = now + 30 * DAY
    airflow.session.flush()
    assert airflow.heal(now) == future_runs.Healed(None, False)
    assert airflow.get(theirs).logical_date == now + 30 * DAY


def test_every_file_of_ours_is_parsed_again_and_asked_for_once(airflow: Airflow) -> None:
    now = datetime.now(UTC)
    airflow.run("brake_watch", now + HOUR, DagRunState.SUCCESS)
    airflow.heal(now)
    airflow.run("brake_watch", now + 2 * HOUR, DagRunState.SUCCESS)
    airflow.heal(now)
    assert airflow.asked() >= {f"{name}.py" for name in STEP}
    assert "foreign.py" not in airflow.asked()


def test_a_processor_that_parses_nothing_until_the_wrong_time_is_asked_to(airflow: Airflow) -> None:
    """No run was made meanwhile, but every file counts as parsed lately."""
    now = datetime.now(UTC)
    airflow.model("mta_health").last_parsed_time = now + HOUR
    airflow.session.flush()
    assert airflow.heal(now) == future_runs.Healed(None, True)
    assert "mta_health.py" in airflow.asked()


@pytest.mark.parametrize(
    ("column", "state"),
    [("end_date", TaskInstanceState.UP_FOR_RETRY), ("last_heartbeat_at", TaskInstanceState.RUNNING)],
)
@pytest.mark.parametrize(("name", "later", "shortened"), [("mta_health", HOUR, True), ("mta_health", MINUTE, False), (FOREIGN, HOUR, False)])  # fmt: skip
def test_a_retry_and_a_dead_worker_wait_no_longer_than_they_must(
    airflow: Airflow, column: str, state: TaskInstanceState, name: str, later: timedelta, shortened: bool
) -> None:
    now = datetime.now(UTC)
    airflow.run("mta_health", now - MINUTE, DagRunState.RUNNING)
    task = airflow.session.scalars(select(TaskInstance).where(TaskInstance.dag_id == "mta_health")).first()
    if name == FOREIGN:
        airflow.model("mta_health").tags = []
    setattr(task, column, now + later)
    task.state = state
    airflow.session.flush()
    airflow.heal(now)
    airflow.session.expire_all()
    assert getattr(task, column) == (now if shortened else now + later)


def test_the_doctor_names_it_and_who_heals_it(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_itself, "create_session", lambda: nullcontext(airflow.session))
    now = datetime.now(UTC)
    airflow.run("mta_health", now + DAY, DagRunState.QUEUED, DagRunType.MANUAL, made_at=now)
    assert airflow_itself.runs(now).state is State.OK
    airflow.run("mta_health", now + DAY + HOUR, DagRunState.SUCCESS)
    airflow.parse("mta_health")
    found = airflow_itself.runs(now)
    assert found.state is State.WRONG
    assert f"a run of {now + DAY + HOUR:%Y-%m-%d %H:%M}, mta_health" in found.seen
    assert "triggerer" in found.next_step
    airflow.heal(now)
    airflow.parse("mta_health")
    assert airflow_itself.runs(now).state is State.OK


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_behind_makes_no_run_lie_in_the_future(hours: int) -> None:
    """Of this machine's clock and the database's the later one is believed."""
    now = datetime.now(UTC)
    for said in (now + hours * HOUR, (now + hours * HOUR).replace(tzinfo=None)):
        answer = SimpleNamespace(scalar_one=lambda said=said: said)
        session: Any = SimpleNamespace(execute=lambda query, answer=answer: answer)
        believed = future_runs.latest_clock(session)
        assert abs(believed - (now + max(hours, 0) * HOUR)) < MINUTE
