"""The DAG `pmta_config_deploy` run by Airflow itself, against two hosts of the lab."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from email_engine.paths import ROOT
from email_engine.store import schema
from email_engine.store.engine import Store
from email_engine_airflow.operators.pmta_config_deploy import ChooseHosts, ListHosts
from lab.testing import RunningLab
from tests.bot_api import BotApi
from tests.integration.deploy_bench import AS_OF, Bench, deploy_lab, prepare, reset

SECONDS = itertools.count()
"""A run id holds its run_after: no two runs at one time."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with deploy_lab(tmp_path_factory.mktemp("lab"), hosts=2) as running:
        yield running


@pytest.fixture
def bench(
    lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    reset(lab)
    with BotApi() as bot:
        monkeypatch.setenv("AIRFLOW_CONN_TELEGRAM_ALERTS_DEFAULT", json.dumps(bot.connection()))
        yield prepare(lab, store, engine_database_url, monkeypatch)


def choose(part: str, *plans: dict[str, Any]) -> list[str]:
    found = ChooseHosts(task_id="choose", plans=plans, part=part).execute({})
    return [plan["host"] + (" in part" if "part" in plan else "") for plan in found]


def plan(host: str, kind: str = "canary", **fields: Any) -> dict[str, Any]:
    return {"host": host, "kind": kind, "changed": True, "lowers": False, "dry_run": False} | fields


class TestChoosing:
    @pytest.mark.parametrize(
        ("plans", "reduce", "canary", "rest", "ask"),
        [
            ([], [], [], [], []),
            ([plan("a", changed=False)], [], [], [], []),
            ([plan("a")], [], ["a"], [], []),
            ([plan("c"), plan("a", changed=False), plan("b")], [], ["b"], ["c"], []),
            ([plan("a", dry_run=True), plan("b", "approval", dry_run=True)], [], [], [], []),
            ([plan("a", "at_once"), plan("b")], ["a"], ["b"], [], []),
            ([plan("a", lowers=True), plan("b", lowers=True)], ["b in part"], ["a"], ["b"], []),
            ([plan("a", "approval"), plan("b")], [], ["b"], [], ["a"]),
            ([plan("a", "approval", lowers=True)], ["a in part"], [], [], ["a"]),
        ],
        ids=[
            "none", "unchanged", "one host", "three hosts", "dry run", "only lowers", "lowers and more", "needs a person",
            "needs a person and lowers",
        ],
    )  # fmt: skip
    def test_what_lowers_goes_first_and_the_first_real_change_is_the_canary(
        self,
        plans: list[dict[str, Any]],
        reduce: list[str],
        canary: list[str],
        rest: list[str],
        ask: list[str],
    ) -> None:
        found = [choose(part, *plans) for part in ("reduce", "canary", "rest", "ask")]
        assert found == [reduce, canary, rest, ask]


class TestHosts:
    def hosts(self, bench: Bench, **params: Any) -> list[str]:
        return ListHosts(task_id="hosts").execute(bench.context(**params))

    def test_all_or_the_one_that_was_asked_for(self, bench: Bench) -> None:
        assert self.hosts(bench) == ["mta-1", "mta-2"]
        assert self.hosts(bench, host="mta-2") == ["mta-2"]

    def test_a_change_asks_nobody_while_nothing_was_decided_about_any_ip(self, bench: Bench) -> None:
        bench.deploy("mta-1")
        changed = bench.context()
        changed["dag_run"].run_type = "asset_triggered"
        assert ListHosts(task_id="hosts").execute(changed) == ["mta-1", "mta-2"]
        with bench.db.session(tenant="*") as conn:
            conn.execute(schema.allowances.delete())
        with pytest.raises(AirflowSkipException, match="warmup_advance comes first"):
            ListHosts(task_id="hosts").execute(changed)
        bench.change(schema.deployments, schema.deployments.c.mta_host == "mta-1", status="applying")
        changed["dag_run"].run_type = "scheduled"
        with pytest.raises(AirflowSkipException, match="warmup_advance comes first"):
            ListHosts(task_id="hosts").execute(changed)
        assert self.hosts(bench) == ["mta-1", "mta-2"], "by hand it goes ahead, and the guard asks"

    @pytest.mark.parametrize(
        ("params", "says"),
        [
            ({"host": "mta-9"}, "mta-9 carries no IP"),
            ({"accept_breach": True, "reason": " "}, "no reason"),
            ({"accept_breach": True, "reason": "all fine"}, "about mta-1, mta-2"),
            ({"rollback_to": 99}, "deployment 99"),
            ({"rollback_to": 10**40}, r"deployment 1000000000\.\.\. \(41 digits\): not in the database"),
            ({"approval": 10**40}, r"key approval of this run: 1000.*; expected an id of table approvals"),
        ],
    )
    def test_params_that_lead_nowhere_fail_before_a_host_is_touched(
        self, bench: Bench, params: dict[str, Any], says: str
    ) -> None:
        with pytest.raises(AirflowFailException, match=says):
            self.hosts(bench, **params)

    def test_a_dry_run_with_a_mistake_fails_too(self, bench: Bench) -> None:
        with pytest.raises(AirflowFailException, match="param host: mta-9 carries no IP"):
            self.hosts(bench, host="mta-9", dry_run=True)

    def test_a_rollback_is_for_its_own_host(self, bench: Bench) -> None:
        done = bench.deploy("mta-2")
        assert self.hosts(bench, rollback_to=done["deployment"]) == ["mta-2"]
        with pytest.raises(AirflowFailException, match="is of mta-2"):
            self.hosts(bench, rollback_to=done["deployment"], host="mta-1")

    def test_a_killed_deployment_counts_as_failed(self, bench: Bench) -> None:
        bench.deploy("mta-1")
        with pytest.raises(AirflowSkipException):
            self.hosts(bench, only_failed=True)
        bench.change(schema.deployments, schema.deployments.c.mta_host == "mta-1", status="applying")
        assert self.hosts(bench, only_failed=True) == ["mta-1", "mta-2"]

    def test_what_waits_for_a_person_is_not_tried_again_by_the_clock(self, bench: Bench) -> None:
        bench.deploy("mta-1")
        bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-1", removed=True)
        assert bench.plan("mta-1")["kind"] == "approval"
        with pytest.raises(AirflowSkipException):
            self.hosts(bench, only_failed=True)


def pile_up_when_watched(bench: Bench, host: str) -> None:
    """Mail comes in and none leaves, as soon as the second deployment to the host is watched."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(
            row["mta_host"] == host and row["status"] == "verified" and row["baseline"]
            for row in bench.rows()
        ):
            bench.lab.knob("put_mail_in_queue", host=host, vmta="aurora-1", domain="gmail.com", n=2500)
            return
        time.sleep(0.1)


@pytest.mark.filterwarnings("default")  # Airflow's own, from all that it imports for dag.test()
@pytest.mark.usefixtures("airflow_database")
class TestDag:
    def run(self, **params: Any) -> dict[str, str]:
        """States by task and map index."""
        bag = DagBag(
            ROOT / "dags" / "pmta_config_deploy.py",
            bundle_path=Path(ROOT / "dags"),
            bundle_name="dags-folder",
        )
        assert bag.import_errors == {}
        dag = bag.dags["pmta_config_deploy"]
        for task in dag.tasks:
            task.retries = 0
        run = dag.test(
            run_conf={"watch_minutes": 0} | params, run_after=AS_OF + timedelta(seconds=next(SECONDS))
        )
        states = {
            f"{ti.task_id}{'' if ti.map_index < 0 else f'[{ti.map_index}]'}": ti.state
            for ti in run.get_task_instances()
        }
        return {"run": run.state, **states}

    def test_canary_then_rest_then_nothing(self, bench: Bench) -> None:
        states = self.run()
        assert states["run"] == "success"
        assert [states[task] for task in ("canary[0]", "watch[0]", "rest[0]")] == ["success"] * 3
        assert (states["reduce"], states["ask"]) == ("skipped", "skipped")
        assert [row["mta_host"] for row in bench.rows()] == ["mta-1", "mta-2"]
        assert [event for event, _, _ in bench.told()] == ["deployment", "deployment"], (
            "good news waits quietly"
        )
        again = self.run()
        assert (again["run"], again["canary"], again["rest"]) == ("success", "skipped", "skipped")

    def test_a_failed_canary_stops_the_rest_and_people_are_told(self, bench: Bench) -> None:
        bench.lab.knob("refuse_test_config", host="mta-1", text="argument missing")
        states = self.run()
        assert states["run"] == "failed"
        assert states["canary[0]"] == "failed"
        assert (states["watch"], states["rest"]) == ("upstream_failed", "upstream_failed")
        assert states["tell"] == "success"
        assert [row["mta_host"] for row in bench.rows()] == ["mta-1"]
        assert "email-engine begin" not in bench.file("mta-2")

    def test_a_host_that_is_down_does_not_keep_the_other_from_following(self, bench: Bench) -> None:
        bench.lab.knob("down", host="mta-1")
        states = self.run()
        assert (states["run"], states["plan[0]"], states["canary[0]"]) == ("failed", "failed", "success")
        assert [row["mta_host"] for row in bench.rows()] == ["mta-2"]

    def test_a_breach_on_one_host_asks_lowers_there_and_lets_the_other_follow(self, bench: Bench) -> None:
        self.run()
        bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-1", removed=True)
        bench.allow(500, "aurora-2")
        bench.allow(2000, "aurora-5")
        states = self.run()
        assert states["run"] == "success"
        assert [states[task] for task in ("reduce[0]", "ask[0]", "canary[0]")] == ["success"] * 3
        vmtas = bench.running("mta-1")["vmtas"] | bench.running("mta-2")["vmtas"]
        assert {name: vmtas[name]["max_smtp_msg_rate"] for name in ("aurora-1", "aurora-2", "aurora-5")} == {
            "aurora-1": "1200/d", "aurora-2": "600/d", "aurora-5": "2400/d",
        }  # fmt: skip
        again = self.run()
        assert (again["run"], again["ask[0]"]) == ("success", "skipped"), "the question is asked already"
        assert len(bench.approvals()) == 1

    def test_a_canary_that_does_worse_goes_back_and_the_rest_do_not_follow(self, bench: Bench) -> None:
        self.run()
        good = bench.file("mta-1")
        bench.allow(2000)
        watched = threading.Thread(target=pile_up_when_watched, args=(bench, "mta-1"), daemon=True)
        watched.start()
        states = self.run(watch_minutes=0.1)
        watched.join(30)
        assert (states["run"], states["canary[0]"], states["watch[0]"]) == ("failed", "success", "failed")
        assert (states["rest"], states["history"]) == ("upstream_failed", "success")
        assert bench.file("mta-1") == good
        assert "2400/d" not in bench.file("mta-2")
        assert [row["status"] for row in bench.rows()[-2:]] == ["rolled_back", "verified"]

    def test_a_dry_run_touches_no_host(self, bench: Bench) -> None:
        states = self.run(dry_run=True)
        assert (states["run"], states["canary"], states["rest"]) == ("success", "skipped", "skipped")
        assert bench.rows() == []
