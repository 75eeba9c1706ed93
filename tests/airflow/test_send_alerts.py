"""The last task of every pipeline, run by Airflow itself against a real database and a Bot API on loopback."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, TriggerRule
from sqlalchemy import make_url, text

from email_engine.adapters.telegram import TelegramEndpoint, Unanswered
from email_engine.errors import AccessDenied, InputError, Refused
from email_engine.store.engine import Store
from email_engine.store.telling import alerts, incidents
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


def a_minute_passes(store: Store) -> None:
    with store.session(tenant="*") as conn:
        conn.execute(text("UPDATE email_engine.alerts SET raised_at = raised_at - interval '1 minute'"))


@pytest.mark.usefixtures("connections")
def test_a_sender_that_comes_by_tears_no_other_run_s_message(store: Store, bot: BotApi) -> None:
    """The sweep tells of a listing and, some seconds later, of what stands still; in between another pipeline ends."""
    with store.session(tenant="*") as conn:
        alerts.raise_alert(
            conn, "listing", "a", "s", "critical", "of the watch", dag_id="brake_watch", run_id="w"
        )
        alerts.raise_alert(
            conn,
            "listing",
            "b",
            "s",
            "critical",
            "of an older run",
            dag_id="rbl_sweep",
            run_id="scheduled__0",
        )
        alerts.raise_alert(
            conn, "listing", "c", "s", "critical", "of this run", dag_id="rbl_sweep", run_id="scheduled__1"
        )
    assert send() == {"sent": 1, "messages": 1, "waiting": 0}
    assert "of this run" in bot.texts[0]
    a_minute_passes(store)
    assert send() == {"sent": 2, "messages": 1, "waiting": 0}, "whose own sender was killed"


@pytest.mark.usefixtures("connections")
def test_an_alert_of_a_clock_that_was_ahead_waits_for_nobody(store: Store, bot: BotApi) -> None:
    with store.session(tenant="*") as conn:
        alerts.raise_alert(
            conn, "listing", "a", "s", "critical", "of tomorrow", dag_id="brake_watch", run_id="w"
        )
        conn.execute(text("UPDATE email_engine.alerts SET raised_at = raised_at + interval '1 day'"))
    assert send()["sent"] == 1


@pytest.mark.usefixtures("connections")
def test_all_pending_alerts_leave_as_one_message(store: Store, bot: BotApi) -> None:
    raise_alerts(store, 3)
    assert send() == {"sent": 3, "messages": 1, "waiting": 0}
    (message,) = bot.texts
    assert "3 messages" in message
    assert message.count("listed on zen") == 3
    assert "rbl_sweep" not in message, "the run that happens to send is not the cause"
    assert send() == {"sent": 0, "messages": 0, "waiting": 0}


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
    assert send(dry_run=True) == {"sent": 0, "messages": 0, "waiting": 0}
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


@pytest.mark.usefixtures("connections")
@pytest.mark.parametrize("missing", [True, False], ids=["no connection", "Telegram refuses us"])
def test_its_own_failure_is_no_alert_that_cannot_leave(
    store: Store, bot: BotApi, monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    raise_alerts(store, 1)
    with monkeypatch.context() as patch:
        if missing:
            patch.delenv("AIRFLOW_CONN_TELEGRAM_ALERTS_DEFAULT")
        else:
            bot.answer_next(401)
        with pytest.raises(InputError if missing else AccessDenied, match="telegram_alerts"):
            send()
    with store.session(tenant="*") as conn:
        assert incidents.standing(conn) == ()
    assert waiting(store) == 1
    later(store)
    assert send()["sent"] == 1


@pytest.mark.usefixtures("connections")
def test_a_pause_that_telegram_asks_for_is_nobodys_failure_and_the_alerts_wait(
    store: Store, bot: BotApi
) -> None:
    raise_alerts(store, 2)
    bot.answer_next(429, retry_after=70)
    assert send() == {"sent": 0, "messages": 0, "waiting": 2}
    assert send() == {"sent": 0, "messages": 0, "waiting": 0}, (
        "nothing is asked before the time that Telegram named"
    )
    assert len(bot.requests) == 1
    with store.session(tenant="*") as conn:
        left = alerts.lease(conn, datetime.now(UTC) + timedelta(seconds=71), datetime.now(UTC))
    assert len(left) == 2


@pytest.mark.usefixtures("connections")
def test_a_poison_alert_holds_up_no_other_and_is_replaced_by_one_that_passes(
    store: Store, bot: BotApi
) -> None:
    raise_alerts(store, 3)
    with store.session(tenant="*") as conn:
        alerts.raise_alert(conn, "odd", "x", "y", "warning", "poison pill", dag_id="d", run_id="r")
    a_minute_passes(store)
    bot.refuse("poison")
    assert send() == {"sent": 4, "messages": 4, "waiting": 0}
    assert sum("listed on zen" in text for text in bot.texts) == 3
    (replaced,) = [text for text in bot.texts if "could not be shown" in text]
    assert "/dags/d/runs/r" in replaced
    assert sum("poison" in str(body) for _, body in bot.requests) <= 2


@pytest.mark.usefixtures("connections")
def test_a_chat_that_refuses_everything_loses_nothing(store: Store, bot: BotApi) -> None:
    raise_alerts(store, 2)
    bot.refuse("email-engine")
    with pytest.raises(Refused):
        send()
    assert waiting(store) == 2
    bot.refuse(None)
    later(store)
    assert send()["sent"] == 2


@pytest.mark.usefixtures("connections")
def test_a_giant_alert_is_one_short_message_with_a_link_to_the_rest(store: Store, bot: BotApi) -> None:
    with store.session(tenant="*") as conn:
        giant = "somebody stopped an IP\n" + "x" * 1_000_000
        alerts.raise_alert(conn, "stop", "ip", "s", "critical", giant, dag_id="emergency_stop", run_id="r 1")
    raise_alerts(store, 1)
    a_minute_passes(store)
    assert send() == {"sent": 2, "messages": 1, "waiting": 0}
    (message,) = bot.texts
    assert len(message) < 1500
    assert "cut; 1,000,023 characters in all" in message
    assert "/dags/emergency_stop/runs/r%201" in message


@pytest.mark.usefixtures("connections")
def test_an_answer_that_never_comes_is_not_asked_for_again_and_again(
    store: Store, bot: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message may have arrived: at most two copies, then one an hour."""
    monkeypatch.setattr("email_engine.adapters.connections.TelegramEndpoint", impatient)
    raise_alerts(store, 1)
    bot.silent = True
    for _ in range(4):
        with contextlib.suppress(Unanswered):
            send()
    assert len(bot.requests) == 2
    bot.silent = False
    with store.session(tenant="*") as conn:
        assert alerts.lease(conn, datetime.now(UTC) + timedelta(minutes=59), datetime.now(UTC)) == ()
    later(store)
    assert send()["sent"] == 1


