"""One cause is one incident: told once, counted, and its end told once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from email_engine.store.engine import Store
from email_engine.store.telling import alerts, incidents
from email_engine.store.telling.incidents import Trouble

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
AWAY = Trouble(
    "host mta-1", "mta-1 cannot be reached", "critical", "connection refused", "an SSH server", "see that sshd runs",
    "accounting_ingest.ingest mta-1", "accounting_ingest", "run-1", "ingest", 0, ("2 stops wait for it",),
)  # fmt: skip


def note(store: Store, trouble: Trouble = AWAY, minutes: int = 0) -> bool:
    with store.session(tenant="*") as conn:
        return incidents.note(conn, trouble, NOON + timedelta(minutes=minutes))


def texts(store: Store) -> list[str]:
    with store.session(tenant="*") as conn:
        return [alert.text for alert in alerts.pending(conn)]


def send_all(store: Store) -> list[str]:
    with store.session(tenant="*") as conn:
        found = alerts.lease(conn, NOON, NOON + timedelta(minutes=10), also_quiet=True)
        alerts.mark_sent(conn, [a.id for a in found], NOON)
        return [a.text for a in found]


def test_it_is_told_once_with_what_was_seen_and_the_next_step_and_then_counted(store: Store) -> None:
    assert note(store) is True
    other = replace(AWAY, dag_id="pmta_config_deploy", run_id="run-7", origin="pmta_config_deploy.plan mta-1")
    assert [note(store, other, minutes) for minutes in (1, 2)] == [False, False]
    assert texts(store) == [
        "mta-1 cannot be reached\nSeen: connection refused\nExpected: an SSH server\nNext: see that sshd runs\n"
        "2 stops wait for it"
    ]
    with store.session(tenant="*") as conn:
        (incident,) = incidents.standing(conn)
        assert (incident.times, incident.opened_at, incident.last_seen_at) == (
            3,
            NOON,
            NOON + timedelta(minutes=2),
        )
        (alert,) = alerts.pending(conn)
        assert (alert.dag_id, alert.run_id, alert.task_id, alert.map_index) == (
            "accounting_ingest",
            "run-1",
            "ingest",
            0,
        )
        assert incidents.met_by(conn, "pmta_config_deploy", "run-7")
        assert not incidents.met_by(conn, "pmta_config_deploy", "run-8")


def test_another_cause_is_another_incident(store: Store) -> None:
    assert note(store)
    assert note(store, replace(AWAY, cause="host mta-2", title="mta-2 cannot be reached"))


def test_its_end_is_told_once_with_how_long_and_how_often(store: Store) -> None:
    note(store)
    note(store, minutes=70)
    send_all(store)
    with store.session(tenant="*") as conn:
        assert incidents.over(conn, "host mta-1", NOON + timedelta(minutes=131), "mta-1 can be used again")
        assert not incidents.over(
            conn, "host mta-1", NOON + timedelta(minutes=132), "mta-1 can be used again"
        )
    assert send_all(store) == ["mta-1 can be used again\nIt lasted 2 hours 11 minutes, seen 2 times."]
    assert note(store, minutes=200) is True, "the next time is news again"


def test_who_was_never_told_of_it_is_told_nothing_of_its_end_but_that_it_was(store: Store) -> None:
    note(store)
    with store.session(tenant="*") as conn:
        incidents.over(conn, "host mta-1", NOON + timedelta(minutes=5), "mta-1 can be used again")
        (alert,) = alerts.pending(conn)
    assert alert.text.startswith("mta-1 cannot be reached")
    assert alert.cleared_at is not None


@pytest.mark.parametrize(
    ("proof", "closed"),
    [
        ("accounting_ingest.ingest mta-1", 1),
        ("pmta_config_deploy.plan mta-1", 1),
        ("accounting_ingest.ingest mta-2", 0),
    ],
)
def test_a_task_that_met_it_ends_it_by_going_well_another_does_not(
    store: Store, proof: str, closed: int
) -> None:
    note(store)
    note(store, replace(AWAY, origin="pmta_config_deploy.plan mta-1"), 1)
    with store.session(tenant="*") as conn:
        assert incidents.proved_over(conn, proof, NOON + timedelta(minutes=3)) == closed
        assert len(incidents.standing(conn)) == 1 - closed


def test_many_runs_leave_the_newest_fifty_to_remember(store: Store) -> None:
    for n in range(incidents.KEPT + 5):
        note(store, replace(AWAY, run_id=f"run-{n}", origin=f"origin {n % 3}"), n)
    with store.session(tenant="*") as conn:
        assert [incidents.met_by(conn, "accounting_ingest", f"run-{n}") for n in (0, 4, 5, 54)] == [
            False, False, True, True,
        ]  # fmt: skip


def test_two_tasks_that_meet_it_at_the_same_moment_open_one(store: Store) -> None:
    opened: list[bool] = []
    threads = [Thread(target=lambda: opened.append(note(store))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == [False] * 5 + [True]
    assert len(texts(store)) == 1


def test_tenants_see_none_of_it_through_their_alerts(store: Store) -> None:
    note(store)
    with store.session(tenant="aurora") as conn:
        assert alerts.pending(conn) == ()
