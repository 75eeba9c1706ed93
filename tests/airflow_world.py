"""Airflow's own database with our DAGs in it, and what its DAG processor and its scheduler do there, as their own functions."""

from datetime import datetime, timedelta
from typing import Any

from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.dag_processing.dagbag import DagBag
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dag import DagModel
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select

from email_engine.paths import ROOT
from email_engine_airflow import future_runs
from email_engine_airflow.timetable import UniqueRunCron

BUNDLE = "dags-folder"
FOREIGN = "of_somebody_else"
STEP = {
    "brake_watch": timedelta(minutes=2),
    "mta_health": timedelta(minutes=15),
    "pmta_config_deploy": timedelta(hours=1),
    "warmup_advance": timedelta(days=1),
}
"""Some of our DAGs, and how far apart their runs are."""


class Airflow:
    """Airflow's database with our DAGs, and what its processes do there."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.dags = {name: self._load(name) for name in STEP}
        with DAG(FOREIGN, schedule=UniqueRunCron("*/2 * * * *"), catchup=False) as foreign:
            pass
        foreign.fileloc, foreign.relative_fileloc = "/tmp/foreign.py", "foreign.py"
        self.dags[FOREIGN] = foreign
        for name in self.dags:
            self.parse(name)

    @staticmethod
    def _load(name: str) -> Any:
        folder = ROOT / "dags"
        bag = DagBag(str(folder / f"{name}.py"), bundle_path=folder, bundle_name=BUNDLE)
        assert bag.import_errors == {}
        return bag.dags[name]

    def parse(self, name: str) -> DagModel:
        """What the DAG processor does after each parse of an unchanged file."""
        lazy = LazyDeserializedDAG.from_dag(self.dags[name])
        update_dag_parsing_results_in_db(BUNDLE, None, [lazy], {}, 0.1, set(), self.session)
        self.session.flush()
        return self.model(name)

    def model(self, name: str) -> DagModel:
        self.session.expire_all()
        found = self.session.get(DagModel, name)
        assert found is not None
        return found

    def run(
        self,
        name: str,
        at: datetime,
        state: DagRunState,
        kind: DagRunType = DagRunType.SCHEDULED,
        made_at: datetime | None = None,
    ) -> int:
        """A run for `at`, made then by the clock of that time, or at `made_at`."""
        serialized = SerializedDagModel.get_dag(name, session=self.session)
        assert serialized is not None
        made = serialized.create_dagrun(
            run_id=serialized.timetable.generate_run_id(run_type=kind, run_after=at, data_interval=None),
            logical_date=at, data_interval=(at, at), run_after=at, run_type=kind, state=state,
            start_date=None if state == DagRunState.QUEUED else at,
            triggered_by=DagRunTriggeredByType.TIMETABLE, session=self.session,
        )  # fmt: skip
        made.queued_at = made_at or at
        self.session.flush()
        return int(made.id)

    def get(self, run: int) -> DagRun:
        self.session.expire_all()
        found = self.session.get(DagRun, run)
        assert found is not None
        return found

    def heal(self, now: datetime) -> future_runs.Healed:
        healed = future_runs.heal(self.session, now)
        self.session.flush()
        return healed

    def schedule(self, name: str) -> list[DagRun]:
        """What the scheduler does when the time of the next run has come; returns the runs of that time."""
        model = self.model(name)
        due = model.next_dagrun
        SchedulerJobRunner(Job())._create_dag_runs([model], self.session)
        self.session.flush()
        return list(
            self.session.scalars(select(DagRun).where(DagRun.dag_id == name, DagRun.logical_date == due))
        )

    def asked(self) -> set[str]:
        return set(self.session.scalars(select(DagPriorityParsingRequest.relative_fileloc)))
