"""The DAG `delisting` run by Airflow itself, and the trigger that waits in it."""

import asyncio
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from sqlalchemy import select

from email_engine.blocklists.delisting import Answer, Delisting, Recheck, Status
from email_engine.paths import ROOT
from email_engine.pipelines.delisting import recheck as rechecks
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.stops import delistings
from email_engine.store.telling import alerts
from email_engine_airflow.triggers import delisting as triggers
from email_engine_airflow.triggers.delisting import DelistingTrigger
from tests.airflow_connections import engine_connection
from tests.bot_api import BotApi
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.hitl_answers import TASK, Answers
from tests.listing_rows import add_listing, close_listing, quarantine

SECONDS = count(1)
AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)


@pytest.fixture
def listing(store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """An IP in quarantine for a listing that stands; the id of that."""
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    with store.session("*") as conn:
        add_host(conn)
        add_tenant(conn)
        ip_id = add_ip(conn, 1, state="active")
        quarantine(conn, ip_id, AS_OF)
        return add_listing(conn, ip_id, AS_OF)


def over(store: Store, listing: int) -> None:
    """A sweep closed it and the list says so too."""
    with store.session("*") as conn:
        close_listing(conn, listing, AS_OF)
        read = delistings.find(conn, listing)
        delistings.note_check(conn, read, Answer.NOT_LISTED, Recheck(Status.CLEARED, None, None), AS_OF)


def named(store: Store, listing: int) -> None:
    with store.session("*") as conn:
        delistings.answer(conn, listing, "ops", AS_OF, cause="old list")


def row(store: Store, listing: int) -> Delisting:
    with store.session("*") as conn:
        return delistings.find(conn, listing)


class TestTrigger:
    @pytest.fixture
    def asked(self, store: Store, listing: int) -> int:
        with store.session("*") as conn:
            delistings.follow(conn, listing, "delisting", "one")
            delistings.ask(conn, listing, AS_OF)
        return listing

    async def first(self, listing: int, seconds: float = 15, **changes: Any) -> dict[str, Any]:
        deadline = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        trigger = DelistingTrigger(
            **{
                "ti_id": TASK,
                "listing_id": listing,
                "part": "standing",
                "run_id": "one",
                "deadline": deadline,
                "poll_seconds": 0.05,
            }
            | changes
        )
        path, arguments = trigger.serialize()
        assert path == "email_engine_airflow.triggers.delisting.DelistingTrigger"
        async for event in DelistingTrigger(**json.loads(json.dumps(arguments))).run():
            return dict(event.payload)
        raise AssertionError("it ended without an event")

    def fire(self, listing: int, seconds: float = 15, **changes: Any) -> dict[str, Any]:
        return asyncio.run(asyncio.wait_for(self.first(listing, seconds, **changes), 30))

    @pytest.mark.parametrize("what", [over, named])
    def test_it_fires_when_the_question_has_no_sense_any_more(
        self, store: Store, asked: int, what: Any
    ) -> None:
        threading.Timer(0.3, what, (store, asked)).start()
        assert self.fire(asked) == {"ended": True}

    def test_an_answer_that_came_before_the_task_was_parked_is_not_lost(
        self, asked: int, answers: Answers
    ) -> None:
        answers.give("We mended it", cause="an old list")
        assert self.fire(asked)["params_input"] == {"cause": "an old list"}

    def test_it_fires_at_the_deadline(self, asked: int) -> None:
        assert self.fire(asked, 0.2) == {"error_type": "timeout"}

    def test_it_fires_when_another_run_follows_the_listing(self, asked: int) -> None:
        assert self.fire(asked, run_id="two") == {"ended": True}

    def test_a_database_that_is_away_is_asked_again(
        self, asked: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nowhere = json.loads(engine_connection("postgresql:///x?host=/nowhere"))
        monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", json.dumps(nowhere))
        assert self.fire(asked, 0.2) == {"error_type": "timeout"}

    def test_a_question_that_is_asked_after_a_look_is_not_taken_for_ended(
        self, store: Store, listing: int
    ) -> None:
        """Others looked a moment before: what they saw knows nothing of it."""

        async def both() -> dict[str, Any]:
            with store.session("*") as conn:
                delistings.follow(conn, listing, "delisting", "one")
            assert await self.first(listing, poll_seconds=60) == {"ended": True}, "nobody is asked yet"
            with store.session("*") as conn:
                delistings.ask(conn, listing, AS_OF)
            return await self.first(listing, 0.3, poll_seconds=60)

        assert asyncio.run(both()) == {"error_type": "timeout"}

    def test_three_hundred_questions_look_at_the_database_together(
        self, asked: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks, real = count(), triggers._asked

        async def counted() -> Any:
            next(looks)
            return await real()

        async def many() -> list[dict[str, Any]]:
            waiting = (self.first(asked, 2, poll_seconds=10) for _ in range(300))
            return await asyncio.gather(*waiting)

        monkeypatch.setattr(triggers, "_asked", counted)
        assert asyncio.run(many()) == [{"error_type": "timeout"}] * 300
        assert next(looks) <= 2


@pytest.fixture
def dag(airflow_database: None, monkeypatch: pytest.MonkeyPatch) -> DAG:
    bag = DagBag(ROOT / "dags" / "delisting.py", bundle_path=ROOT / "dags", bundle_name="dags-folder")
    assert bag.import_errors == {}
    made = bag.dags["delisting"]
    for task in made.tasks:
        task.retries = 0
    for name in ("ask", "ask_afterwards"):
        asks: Any = made.get_task(name)
        asks.poll_seconds = 0.1
    return made


def run(dag: DAG, **conf: Any) -> dict[str, str]:
    done = dag.test(run_conf={"dry_run": False} | conf, run_after=AS_OF + timedelta(seconds=next(SECONDS)))
    return {"run": done.state} | {ti.task_id: ti.state for ti in done.get_task_instances()}


def told(store: Store) -> list[str]:
    with store.session("*") as conn:
        return [alert.text for alert in alerts.pending(conn)]


@pytest.mark.filterwarnings("ignore")  # Airflow's own, from all that it imports for dag.test()
class TestDag:
    def test_it_asks_is_superseded_asks_afterwards_and_ends_when_the_cause_is_named(
        self, dag: DAG, store: Store, listing: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Whichever of `ask` and `recheck` comes first: the re-check looks again before anybody would have been asked.
        monkeypatch.setattr(rechecks, "pause_after", lambda checks: timedelta(seconds=0.3))
        with store.session("*") as conn:
            delistings.follow(conn, listing, None, None)
        wait = threading.Thread(target=_live, args=(store, listing), daemon=True)
        wait.start()
        with BotApi() as bot:
            monkeypatch.setenv("AIRFLOW_CONN_TELEGRAM_ALERTS_DEFAULT", json.dumps(bot.connection()))
            states = run(dag, listing=listing)
        wait.join(30)
        assert states == {
            "run": "success", "dossier": "success", "ask": "skipped", "ask_afterwards": "skipped", "recheck": "success",
            "give_up": "skipped", "finish": "success", "tell": "success",
        }  # fmt: skip
        assert row(store, listing).cause == "old list"
        assert [text for text in told(store) if "cause named by ops (old list)" in text]

    def test_without_telegram_it_does_the_same_and_the_news_waits(
        self, dag: DAG, store: Store, listing: int
    ) -> None:
        with store.session("*") as conn:
            delistings.follow(conn, listing, None, None)
        over(store, listing)
        named(store, listing)
        states = run(dag, listing=listing)
        assert (states["run"], states["finish"]) == ("success", "success")
        assert len(told(store)) == 1

    def test_a_form_that_asks_for_no_more_ends_there(self, dag: DAG, store: Store, listing: int) -> None:
        states = run(
            dag, action="name_cause", scope="ip", name="198.51.100.1", cause="old list", listing=None
        )
        assert {states[name] for name in ("dossier", "ask", "recheck", "ask_afterwards", "finish")} == {
            "skipped"
        }
        assert states["run"] == "success"
        assert row(store, listing).cause == "old list"


def _live(store: Store, listing: int) -> None:
    """The listing ends while its question waits; whoever is asked afterwards names the cause."""
    first = _asked(store, listing)
    over(store, listing)
    _asked(store, listing, after=first)
    named(store, listing)


def _asked(store: Store, listing: int, after: datetime | None = None) -> datetime:
    """When the question that waits now was asked; one that was superseded may be followed by the next at once."""
    query = select(s.delistings).where(s.delistings.c.listing_id == listing)
    while True:
        with store.session("*") as conn:
            found = conn.execute(query).one()
        if found.question == "pending" and (after is None or found.asked_at > after):
            return datetime.fromisoformat(found.asked_at.isoformat())
        time.sleep(0.2)
