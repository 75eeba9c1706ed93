"""The wiring of rbl_sweep and dns_validate: what must run before, after and in spite of what."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, TriggerRule

from email_engine_airflow.pools import FIRST

DAGS = Path(__file__).resolve().parents[2] / "dags"


@pytest.fixture(scope="module")
def rbl_sweep() -> DAG:
    dag: DAG = runpy.run_path(str(DAGS / "rbl_sweep.py"))["dag"]
    return dag


@pytest.fixture(scope="module")
def dns_validate() -> DAG:
    dag: DAG = runpy.run_path(str(DAGS / "dns_validate.py"))["dag"]
    return dag


def upstream(dag: DAG, task: str) -> set[str]:
    return set(dag.get_task(task).get_flat_relative_ids(upstream=True))


def test_rbl_sweep_runs_every_four_hours_one_at_a_time(rbl_sweep: DAG) -> None:
    assert rbl_sweep.schedule.summary == "0 */4 * * *"
    assert rbl_sweep.max_active_runs == 1
    assert rbl_sweep.doc_md
    assert rbl_sweep.params.dump()["dry_run"] is False
    assert rbl_sweep.params.dump()["lists"] is None


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("every_hours: 1\n", "0 */1 * * *"),
        ("every_hours: 5\n", "0 */4 * * *"),
        ("nonsense: [", "0 */4 * * *"),
    ],
    ids=["hourly", "no part of a day", "garbage"],
)
def test_the_block_list_file_says_how_often(
    text: str, cron: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "{127.0.0.2: {sublist: SBL, class: reputation, severity: high}}"
    (tmp_path / "lists.yaml").write_text(text + f"lists: [{{name: zen, zone: zen.example, codes: {code}}}]\n")
    monkeypatch.setenv("EMAIL_ENGINE_BLOCKLISTS", str(tmp_path / "lists.yaml"))
    dag: DAG = runpy.run_path(str(DAGS / "rbl_sweep.py"))["dag"]
    assert dag.schedule.summary == cron


def test_nothing_is_decided_before_lists_are_probed_and_ips_swept(rbl_sweep: DAG) -> None:
    assert {"probe", "sweep", "confirm"} <= upstream(rbl_sweep, "decide")
    assert "decide" in upstream(rbl_sweep, "brake")


def test_what_is_new_is_asked_again_before_other_work_gets_the_worker(rbl_sweep: DAG) -> None:
    confirm: Any = rbl_sweep.get_task("confirm")
    assert (confirm.priority_weight, confirm.weight_rule) == tuple(FIRST.values())
    assert confirm.upstream_task_ids == {"sweep"}


def test_the_brake_stands_before_anything_else_is_started(rbl_sweep: DAG) -> None:
    assert "brake" in upstream(rbl_sweep, "publish")
    assert [asset.name for asset in rbl_sweep.get_task("publish").outlets] == ["email-engine-listings"]


@pytest.mark.parametrize("task", ["hosts", "publish"])
def test_a_failure_never_keeps_the_rest_from_braking_and_publishing(rbl_sweep: DAG, task: str) -> None:
    assert rbl_sweep.get_task(task).trigger_rule == TriggerRule.ALL_DONE


def test_a_failed_brake_fails_the_run_although_later_tasks_succeed(rbl_sweep: DAG) -> None:
    whole: Any = rbl_sweep.get_task("whole")
    assert {"probe", "sweep", "confirm", "decide", "hosts", "brake", "follow_up"} == whole.upstream_task_ids
    assert whole.trigger_rule == TriggerRule.NONE_FAILED
    assert rbl_sweep.get_task("tell").is_teardown


@pytest.mark.parametrize("garbage", ["1m", "", "-1", "\u0661"])
def test_no_variable_of_the_environment_changes_or_removes_the_dag(
    monkeypatch: pytest.MonkeyPatch, garbage: str
) -> None:
    monkeypatch.setenv("EMAIL_ENGINE_CONFIRM_AFTER", garbage)
    monkeypatch.setenv("EMAIL_ENGINE_WATCH_MINUTES", garbage)
    assert runpy.run_path(str(DAGS / "rbl_sweep.py"))["dag"].params.dump()["confirm_after"] is None
    assert runpy.run_path(str(DAGS / "pmta_config_deploy.py"))["dag"].params.dump()["watch_minutes"] is None


def test_dns_validate_runs_daily_at_six_and_is_visible_when_it_fails(dns_validate: DAG) -> None:
    assert dns_validate.schedule.summary == "0 6 * * *"
    assert upstream(dns_validate, "check") == {"tenants"}
    assert dns_validate.get_task("tell").is_teardown
    assert dns_validate.doc_md
    assert not dns_validate.get_task("check").outlets
