"""The form of `ip_transition` as a whole: wiring, and runs on a real database without any host."""

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from email_engine.lifecycle.machine import TABLE, Cause
from email_engine.store import versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.fleet.ips import load_ips
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.lifecycle_rows import well_known

DAGS = Path(__file__).resolve().parents[2] / "dags"
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
_seconds = count(1)


@pytest.fixture
def dag() -> DAG:
    bag = DagBag(DAGS / "ip_transition.py", bundle_path=DAGS, bundle_name="dags-folder")
    assert bag.import_errors == {}
    return bag.dags["ip_transition"]


def test_its_form_offers_every_event_that_a_person_may_cause_each_with_a_title(dag: DAG) -> None:
    event = dag.params.get_param("event").schema
    assert set(event["enum"]) == {row.event.value for row in TABLE if row.by is not Cause.ENGINE}
    assert set(event["values_display"]) == set(event["enum"])


def test_it_shows_first_and_asks_for_a_reason(dag: DAG) -> None:
    assert dag.params["dry_run"] is True
    assert dag.params.get_param("reason").schema["minLength"] == 3
    assert dag.params.get_param("until").schema["format"] == "date"


def test_allowances_are_published_even_where_a_host_is_away_and_alerts_leave_last(dag: DAG) -> None:
    assert {asset.name for asset in dag.get_task("publish").outlets} == {"email-engine-allowances"}
    assert dag.get_task("publish").trigger_rule == "all_done"
    assert [task.task_id for task in dag.tasks if not task.downstream_list] == ["tell"]


@pytest.fixture
def fleet(
    airflow_database: None, engine_database_url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One standby IP that may start, one active IP."""
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    with store.session("*") as conn:
        add_host(conn)
        add_tenant(conn)
        for number, state in ((1, "standby"), (2, "active")):
            well_known(conn, add_ip(conn, number, state=state), NOON)
        active = load_ips(conn, day=NOON.date())[1]
        ips.set_allowance(conn, active.ip_id, "aurora", NOON.date(), 800, versions.bump(conn, "test"), None)


def whole_dag(test: Any) -> Any:
    """Airflow warns about itself when `dag.test()` first loads its API server."""
    return pytest.mark.usefixtures("fleet")(pytest.mark.filterwarnings("ignore")(test))


def run(dag: DAG, **params: Any) -> dict[str, str]:
    for task in dag.tasks:
        if task.is_mapped:
            task.partial_kwargs["retries"] = 0
        else:
            task.retries = 0
    form = {"scope": "ip", "reason": "asked for", "dry_run": False}
    done = dag.test(run_conf=form | params, run_after=NOON + timedelta(seconds=next(_seconds)))
    states = {
        f"{ti.task_id}{'' if ti.map_index < 0 else f'[{ti.map_index}]'}": str(ti.state)
        for ti in done.get_task_instances()
    }
    return {"run": str(done.state), **states}


def states(store: Store) -> list[str]:
    with store.session("*") as conn:
        return [str(ip.state) for ip in load_ips(conn, day=NOON.date())]


@whole_dag
def test_a_person_starts_an_ip_and_deployment_and_quotas_follow(dag: DAG, store: Store) -> None:
    shown = run(dag, event="start", name="198.51.100.1", dry_run=True)
    assert (shown["run"], shown["publish"], states(store)) == ("success", "skipped", ["standby", "active"])
    done = run(dag, event="start", name="198.51.100.1")
    assert (done["run"], done["move"], done["brake[0]"], done["publish"]) == ("success",) * 4
    assert states(store) == ["warming", "active"]


@whole_dag
def test_a_refusal_fails_the_run_and_publishes_nothing(dag: DAG, store: Store) -> None:
    done = run(dag, event="abandon", name="198.51.100.2")
    assert (done["run"], done["move"], done["publish"]) == ("failed", "failed", "skipped")
    assert states(store) == ["standby", "active"]


@whole_dag
def test_a_host_that_is_away_fails_the_run_and_holds_back_no_allowance(dag: DAG, store: Store) -> None:
    done = run(dag, event="quarantine", name="198.51.100.2")
    assert (done["run"], done["move"], done["brake[0]"], done["publish"]) == (
        "failed", "success", "failed", "success",
    )  # fmt: skip
    assert states(store) == ["standby", "quarantine"]
