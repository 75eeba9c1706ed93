"""The DAG as a whole: wiring, parse cost, and runs on a real database without any host."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from sqlalchemy import func, select, update

from email_engine.decision import Origin
from email_engine.store import schema
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips
from email_engine.store.stops.brakes import engage
from tests.airflow_connections import engine_connection

DAGS = Path(__file__).resolve().parents[2] / "dags"
HEAVY = ("sqlalchemy.orm", "psycopg", "httpx", "jinja2", "yaml", "paramiko", "dns", "email_engine")
MIDNIGHT = datetime(2026, 11, 2, tzinfo=UTC)
_seconds = count(1)


@pytest.fixture
def dag() -> DAG:
    bag = DagBag(DAGS / "warmup_advance.py", bundle_path=DAGS, bundle_name="dags-folder")
    assert bag.import_errors == {}
    return bag.dags["warmup_advance"]


def test_it_closes_each_utc_day_once(dag: DAG) -> None:
    assert dag.timetable.summary == "0 0 * * *"
    assert dag.timetable.serialize()["timezone"] == "UTC"
    assert (dag.catchup, dag.max_active_runs, dag.params["dry_run"], dag.params["day"]) == (
        False,
        1,
        False,
        None,
    )
    assert "If it fails" in str(dag.doc_md)


def test_the_brake_stands_before_anything_is_published_and_alerts_leave_last(dag: DAG) -> None:
    assert dag.get_task("publish").get_flat_relative_ids(upstream=True) >= {
        "fleet",
        "decide",
        "hosts",
        "brake",
    }
    assert {asset.name for asset in dag.get_task("publish").outlets} == {"email-engine-allowances"}
    assert [task.task_id for task in dag.tasks if not task.downstream_list] == ["tell"]
    assert dag.get_task("tell").is_teardown


def test_parsing_it_loads_no_library_that_airflow_does_not_load_itself() -> None:
    script = (
        "import sys, airflow.sdk\n"
        "from airflow.sdk import DAG, CronTriggerTimetable, Param, BaseNotifier, BaseOperator, Asset, TriggerRule\n"
        "before = set(sys.modules)\n"
        f"sys.path.insert(0, {str(DAGS)!r})\n"
        "import warmup_advance\n"
        f"heavy = {HEAVY!r}\n"
        "light = {'email_engine', 'email_engine.fleet', 'email_engine.fleet.names_file'}\n"
        "new = set(sys.modules) - before - light\n"
        "print([m for m in sorted(new) if m in heavy or m.startswith(tuple(h + '.' for h in heavy))])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.fixture
def connections(airflow_database: None, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))


def whole_dag(test: Any) -> Any:
    """Airflow warns about itself when `dag.test()` first loads its API server."""
    return pytest.mark.usefixtures("connections")(pytest.mark.filterwarnings("ignore")(test))


def run(dag: DAG, run_after: datetime = MIDNIGHT, **params: Any) -> dict[str, str]:
    """States by task and map index; `run` is the whole. Each run has a second of its own, which makes its id."""
    for task in dag.tasks:
        if task.is_mapped:
            task.partial_kwargs["retries"] = 0
        else:
            task.retries = 0
    done = dag.test(run_conf=params, run_after=run_after + timedelta(seconds=next(_seconds)))
    states = {
        f"{ti.task_id}{'' if ti.map_index < 0 else f'[{ti.map_index}]'}": str(ti.state)
        for ti in done.get_task_instances()
    }
    return {"run": str(done.state), **states}


def rows(store: Store, table: Any) -> int:
    with store.session("*") as conn:
        return conn.execute(select(func.count()).select_from(table)).scalar_one()


@whole_dag
def test_from_an_empty_database_every_ip_is_decided_and_allowances_are_published(
    dag: DAG, store: Store
) -> None:
    states = run(dag)
    assert (states["decide[0]"], states["decide[1]"], states["publish"]) == ("success",) * 3
    assert (states["hosts"], states["brake"], states["whole"]) == ("success", "skipped", "success")
    assert states["run"] == "success"
    assert rows(store, schema.decisions) == 100
    warming = 2 * 7
    assert rows(store, schema.allowances) == 2 * 47 + warming, "and one for the provider that gets a share"
    with store.session("*") as conn:
        allowed = [ip.allowance for ip in load_ips(conn, day=MIDNIGHT.date(), tenant="aurora")]
    assert allowed == [10_000] * 40 + [50] * 7 + [0] * 3


@whole_dag
def test_the_same_day_again_and_a_dry_run_publish_and_decide_nothing(dag: DAG, store: Store) -> None:
    run(dag)
    again = run(dag)
    dry = run(dag, MIDNIGHT + timedelta(days=1), dry_run=True)
    assert (again["run"], again["publish"]) == ("success", "skipped")
    assert (dry["run"], dry["decide[0]"], dry["publish"]) == ("success", "success", "skipped")
    assert rows(store, schema.decisions) == 100


@whole_dag
def test_a_brake_that_cannot_be_put_on_fails_the_run_but_holds_back_no_allowance(
    dag: DAG, store: Store
) -> None:
    run(dag)
    with store.session("*") as conn:
        ip = load_ips(conn, day=MIDNIGHT.date())[0]
        engage(conn, ip, "test", Origin("test", MIDNIGHT, "rbl_sweep", "run"), None)
        conn.execute(update(schema.tenants).values(daily_quota=20_000))
    states = run(dag, MIDNIGHT + timedelta(days=1))
    assert (states["run"], states["brake[0]"], states["publish"]) == ("failed", "failed", "success")


@whole_dag
def test_a_day_that_is_no_date_is_refused_by_the_form(dag: DAG) -> None:
    with pytest.raises(Exception, match="day"):
        run(dag, day="yesterday")
