"""Alerts are told once for each state, and never lost."""

from datetime import UTC, datetime

import pytest

from email_engine.store import alerts
from email_engine.store.engine import Store

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
        alerts.mark_failed(conn, [second], "Telegram away")
    with store.session(tenant="*") as conn:
        assert [alert.id for alert in alerts.pending(conn)] == [second]


def test_an_alert_that_was_over_before_it_could_be_sent_is_still_told(store: Store) -> None:
    raised(store)
    with store.session(tenant="*") as conn:
        alerts.clear(conn, "listing", "198.51.100.7")
    with store.session(tenant="*") as conn:
        (alert,) = alerts.pending(conn)
    assert alert.cleared_at is not None


def test_two_senders_never_hold_the_same_alert(store: Store) -> None:
    raised(store)
    with store.session(tenant="*") as one, store.session(tenant="*") as other:
        assert len(alerts.pending(one)) == 1
        assert alerts.pending(other) == ()


@pytest.mark.parametrize("tenant", [None, "aurora"], ids=["no tenant", "another tenant"])
def test_the_platforms_alerts_are_hidden_from_tenants(store: Store, tenant: str | None) -> None:
    raised(store)
    with store.session(tenant=tenant) as conn:
        assert alerts.pending(conn) == ()
