"""A run that failed without a word reaches people with a link to the log; one whose task told its cause is not told twice."""

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from email_engine.store.engine import Store
from email_engine.store.telling import incidents
from email_engine_airflow import incident
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier, link_of, unexplained
from tests.airflow_connections import engine_connection
from tests.bot_api import BotApi, closed_port

RUN = "scheduled__2026-11-01T00:00:00+00:00"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def bot(engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[BotApi]:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    with BotApi() as api:
        monkeypatch.setenv("AIRFLOW_CONN_TELEGRAM_ALERTS_DEFAULT", json.dumps(api.connection()))
        yield api


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Airflow's variables, which outlive the engine's database."""
    known: dict[str, str] = {}
    double = SimpleNamespace(
        get=lambda key, default=None: known.get(key, default),
        set=known.__setitem__,
        delete=lambda key: known.pop(key),
    )
    monkeypatch.setattr(incident, "Variable", double)
    return known


def context(**changes: Any) -> dict[str, Any]:
    ti = SimpleNamespace(task_id="apply", map_index=3, dag_id="warmup_advance", run_id=RUN)
    dag = DAG("warmup_advance", schedule=None)
    return {"dag": dag, "run_id": RUN, "reason": "task_failure", "ti": ti, **changes}


def test_a_killed_task_is_told_in_words_with_its_log(
    bot: BotApi, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/")
    TelegramAlertsNotifier()(context())
    (text,) = bot.texts
    for part in (
        "<b>warmup_advance did not finish</b>",
        f"run {RUN}",
        "it was killed",
        "clearing any task is safe",
        'href="https://airflow.example/dags/warmup_advance/runs/'
        'scheduled__2026-11-01T00%3A00%3A00%2B00%3A00/tasks/apply/mapped/3"',
    ):
        assert part in text
    TelegramAlertsNotifier()(context(run_id="scheduled__2026-11-02T00:00:00+00:00"))
    assert len(bot.texts) == 1, "the next failure is the same incident"


def test_a_second_stop_that_was_killed_is_told_too(bot: BotApi, store: Store) -> None:
    for run_id in ("manual__monday", "manual__thursday"):
        TelegramAlertsNotifier()(context(dag=DAG("emergency_stop", schedule=None), run_id=run_id))
    assert [text.count("emergency_stop did not finish") for text in bot.texts] == [1, 1]


def test_a_run_whose_task_told_its_cause_is_not_told_twice(bot: BotApi, store: Store) -> None:
    told = incidents.Trouble(
        "fleet file", "The fleet file has mistakes", "warning", "line 3", "none", "correct it",
        "warmup_advance.fleet", "warmup_advance", RUN, "fleet",
    )  # fmt: skip
    with store.session(tenant="*") as conn:
        incidents.note(conn, told, NOON)
    TelegramAlertsNotifier()(context())
    (text,) = bot.texts
    assert "The fleet file has mistakes" in text, "what its killed `tell` left is sent"
    assert "did not finish" not in text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"dag": SimpleNamespace(dag_id="d"), "run_id": "r", "reason": "timed_out"}, ("d did not finish", "never began wait")),
        ({"dag_run": {"dag_id": "d", "run_id": "r"}, "deadline": {}}, ("d did not finish", "no reason is known")),
        ({}, ("unknown DAG", "unknown run")),
        ({**context(), "exception": ValueError("a secret")}, ("warmup_advance", "ValueError")),
    ],
    ids=["no task", "a deadline's plain dicts", "nothing at all", "a task's exception"],
)  # fmt: skip
def test_any_context_makes_a_message(given: dict[str, Any], expected: tuple[str, ...]) -> None:
    trouble = unexplained(given)
    for part in expected:
        assert part in f"{trouble.title} {trouble.observed}"
    assert "a secret" not in trouble.observed
    assert link_of(given).startswith("http")


def test_an_own_text_says_what_happened(bot: BotApi, store: Store) -> None:
    TelegramAlertsNotifier(text="is late")(context(ti=None))
    assert "<b>warmup_advance is late</b>" in bot.texts[0]


def test_it_works_inside_a_running_event_loop(bot: BotApi, store: Store) -> None:
    asyncio.run(TelegramAlertsNotifier().async_notify(context()))
    assert len(bot.texts) == 1


def test_with_the_database_away_one_message_names_it_whatever_pipelines_fail(
    bot: BotApi, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = {
        "conn_type": "postgres",
        "host": "/nowhere",
        "login": "email_engine",
        "password": "hush-hush",
        "schema": "e",
    }
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", json.dumps(away))
    for dag_id in ("warmup_advance", "mta_health", "accounting_ingest"):
        TelegramAlertsNotifier()(context(dag=DAG(dag_id, schedule=None)))
    (text,) = bot.texts
    assert "<b>The engine's database is away" in text
    assert "see that PostgreSQL runs" in text
    assert "hush-hush" not in text
    client = TelegramAlertsNotifier()._telegram
    incident.database_is_back(client, logging.getLogger("test"))
    incident.database_is_back(client, logging.getLogger("test"))
    assert len(bot.texts) == 2
    assert "The engine's database answers again" in bot.texts[1]
    assert variables == {}


def test_a_database_away_that_nobody_could_be_told_of_is_told_by_the_next_pipeline(
    bot: BotApi, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_EMAIL_ENGINE_DB", json.dumps({"conn_type": "postgres", "host": "/nowhere"})
    )
    bot.answer_next(403)
    TelegramAlertsNotifier()(context())
    assert bot.texts == []
    TelegramAlertsNotifier()(context())
    assert len(bot.texts) == 1


def test_a_refused_message_is_one_log_line_without_the_token(
    bot: BotApi, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    bot.answer_next(403)
    with caplog.at_level(logging.DEBUG):
        TelegramAlertsNotifier()(context())
    assert bot.token not in caplog.text


def test_a_missing_connection_or_a_dead_network_raises_nothing(
    bot: BotApi, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    TelegramAlertsNotifier("no_such_connection")(context())
    with closed_port() as url:
        connection = {"conn_type": "telegram_alerts", "password": BotApi.token,
                      "extra": {"chat_id": "-1", "base_url": url}}  # fmt: skip
        monkeypatch.setenv("AIRFLOW_CONN_TELEGRAM_ALERTS_DEFAULT", json.dumps(connection))
        monkeypatch.setattr("email_engine.adapters.telegram.BACK_OFF", (0.01,))
        TelegramAlertsNotifier()(context())
