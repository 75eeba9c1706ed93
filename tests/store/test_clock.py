"""A clock that was ahead is one incident, whether runs or decisions tell of it, and it ends after people have heard of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from email_engine.store import clock
from email_engine.store import schema as s
from email_engine.store.clock import MovedRuns, Seen
from email_engine.store.engine import Store
from email_engine.store.telling import incidents
from tests.fleet_rows import add_tenant

HOUR = timedelta(hours=1)
TRIGGERER, WATCH = (
    Seen("airflow.triggerer clock"),
    Seen("brake_watch.stops clock", "brake_watch", "r1", "stops"),
)


def moved(unfinished: int = 0, count: int = 2) -> MovedRuns:
    return MovedRuns(count, unfinished, datetime(2026, 12, 28, 10, tzinfo=UTC), ("mta_health",))


def decide(conn: Connection, at: datetime, tenant: str = "aurora") -> None:
    conn.execute(
        insert(s.decisions).values(
            tenant=tenant, pipeline="warmup_advance", subject=f"{tenant} {at}", run_key=str(at), kind="decision",
            action="hold", reason="", applied=True, inputs={}, verdicts={}, policy_digest="", as_of=at,
        )
    )  # fmt: skip


def alerts(conn: Connection) -> list[Any]:
    return list(conn.execute(select(s.alerts.c.text, s.alerts.c.cleared_at).order_by(s.alerts.c.id)))


def send(conn: Connection) -> None:
    conn.execute(update(s.alerts).values(sent_at=datetime.now(UTC)))


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize(
    ("runs", "decisions", "title", "seen", "unseen"),
    [
        (moved(), 0, "Runs lay in the future: a clock was ahead", "2 runs of mta_health, the latest for 2026-12-28 10:00 UTC; it is", "decision"),
        (moved(1, 1), 0, "Runs lay in the future: a clock was ahead", "1 run of mta_health, the latest for 2026-12-28 10:00 UTC, 1 of them not finished; it is", "closed too early"),
        (moved(), 3, "Runs lay in the future: a clock was ahead", "3 decisions, the latest for", "not finished"),
        (None, 1, "Decisions lie in the future: a clock was ahead", "1 decision, the latest for", "moved to the present"),
    ],
    ids=["runs", "one run, not finished", "runs and decisions", "decisions alone"],
)  # fmt: skip
def test_it_is_told_with_what_was_found(
    store: Store, now: datetime, runs: MovedRuns | None, decisions: int, title: str, seen: str, unseen: str
) -> None:
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        for n in range(decisions):
            decide(conn, now + (n + 1) * HOUR)
        decide(conn, now - HOUR)
        clock.look(conn, now, TRIGGERER, runs)
        ((text, cleared),) = alerts(conn)
    assert text.splitlines()[0] == title
    assert seen in text
    assert unseen not in text.replace("runs and decisions for", "")
    assert cleared is None


def test_whoever_sees_it_next_only_counts(store: Store, now: datetime) -> None:
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        decide(conn, now + HOUR)
        clock.look(conn, now, TRIGGERER, moved())
        clock.look(conn, now, WATCH)
        clock.look(conn, now, TRIGGERER, moved())
        assert len(alerts(conn)) == 1
        (standing,) = incidents.standing(conn)
    assert (standing.cause, standing.times) == (clock.CAUSE, 3)


def test_it_stays_open_until_people_have_heard_of_it(store: Store, now: datetime) -> None:
    with store.session(tenant="*") as conn:
        clock.look(conn, now, TRIGGERER, moved())
        clock.look(conn, now + timedelta(minutes=2), WATCH)
        assert [cleared for _, cleared in alerts(conn)] == [None]
        send(conn)
        clock.look(conn, now + timedelta(minutes=4), WATCH)
        assert incidents.standing(conn) == ()
        assert alerts(conn)[-1].text.startswith("No run and no decision lies in the future any more")
        clock.look(conn, now + timedelta(minutes=6), WATCH)
        assert len(alerts(conn)) == 2


def test_it_stays_open_while_decisions_lie_in_the_future_also_another_tenant_s(
    store: Store, now: datetime
) -> None:
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_tenant(conn, "borealis")
        decide(conn, now + HOUR, "borealis")
        clock.look(conn, now, TRIGGERER, moved())
        send(conn)
        clock.look(conn, now, WATCH)
        assert len(incidents.standing(conn)) == 1
        conn.execute(update(s.incidents).values(last_seen_at=now - 2 * timedelta(days=1)))
        clock.look(conn, now, WATCH)
        assert len(incidents.standing(conn)) == 1


def test_where_nobody_can_be_told_it_ends_after_a_day(store: Store, now: datetime) -> None:
    with store.session(tenant="*") as conn:
        clock.look(conn, now, TRIGGERER, moved())
        clock.look(conn, now + 23 * HOUR, WATCH)
        assert len(incidents.standing(conn)) == 1
        clock.look(conn, now + 25 * HOUR, WATCH)
        assert incidents.standing(conn) == ()
        assert [cleared is None for _, cleared in alerts(conn)] == [False]


def test_other_incidents_are_not_its_business(store: Store, now: datetime) -> None:
    with store.session(tenant="*") as conn:
        other = incidents.Trouble("host mta-1", "mta-1 cannot be reached", "critical", "-", "-", "-", "x")
        incidents.note(conn, other, now)
        send(conn)
        clock.look(conn, now, WATCH)
        assert [one.cause for one in incidents.standing(conn)] == ["host mta-1"]
