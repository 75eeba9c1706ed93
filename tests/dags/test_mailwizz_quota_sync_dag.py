"""The DAG's wiring: what starts it, what comes last, and that parsing it costs next to nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

DAGS = Path(__file__).resolve().parents[2] / "dags"
HEAVY = ("sqlalchemy.orm", "psycopg", "pymysql", "httpx", "jinja2", "yaml", "paramiko", "dns", "email_engine")


@pytest.fixture(scope="module")
def dag() -> DAG:
    bag = DagBag(DAGS / "mailwizz_quota_sync.py", bundle_path=DAGS, collect_dags=True)
    assert bag.import_errors == {}
    return bag.dags["mailwizz_quota_sync"]


def test_it_starts_hourly_and_when_an_allowance_changes(dag: DAG) -> None:
    assert {asset.name for asset in dag.timetable.asset_condition.objects} == {
        "email-engine-allowances", "email-engine-fleet", "email-engine-listings",
    }  # fmt: skip
    assert dag.timetable.timetable.summary == "5 * * * *"
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_alerts_leave_last_and_whatever_happened(dag: DAG) -> None:
    assert [task.task_id for task in dag.tasks if not task.downstream_list] == ["tell"]
    tell = dag.get_task("tell")
    assert tell.is_teardown
    assert tell.get_flat_relative_ids(upstream=True) == {"instances", "sync"}


def test_scheduled_runs_are_no_dry_runs_and_the_runbook_is_in_the_ui(dag: DAG) -> None:
    assert dag.params["dry_run"] is False
    assert "If it fails" in str(dag.doc_md)


def test_parsing_it_loads_no_library_that_airflow_does_not_load_itself() -> None:
    script = (
        "import sys, airflow.sdk\n"
        "from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param, BaseNotifier, BaseOperator, Asset\n"
        "before = set(sys.modules)\n"
        f"sys.path.insert(0, {str(DAGS)!r})\n"
        "import mailwizz_quota_sync\n"
        f"heavy = {HEAVY!r}\n"
        "light = {'email_engine', 'email_engine.fleet', 'email_engine.fleet.names_file'}\n"
        "new = set(sys.modules) - before - light\n"
        "print([m for m in sorted(new) if m in heavy or m.startswith(tuple(h + '.' for h in heavy))])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
