"""The triggerer's thread: it heals, then tells; whatever fails, it looks again a minute later."""

import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.plugins_manager import get_plugin_info
from sqlalchemy import select

from email_engine.store.clock import MovedRuns
from email_engine.store.engine import Store
from email_engine.store.schema import alerts
from email_engine.store.telling import incidents
from email_engine_airflow import clock_watch, future_runs
from email_engine_airflow.clock_watch import ClockWatch
from tests.airflow_connections import engine_connection

LATEST = datetime(2026, 12, 28, 10, tzinfo=UTC)
MOVED = MovedRuns(count=3, unfinished=1, latest=LATEST, dags=("brake_watch", "mta_health"))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, airflow_database: None) -> list[future_runs.Healed]:
    """What the next looks find; nothing when there is no answer left."""
    left: list[future_runs.Healed] = []

    def heal(session: Any, now: datetime) -> future_runs.Healed:
        return left.pop(0) if left else future_runs.Healed(None, False)

    monkeypatch.setattr(future_runs, "heal", heal)
    return left


def told(store: Store) -> list[str]:
    with store.session(tenant="*") as conn:
        return list(conn.execute(select(alerts.c.text).order_by(alerts.c.id)).scalars())


def test_what_was_moved_is_told_once_in_words(
    answers: list[future_runs.Healed], store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    answers += [future_runs.Healed(MOVED, True), future_runs.Healed(MOVED, True)]
    watch = ClockWatch()
    for _ in range(3):
        watch.look()
    (text,) = told(store)
    assert text.startswith(
        "Runs lay in the future: a clock was ahead\nSeen: 3 runs of brake_watch, mta_health"
    )
    assert "the latest for 2026-12-28 10:00 UTC, 1 of them not finished" in text
    with store.session(tenant="*") as conn:
        (standing,) = incidents.standing(conn)
    assert (standing.cause, standing.times) == ("clock", 2)


def test_with_the_engine_s_database_away_it_heals_and_tells_later(
    answers: list[future_runs.Healed], store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = engine_connection(engine_database_url, host="/nowhere")
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", away)
    answers.append(future_runs.Healed(MOVED, True))
    watch = ClockWatch()
    watch.look()
    assert answers == []
    assert told(store) == []
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    watch.look()
    watch.look()
    assert len(told(store)) == 1


def test_with_airflow_s_database_away_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(session: Any) -> datetime:
        raise OSError("no database")

    monkeypatch.setattr(future_runs, "latest_clock", away)
    ClockWatch().look()


def test_nothing_amiss_asks_the_engine_s_database_nothing(answers: list[future_runs.Healed]) -> None:
    watch = ClockWatch()
    watch.look()
    answers.append(future_runs.Healed(None, True))
    watch.look()
    assert watch.untold is None


@pytest.mark.parametrize(
    ("words", "starts"),
    [
        (["airflow", "triggerer"], True),
        (["airflow", "triggerer", "--skip-serve-logs"], True),
        (["airflow", "scheduler"], False),
        (["airflow", "dag-processor"], False),
        (["airflow", "tasks", "run", "triggerer"], False),
        (["airflow"], False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_it_lives_in_the_triggerer_alone_and_once(
    monkeypatch: pytest.MonkeyPatch, words: list[str], starts: bool
) -> None:
    looked, done = threading.Event(), threading.Event()

    def run(every: float) -> None:
        looked.set()
        done.wait(10)

    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(clock_watch, "_run", run)
    for _ in range(2):
        clock_watch.on_starting(component=None)
    mine = [each for each in threading.enumerate() if each.name == clock_watch.THREAD]
    done.set()
    for thread in mine:
        thread.join(10)
    assert len(mine) == int(starts)
    assert looked.is_set() is starts
    assert all(thread.daemon for thread in mine)


def test_it_looks_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Enough(BaseException):
        """Ends the loop, which otherwise has no end."""

    looks: list[int] = []

    def look(self: ClockWatch) -> None:
        looks.append(1)
        if len(looks) == 3:
            raise Enough

    monkeypatch.setattr(ClockWatch, "look", look)
    with pytest.raises(Enough):
        clock_watch._run(0.001)
    assert timedelta(seconds=clock_watch.EVERY) == timedelta(minutes=1)


def test_airflow_loads_the_listener_with_the_package() -> None:
    (mine,) = [plugin for plugin in get_plugin_info() if plugin["name"] == "email_engine"]
    assert set(mine["listeners"]) == {"email_engine_airflow.clock_watch", "email_engine_airflow.preload"}
