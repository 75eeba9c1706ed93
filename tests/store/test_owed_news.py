"""What a run that was killed between its decisions and its news owes is told by whoever sends next."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from email_engine.decision import Decision
from email_engine.errors import Unreachable
from email_engine.pipelines.outbox import deliver
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.judgement.decisions import record
from email_engine.store.telling import alerts
from email_engine.store.telling.alerts import News, announce
from email_engine.store.telling.owed import OVERDUE, owe, tell_overdue

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
RUN = ("warmup_advance", "run-1")


AT_ONCE = timedelta(0)


def decide(store: Store, tenant: str = "aurora", **actions: str) -> Any:
    """As a pipeline does: decisions and the debt in one transaction; `actions`: by the last number of the IP, after `ip`."""
    with store.session(tenant) as conn:
        for number, action in actions.items():
            subject = f"198.51.100.{number.removeprefix('ip')}"
            row = Decision(tenant, RUN[0], subject, "2026-11-01", action, f"It is {action}.", NOON, "0" * 64)
            record(conn, row, *RUN)
        return owe(conn, tenant, *RUN)


def told(store: Store) -> list[alerts.Alert]:
    with store.session("*") as conn:
        return [alert for alert in alerts.pending(conn) if alert.event == "owed_news"]


def owing(store: Store) -> list[Any]:
    with store.session("*") as conn:
        return list(conn.execute(select(s.owed_news.c.tenant, s.owed_news.c.run_id)))


@pytest.mark.usefixtures("two_tenants")
def test_a_killed_runs_stops_are_told_once_and_what_only_goes_on_is_not(store: Store) -> None:
    decide(store, ip1="pause", ip2="advance", ip3="step_back", ip4="hold")
    assert tell_overdue(store) == 0, "it may be about to tell"
    assert [tell_overdue(store, AT_ONCE) for _ in range(2)] == [1, 0]
    (alert,) = told(store)
    assert (alert.severity, alert.tenant, alert.run_id) == ("critical", "aurora", "run-1")
    first, *lines = alert.text.splitlines()
    assert first.startswith("aurora: what warmup_advance did at ")
    assert lines == ["198.51.100.1: It is pause.", "198.51.100.3: It is step_back."]
    assert owing(store) == []


@pytest.mark.usefixtures("two_tenants")
def test_a_night_that_stopped_nobody_is_paid_without_a_word(store: Store) -> None:
    decide(store, ip1="advance")
    assert tell_overdue(store, AT_ONCE) == 1
    assert (told(store), owing(store)) == ([], [])


@pytest.mark.usefixtures("two_tenants")
def test_news_pay_in_the_transaction_that_notes_them(store: Store) -> None:
    paid = decide(store, ip1="pause")
    decide(store, "borealis", ip9="pause")
    announce(store, [News("warmup_advance", "aurora", "2026-11-01", "warning", "aurora: one paused")], paid)
    assert owing(store) == [("borealis", "run-1")]
    announce(store, [], decide(store, ip5="hold"))
    assert owing(store) == [("borealis", "run-1")], "nothing worth a word is paid too"


@pytest.mark.usefixtures("two_tenants")
def test_a_second_try_of_a_killed_run_does_not_pay_for_what_it_cannot_tell(store: Store) -> None:
    decide(store, ip1="quarantine")
    again = decide(store, ip2="pause")
    assert again is None
    announce(store, [News("warmup_advance", "aurora", "2026-11-01", "warning", "aurora: one paused")], again)
    assert tell_overdue(store, AT_ONCE) == 1
    assert "198.51.100.1: It is quarantine." in told(store)[0].text


@pytest.mark.usefixtures("two_tenants")
def test_a_debt_that_another_sender_has_in_hand_is_left_to_it(store: Store) -> None:
    decide(store, ip1="pause")
    with store.session("*") as conn:
        conn.execute(select(s.owed_news).with_for_update())
        assert tell_overdue(store, AT_ONCE) == 0
    assert tell_overdue(store, AT_ONCE) == 1


@pytest.mark.usefixtures("two_tenants")
def test_many_stops_are_one_alert_that_says_how_many_more(store: Store) -> None:
    decide(store, **{f"ip{n}": "pause" for n in range(1, 31)})
    tell_overdue(store, AT_ONCE)
    (alert,) = told(store)
    assert alert.text.splitlines()[-1] == "and 10 more"


@pytest.mark.usefixtures("two_tenants")
def test_whoever_sends_tells_it(store: Store) -> None:
    decide(store, ip1="pause")
    with store.session("*") as conn:
        conn.execute(update(s.owed_news).values(recorded_at=func.now() - OVERDUE - timedelta(seconds=1)))

    def away() -> Any:
        raise Unreachable("Telegram", "no answer", "an answer", "wait")

    assert deliver(store, away, "http://airflow").waiting == 1
    assert (len(told(store)), owing(store)) == (1, [])


@pytest.mark.usefixtures("two_tenants")
def test_a_database_that_goes_away_leaves_the_debt(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    decide(store, ip1="pause")

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as killed:
        killed.setattr("email_engine.store.telling.owed.raise_alert", broken)
        with pytest.raises(RuntimeError):
            tell_overdue(store, AT_ONCE)
    assert owing(store) == [("aurora", "run-1")]


@pytest.mark.usefixtures("two_tenants")
@pytest.mark.parametrize("ahead", [timedelta(hours=3), timedelta(hours=-3)], ids=["ahead", "behind"])
def test_a_clock_that_is_wrong_makes_no_debt_older_or_younger(store: Store, ahead: timedelta) -> None:
    decide(store, ip1="pause")
    deliver(
        store,
        lambda: pytest.fail("nothing is to be sent"),
        "http://airflow",
        clock=lambda: datetime.now(UTC) + ahead,
    )
    assert owing(store) == [("aurora", "run-1")], "a run that lives tells it itself"
