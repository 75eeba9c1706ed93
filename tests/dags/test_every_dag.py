"""What every pipeline promises, whichever it is."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from email_engine.paths import ROOT
from email_engine_airflow.timetable import UniqueRunCron

DAGS = ROOT / "dags"
SCHEDULES = {
    "accounting_ingest": "*/15 * * * *",
    "brake_watch": "*/2 * * * *",
    "dkim_rotate": "0 7 * * *",
    "dns_validate": "0 6 * * *",
    "list_hygiene": "0 4 * * 0",
    "mailwizz_health": "*/15 * * * *",
    "mailwizz_opens": "0 3 * * *",
    "mta_health": "*/15 * * * *",
    "rbl_sweep": "0 */4 * * *",
    "warmup_advance": "0 0 * * *",
}
BY_HAND = (
    "delisting",
    "emergency_stop",
    "fleet_adopt",
    "fleet_onboard",
    "ip_transition",
    "pmta_config_approval",
)
ANY_CHANGE = {"email-engine-allowances", "email-engine-fleet", "email-engine-listings"}
ON_CHANGE = {
    "mailwizz_quota_sync": ANY_CHANGE,
    "pmta_config_deploy": ANY_CHANGE,
    "reputation_guard": {"email-engine-accounting"},
    "suppression_sync": {"email-engine-accounting"},
}

ALL = (*SCHEDULES, *ON_CHANGE, *BY_HAND)

# how many runs at once, where it is not one: a watch or a person keeps no other change waiting
AT_ONCE = {
    "delisting": 128,
    "fleet_onboard": 128,
    "pmta_config_deploy": 4,
    "pmta_config_approval": 64,
    "emergency_stop": 500,
}

# a person triggers it and nothing waits: it shows first what it would do
DRY_AT_FIRST = {"fleet_adopt", "fleet_onboard", "ip_transition"}

# task -> tasks that must have come before it, directly or not
SAFETY = {
    ("pmta_config_deploy", "reduce"): {"plan"},
    ("pmta_config_deploy", "canary"): {"plan", "reduce"},
    ("pmta_config_deploy", "rest"): {"plan", "canary", "watch"},
    ("pmta_config_deploy", "ask"): {"plan"},
    ("pmta_config_approval", "deploy"): {"ask"},
    ("delisting", "ask"): {"dossier"},
    ("dkim_rotate", "sign"): {"make", "look"},
    ("dkim_rotate", "retire"): {"look", "sign"},
    ("dkim_rotate", "remove"): {"look", "retire"},
    ("delisting", "give_up"): {"ask", "ask_afterwards"},
    ("delisting", "finish"): {"recheck", "give_up"},
    ("emergency_stop", "brake"): {"pull"},
    ("fleet_adopt", "tell"): {"adopt"},
    ("fleet_onboard", "apply"): {"plan", "ask"},
    ("fleet_onboard", "wait_for_dns"): {"apply", "hand_over"},
    ("ip_transition", "brake"): {"move"},
    ("ip_transition", "publish"): {"brake"},
    ("brake_watch", "brake"): {"stops"},
    ("brake_watch", "publish"): {"brake"},
    ("list_hygiene", "look"): {"instances"},
    ("mailwizz_health", "check"): {"instances"},
    ("mailwizz_opens", "count"): {"instances"},
    ("mta_health", "check"): {"hosts"},
    ("rbl_sweep", "decide"): {"probe", "sweep", "confirm"},
    ("rbl_sweep", "brake"): {"decide"},
    ("rbl_sweep", "publish"): {"brake"},
    ("rbl_sweep", "follow_up"): {"brake"},
    ("reputation_guard", "brake"): {"guard"},
    ("reputation_guard", "publish"): {"brake"},
    ("warmup_advance", "decide"): {"fleet"},
    ("warmup_advance", "brake"): {"decide"},
    ("warmup_advance", "publish"): {"brake"},
}


@pytest.fixture(scope="module")
def bag() -> dict[str, DAG]:
    found = DagBag(str(DAGS), bundle_path=DAGS, bundle_name="dags-folder")
    assert found.import_errors == {}
    return dict(found.dags)


def scheduled(dag: DAG) -> Any:
    """The DAG as the scheduler sees it."""
    return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))


def test_each_file_holds_the_dag_of_its_name(bag: dict[str, DAG]) -> None:
    assert set(bag) == {path.stem for path in DAGS.glob("*.py")} == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_it_can_be_tried_dry_and_tells_people_when_it_fails(bag: dict[str, DAG], name: str) -> None:
    dag = bag[name]
    assert dag.params["dry_run"] is (name in DRY_AT_FIRST)
    described = dag.params.get_param("dry_run")
    assert described.schema["type"] == "boolean"
    assert described.schema["title"]
    assert described.description or described.schema.get("description")
    assert dag.on_failure_callback
    assert dag.max_active_runs == AT_ONCE.get(name, 1)
    assert dag.catchup is False
    assert dag.dagrun_timeout
    assert "email-engine" in dag.tags


NEEDED = {"fleet_onboard": ["stream", "range", "hostname", "domain"]}


@pytest.mark.parametrize("name", ALL)
def test_its_form_can_be_sent_as_it_opens(bag: dict[str, DAG], name: str) -> None:
    """The UI keeps the Trigger button grey while a text that may not be null is empty: so it is where nothing can be done without it."""
    params = {key: bag[name].params.get_param(key) for key in bag[name].params}
    grey = [key for key, one in params.items() if not one.has_value and "null" not in one.schema["type"]]
    assert grey == NEEDED.get(name, [])


@pytest.mark.parametrize("name", ALL)
def test_its_docstring_is_the_runbook_in_the_ui(bag: dict[str, DAG], name: str) -> None:
    text = (bag[name].doc_md or "").lower()
    for asked in ("when", "what it does", "what it changes", "if it fails"):
        assert asked in text, asked


@pytest.mark.parametrize("name", ALL)
def test_every_task_has_a_timeout_and_retries(bag: dict[str, DAG], name: str) -> None:
    for task in bag[name].tasks:
        settings: Any = task.partial_kwargs if task.is_mapped else vars(task)
        retries = settings.get("retries", getattr(task, "retries", 0))
        limit = settings.get("execution_timeout", getattr(task, "execution_timeout", None))
        assert retries >= 1, task.task_id
        assert isinstance(limit, timedelta), task.task_id


@pytest.mark.parametrize("name", [*SCHEDULES, "mailwizz_quota_sync", "pmta_config_deploy"])
def test_runs_by_the_clock_have_ids_of_their_own(bag: dict[str, DAG], name: str) -> None:
    timetable = scheduled(bag[name]).timetable
    assert isinstance(getattr(timetable, "timetable", timetable), UniqueRunCron)


@pytest.mark.parametrize("name", ALL)
def test_it_survives_the_journey_to_the_scheduler(bag: dict[str, DAG], name: str) -> None:
    assert {task.task_id for task in scheduled(bag[name]).tasks} == {task.task_id for task in bag[name].tasks}


@pytest.mark.parametrize(("name", "expression"), SCHEDULES.items())
def test_it_runs_at_the_hours_of_the_design(bag: dict[str, DAG], name: str, expression: str) -> None:
    assert scheduled(bag[name]).timetable.summary == expression


@pytest.mark.parametrize(("name", "signals"), ON_CHANGE.items(), ids=list(ON_CHANGE))
def test_it_follows_every_change(bag: dict[str, DAG], name: str, signals: set[str]) -> None:
    watched = {key.name for key, _ in scheduled(bag[name]).timetable.asset_condition.iter_assets()}
    assert watched == signals


@pytest.mark.parametrize(("name", "task", "before"), [(*key, checks) for key, checks in SAFETY.items()])
def test_what_is_dangerous_stands_behind_its_checks(
    bag: dict[str, DAG], name: str, task: str, before: set[str]
) -> None:
    upstream = {each.task_id for each in bag[name].get_task(task).get_flat_relatives(upstream=True)}
    assert before <= upstream


MEASURE = """
import runpy, sys, time
began = time.process_time()
import airflow.sdk
alone = time.process_time() - began
for path in sys.argv[1:]:
    runpy.run_path(path)
print(alone, time.process_time() - began)
"""


def test_all_dag_files_together_cost_little_more_than_airflow_itself() -> None:
    """Each measure has its own peer in the same process, in CPU time; the best of five counts."""
    files = [str(path) for path in sorted(Path(DAGS).glob("*.py"))]
    ratios = []
    for _ in range(5):
        printed = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", MEASURE, *files],
            capture_output=True,
            text=True,
            check=True,
        )
        alone, together = (float(number) for number in printed.stdout.split()[-2:])
        ratios.append(together / alone)
    assert min(ratios) <= 1.2, ratios
