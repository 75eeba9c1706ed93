"""The DAG `pmta_config_approval` run by Airflow itself, and the trigger that waits in it."""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from email_engine.paths import ROOT
from email_engine.store import versions
from email_engine.store.deployment import approvals
from email_engine.store.deployment.approvals import Approval, Question
from email_engine.store.engine import Store
from email_engine_airflow.triggers import early_answer
from email_engine_airflow.triggers.approval import QuestionTrigger
from tests.airflow_connections import engine_connection
from tests.bot_api import BotApi
from tests.fleet_rows import add_host
from tests.hitl_answers import TASK, Answers

SECONDS = count(1)
AS_OF = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture
def asked(store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Approval:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    with store.session("*") as conn:
        add_host(conn)
        question = Question(
            "mta-1", versions.bump(conn, "test"), "d1", "d0", ["2 virtual MTAs would disappear"], "2 go", "-a\n", "ops"
        )  # fmt: skip
        return approvals.ask(conn, question, datetime.now(UTC))


def end(store: Store, approval: Approval) -> None:
    with store.session("*") as conn:
        approvals.supersede(conn, "mta-1", "superseded by fleet version 9", datetime.now(UTC))


class TestTrigger:
    def fire(self, approval: Approval, seconds: float, **settings: Any) -> dict[str, Any]:
        deadline = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        trigger = QuestionTrigger(TASK, approval.id, deadline, 0.05, **settings)
        path, arguments = trigger.serialize()
        assert path == "email_engine_airflow.triggers.approval.QuestionTrigger"

        async def first() -> dict[str, Any]:
            async for event in QuestionTrigger(**json.loads(json.dumps(arguments))).run():
                return dict(event.payload)
            raise AssertionError("it ended without an event")

        return asyncio.run(asyncio.wait_for(first(), 20))

    def test_it_fires_when_the_question_is_superseded(self, store: Store, asked: Approval) -> None:
        threading.Timer(0.3, end, (store, asked)).start()
        assert self.fire(asked, 15) == {"ended": "superseded by fleet version 9; nothing was changed"}

    def test_an_answer_that_came_before_the_task_was_parked_is_not_lost(
        self, asked: Approval, answers: Answers
    ) -> None:
        """Airflow stores such an answer and resumes nothing; it may even be stored a moment after the trigger began."""
        threading.Timer(0.3, answers.give, ("Approve",), {"reason": "seen"}).start()
        assert self.fire(asked, 15) == {
            "chosen_options": ["Approve"],
            "params_input": {"reason": "seen"},
            "responded_by_user": {"id": "1", "name": "ops"},
        }

    def test_an_airflow_that_does_not_say_whether_somebody_answered_is_asked_again(
        self, asked: Approval, answers: Answers
    ) -> None:
        answers.refused = 3
        answers.give("Reject")
        assert self.fire(asked, 15)["chosen_options"] == ["Reject"]
        assert answers.looks == 4

    def test_later_the_answer_is_left_to_airflow(
        self, asked: Approval, answers: Answers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Hundreds of questions wait for weeks: they do not all ask every ten seconds."""
        monkeypatch.setattr(early_answer, "SECONDS", 0.2)
        assert self.fire(asked, 1.5) == {"error_type": "timeout"}
        assert 1 <= answers.looks < 10

    def test_it_fires_at_the_deadline(self, asked: Approval) -> None:
        assert self.fire(asked, 0.2) == {"error_type": "timeout"}

    def test_a_database_that_is_away_is_asked_again(
        self, asked: Approval, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = json.loads(engine_connection("postgresql:///x?host=/nowhere"))
        monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", json.dumps(good))
        assert self.fire(asked, 0.2) == {"error_type": "timeout"}


@pytest.fixture
def dag(airflow_database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[DAG]:
    path = ROOT / "dags" / "pmta_config_approval.py"
    bag = DagBag(path, bundle_path=ROOT / "dags", bundle_name="dags-folder")
    assert bag.import_errors == {}
    made = bag.dags["pmta_config_approval"]
    for task in made.tasks:
        task.retries = 0
    ask: Any = made.get_task("ask")
    ask.poll_seconds = 0.1
    with BotApi() as bot:
        monkeypatch.setenv("AIRFLOW_CONN_TELEGRAM_ALERTS_DEFAULT", json.dumps(bot.connection()))
        yield made


def run(dag: DAG, **conf: Any) -> dict[str, str]:
    done = dag.test(
        run_conf={"dry_run": False, "hours": 12} | conf, run_after=AS_OF + timedelta(seconds=next(SECONDS))
    )
    return {"run": done.state} | {ti.task_id: ti.state for ti in done.get_task_instances()}


ENDED_WELL = {"run": "success", "ask": "skipped", "deploy": "skipped", "tell": "success"}


@pytest.mark.filterwarnings("ignore")  # Airflow's own, from all that it imports for dag.test()
class TestDag:
    def test_a_superseded_question_ends_by_itself(self, dag: DAG, store: Store, asked: Approval) -> None:
        """Within the bound of every run in a test (tests/dag_runs.py); by itself it would wait for twelve hours."""
        threading.Timer(2, end, (store, asked)).start()
        assert run(dag, approval=asked.id) == ENDED_WELL

    def test_no_answer_means_no(self, dag: DAG, store: Store, asked: Approval) -> None:
        assert run(dag, approval=asked.id, hours=0.0002) == ENDED_WELL
        with store.session("*") as conn:
            assert approvals.find(conn, asked.id).status == "expired"

    def test_a_dry_run_asks_nobody(self, dag: DAG, store: Store, asked: Approval) -> None:
        assert run(dag, approval=asked.id, dry_run=True) == ENDED_WELL
        with store.session("*") as conn:
            assert approvals.find(conn, asked.id).status == "pending"

    def test_without_an_approval_it_fails_at_once(self, dag: DAG, asked: Approval) -> None:
        states = run(dag, approval=None)
        assert (states["run"], states["ask"], states["deploy"]) == ("failed", "failed", "upstream_failed")
