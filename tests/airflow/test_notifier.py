"""A failed run reaches people with a link to the log, whatever a callback's context lacks."""

import asyncio
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier, failure_messages
from tests.bot_api import BotApi, closed_port


@pytest.fixture
def bot(monkeypatch: pytest.MonkeyPatch) -> Iterator[BotApi]:
    with BotApi() as api:
        monkeypatch.setenv("AIRFLOW_CONN_TELEGRAM_ALERTS_DEFAULT", json.dumps(api.connection()))
        yield api


def context(**changes: Any) -> dict[str, Any]:
    run_id = "scheduled__2026-11-01T00:00:00+00:00"
    ti = SimpleNamespace(task_id="apply", map_index=3, dag_id="warmup_advance", run_id=run_id)
    dag = DAG("warmup_advance", schedule=None)
    return {"dag": dag, "run_id": run_id, "reason": "task_failure", "ti": ti, **changes}


def test_the_message_names_dag_run_task_reason_and_links_to_the_log(
    bot: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/")
    TelegramAlertsNotifier()(context())
    (text,) = bot.texts
    for part in (
        "<b>warmup_advance</b> DAG run failed",
        "scheduled__2026-11-01T00:00:00+00:00",
        "apply [3]",
        "task_failure",
        'href="https://airflow.example/dags/warmup_advance/runs/'
        'scheduled__2026-11-01T00%3A00%3A00%2B00%3A00/tasks/apply/mapped/3"',
    ):
        assert part in text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"dag": SimpleNamespace(dag_id="d"), "run_id": "r", "reason": "timed_out"}, ("<b>d</b>", "timed_out", "open the run")),
        ({"dag_run": {"dag_id": "d", "run_id": "r"}, "deadline": {}}, ("<b>d</b>", "open the run")),
        ({}, ("unknown DAG",)),
        ({**context(), "exception": ValueError("1 < 2 & 3")}, ("task failed", "1 &lt; 2 &amp; 3")),
    ],
    ids=["no task", "a deadline's plain dicts", "nothing at all", "a task's exception"],
)  # fmt: skip
def test_any_context_makes_a_message(given: dict[str, Any], expected: tuple[str, ...]) -> None:
    (text,) = failure_messages(given)
    for part in expected:
        assert part in text


def test_an_own_text_says_what_happened(bot: BotApi) -> None:
    TelegramAlertsNotifier(text="is late")(context(ti=None))
    assert "<b>warmup_advance</b> is late" in bot.texts[0]


def test_it_works_inside_a_running_event_loop(bot: BotApi) -> None:
    notifier = TelegramAlertsNotifier()
    asyncio.run(notifier.async_notify(context()))
    asyncio.run(notifier.async_notify(context()))
    assert len(bot.texts) == 2


def test_a_refused_message_is_one_log_line_without_the_token(
    bot: BotApi, caplog: pytest.LogCaptureFixture
) -> None:
    bot.answer_next(403)
    with caplog.at_level(logging.DEBUG):
        TelegramAlertsNotifier()(context())
    assert bot.token not in caplog.text


def test_a_missing_connection_or_a_dead_network_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    TelegramAlertsNotifier("no_such_connection")(context())
    with closed_port() as url:
        connection = {"conn_type": "telegram_alerts", "password": BotApi.token,
                      "extra": {"chat_id": "-1", "base_url": url}}  # fmt: skip
        monkeypatch.setenv("AIRFLOW_CONN_TELEGRAM_ALERTS_DEFAULT", json.dumps(connection))
        monkeypatch.setattr("email_engine.adapters.telegram.BACK_OFF", (0.01,))
        TelegramAlertsNotifier()(context())
