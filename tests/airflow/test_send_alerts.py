"""The last task of every pipeline, run by Airflow itself against a real database and a Bot API on loopback."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, TriggerRule
from sqlalchemy import make_url

from email_engine.errors import AccessDenied
from email_engine.store import alerts
from email_engine.store.engine import Store
from email_engine_airflow.operators.alerts import SendAlerts
from tests.bot_api import BotApi

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def bot() -> Iterator[BotApi]:
    with BotApi() as api:
        yield api


@pytest.fixture
def connections(bot: BotApi, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = make_url(engine_database_url)
    database: dict[str, Any] = {
        "conn_type": "postgres", "host": url.query["host"], "login": url.username, "password": url.password,
        "schema": url.database,
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", json.dumps(database))
    monkeypatch.setenv("AIRFLOW_CONN_TELEGRAM_ALERTS_DEFAULT", json.dumps(bot.connection()))


def send(*, dry_run: bool = False) -> dict[str, int]:
    run = SimpleNamespace(dag_id="rbl_sweep", run_id="scheduled__1", run_after=AS_OF, logical_date=None)
    return SendAlerts(task_id="send_alerts").execute({"dag_run": run, "params": {"dry_run": dry_run}})


def raise_alerts(store: Store, count: int, text: str = "listed on zen") -> None:
    with store.session(tenant="*") as conn:
        for n in range(count):
            alerts.raise_alert(conn, "listing", f"198.51.100.{n}", "listed", "critical", text)


def waiting(store: Store) -> int:
    with store.session(tenant="*") as conn:
        return len(alerts.pending(conn))


@pytest.mark.usefixtures("connections")
def test_all_pending_alerts_leave_as_one_message(store: Store, bot: BotApi) -> None:
    raise_alerts(store, 3)
    assert send() == {"sent": 3, "messages": 1}
    (message,) = bot.texts
    assert "3 alerts" in message
    assert message.count("listed on zen") == 3
    assert 'href="http' in message
    assert send() == {"sent": 0, "messages": 0}


@pytest.mark.usefixtures("connections")
def test_more_than_a_message_holds_is_cut_between_alerts(store: Store, bot: BotApi) -> None:
    raise_alerts(store, 40, "<&> " * 60)
    result = send()
    assert result["sent"] == 40
    assert result["messages"] == len(bot.texts) > 1
    assert all(len(text) <= 4096 for text in bot.texts)


@pytest.mark.usefixtures("connections")
def test_a_dry_run_sends_nothing(store: Store, bot: BotApi) -> None:
    raise_alerts(store, 1)
    assert send(dry_run=True) == {"sent": 0, "messages": 0}
    assert bot.texts == []
    assert waiting(store) == 1


@pytest.mark.usefixtures("connections")
def test_what_could_not_be_sent_stays_pending_and_leaves_with_the_next_run(store: Store, bot: BotApi) -> None:
    raise_alerts(store, 40, "reason " * 60)
    bot.answer_next(200, 401)
    with pytest.raises(AccessDenied) as caught:
        send()
    assert bot.token not in str(caught.value)
    left = waiting(store)
    assert 0 < left < 40
    assert send()["sent"] == left


def test_it_runs_last_and_never_makes_a_failed_run_look_fine() -> None:
    with DAG("example", schedule=None):
        work = BaseOperator(task_id="work")
        last = SendAlerts(task_id="send_alerts", retries=2, retry_delay=timedelta(seconds=1))
        work >> last
    assert last.is_teardown
    assert not last.on_failure_fail_dagrun
    assert last.trigger_rule == TriggerRule.ALL_DONE_SETUP_SUCCESS
