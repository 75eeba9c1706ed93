"""Alerts are told once for each state, and never lost."""

from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import text

from email_engine.store.engine import Store
from email_engine.store.telling import alerts

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def raised(
    store: Store, state: str = "listed", severity: str = "critical", object: str = "198.51.100.7"
) -> int | None:
    with store.session(tenant="*") as conn:
        return alerts.raise_alert(
            conn, "listing", object, state, severity, f"{object} {state}", dag_id="rbl_sweep"
        )


def pending_states(store: Store) -> list[str]:
    with store.session(tenant="*") as conn:
        return [alert.state for alert in alerts.pending(conn)]


def test_the_same_state_of_an_object_is_raised_once(store: Store) -> None:
    assert raised(store) is not None
    assert raised(store) is None
    assert raised(store, object="198.51.100.8") is not None


def test_another_state_is_news_and_so_is_the_way_back(store: Store) -> None:
    assert raised(store, "listed") is not None
    assert raised(store, "listed twice") is not None
    assert raised(store, "listed") is not None


def test_a_cleared_alert_may_be_raised_again(store: Store) -> None:
    raised(store)
    with store.session(tenant="*") as conn:
        assert alerts.clear(conn, "listing", "198.51.100.7") == 1
        assert alerts.clear(conn, "listing", "198.51.100.7") == 0
    assert raised(store) is not None


def test_the_gravest_and_oldest_come_first(store: Store) -> None:
    raised(store, "b", "info", "1")
    raised(store, "c", "warning", "2")
    raised(store, "a", "critical", "3")
    assert pending_states(store) == ["a", "c", "b"]


def test_a_sent_alert_is_no_longer_pending_and_a_failed_one_still_is(store: Store) -> None:
    first, second = raised(store, object="1"), raised(store, object="2")
    assert first is not None
    assert second is not None
    with store.session(tenant="*") as conn:
        alerts.mark_sent(conn, [first], NOON)
        alerts.give_back(conn, [second], "Telegram away")
    with store.session(tenant="*") as conn:
        assert [alert.id for alert in alerts.pending(conn)] == [second]


def test_an_alert_that_was_over_before_it_could_be_sent_is_still_told(store: Store) -> None:
    raised(store)
    with store.session(tenant="*") as conn:
        alerts.clear(conn, "listing", "198.51.100.7")
    with store.session(tenant="*") as conn:
        (alert,) = alerts.pending(conn)
    assert alert.cleared_at is not None


def lease(store: Store, now: datetime = NOON, **options: Any) -> list[str]:
    with store.session(tenant="*") as conn:
        found = alerts.lease(conn, now, now + timedelta(minutes=10), **options)
        return [alert.object for alert in found]


def test_two_senders_never_hold_the_same_alert(store: Store) -> None:
    raised(store, object="1")
    raised(store, object="2")
    with store.session(tenant="*") as one, store.session(tenant="*") as other:
        assert len(alerts.lease(one, NOON, NOON + timedelta(minutes=10))) == 2
        assert alerts.lease(other, NOON, NOON + timedelta(minutes=10)) == ()
    assert lease(store) == [], "leased, and the sender is still at it"
    assert lease(store, NOON + timedelta(minutes=11)) == ["1", "2"], "the sender was killed"


def test_while_a_sender_waits_for_telegram_no_row_is_locked(store: Store) -> None:
    raised(store, "listed")
    assert lease(store) == ["198.51.100.7"]
    with store.session(tenant="*") as conn:
        conn.execute(text("SET LOCAL lock_timeout = '100ms'"))
        alerts.raise_alert(conn, "listing", "198.51.100.7", "delisted", "info", "over")
        assert alerts.clear(conn, "listing", "198.51.100.7") == 1


def test_alerts_given_back_wait_until_telegram_allows_them(store: Store) -> None:
    number = raised(store)
    assert number is not None
    lease(store)
    with store.session(tenant="*") as conn:
        alerts.give_back(conn, [number], "429", NOON + timedelta(seconds=70))
    assert lease(store, NOON + timedelta(seconds=69)) == []
    assert lease(store, NOON + timedelta(seconds=70)) == ["198.51.100.7"]


def test_a_quiet_alert_leaves_with_the_next_loud_one_or_after_six_hours(store: Store) -> None:
    raised(store, severity="info", object="quiet")
    now = datetime.now(UTC)
    assert lease(store, now) == []
    assert lease(store, now + timedelta(hours=5)) == []
    assert lease(store, now, also_quiet=True) == ["quiet"]
    later = now + timedelta(hours=1)
    raised(store, severity="warning", object="loud")
    assert lease(store, later) == ["loud", "quiet"]
    raised(store, severity="info", object="old")
    assert lease(store, now + timedelta(hours=6, minutes=1)) == ["loud", "quiet", "old"]


def test_news_are_noted_after_somebody_held_their_row_for_a_while(store: Store) -> None:
    raised(store, "listed")
    news = alerts.News("listing", "198.51.100.7", "delisted", "info", "over")
    with store.session(tenant="*") as holder:
        holder.execute(text("SELECT * FROM email_engine.alerts FOR UPDATE"))
        teller = Thread(target=alerts.announce, args=(store, [news]))
        teller.start()
        teller.join(3)
        assert teller.is_alive(), "it waits for the row, bounded"
    teller.join(10)
    assert "delisted" in pending_states(store)


def test_news_that_cannot_be_noted_are_in_the_log_and_raise_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(alerts, "LOCK_SECONDS", 0.1)
    raised(store, "listed")
    with store.session(tenant="*") as holder:
        holder.execute(text("SELECT * FROM email_engine.alerts FOR UPDATE"))
        alerts.announce(store, [alerts.News("listing", "198.51.100.7", "delisted", "info", "it is over")])
    assert "not told: it is over" in caplog.text
    assert pending_states(store) == ["listed"]


@pytest.mark.parametrize("tenant", [None, "aurora"], ids=["no tenant", "another tenant"])
def test_the_platforms_alerts_are_hidden_from_tenants(store: Store, tenant: str | None) -> None:
    raised(store)
    with store.session(tenant=tenant) as conn:
        assert alerts.pending(conn) == ()