@pytest.mark.usefixtures("connections")
@pytest.mark.parametrize("failed", [True, False], ids=["this one fails too", "all is well"])
def test_a_run_that_was_lost_is_over_when_one_comes_to_its_end(
    store: Store, bot: BotApi, failed: bool
) -> None:
    with store.session(tenant="*") as conn:
        for cause in ("run of rbl_sweep", "run of rbl_sweep in r-1", "run of rbl_sweep_of_somebody_else"):
            origin = f"{cause}: lost"
            lost = incidents.Trouble(cause, "lost", "warning", "x", "y", "z", origin, "rbl_sweep", "r-0")
            incidents.note(conn, lost, AS_OF)
    states = {"work": "failed" if failed else "success", "send_alerts": "running"}
    ti = SimpleNamespace(get_task_states=lambda *, dag_id, run_ids: {run_ids[0]: states})
    run = SimpleNamespace(dag_id="rbl_sweep", run_id="scheduled__1", run_after=AS_OF, logical_date=None)
    SendAlerts(task_id="send_alerts").execute({"dag_run": run, "params": {"dry_run": False}, "ti": ti})
    with store.session(tenant="*") as conn:
        standing = {incident.cause for incident in incidents.standing(conn)}
    others = {"run of rbl_sweep_of_somebody_else"}
    assert standing == (others | {"run of rbl_sweep", "run of rbl_sweep in r-1"} if failed else others)


def impatient(**fields: Any) -> TelegramEndpoint:
    return TelegramEndpoint(**fields, timeout=0.3)


def later(store: Store) -> None:
    """Every lease is over."""
    with store.session(tenant="*") as conn:
        conn.execute(text("UPDATE email_engine.alerts SET leased_until = NULL"))


def test_it_runs_last_and_never_makes_a_failed_run_look_fine() -> None:
    with DAG("example", schedule=None):
        work = BaseOperator(task_id="work")
        last = SendAlerts(task_id="send_alerts", retries=2, retry_delay=timedelta(seconds=1))
        work >> last
    assert last.is_teardown
    assert not last.on_failure_fail_dagrun
    assert last.trigger_rule == TriggerRule.ALL_DONE_SETUP_SUCCESS


@pytest.mark.usefixtures("connections")
def test_a_connection_that_is_missing_is_named_with_the_next_step_and_nothing_is_lost(
    store: Store, bot: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_alerts(store, 1)
    monkeypatch.delenv("AIRFLOW_CONN_TELEGRAM_ALERTS_DEFAULT")
    with pytest.raises(
        InputError, match=r"connection telegram_alerts_default: it does not exist.*make it under"
    ):
        send()
    assert waiting(store) == 1
    monkeypatch.setenv("AIRFLOW_CONN_TELEGRAM_ALERTS_DEFAULT", json.dumps(bot.connection()))
    assert send()["sent"] == 1
