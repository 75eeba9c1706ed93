"""The form of `ip_transition` on a real database: what it moves, what it refuses, what it does twice."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from sqlalchemy import func, select, update

from email_engine.store import schema, versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.fleet.ips import load_ips
from email_engine.store.stops import brakes
from email_engine.store.tables.judgement import policies
from email_engine_airflow.operators.ip_transition import MoveIps
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.lifecycle_rows import well_known

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def fleet(store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """aurora: active, standby for long, standby since yesterday, quarantine; borealis: observed, one active IP."""
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    with store.session("*") as conn:
        add_host(conn)
        add_host(conn, "mta-2")
        add_tenant(conn)
        add_tenant(conn, "borealis", mode="observe")
        ids = [
            add_ip(conn, 1, state="active"),
            add_ip(conn, 2, state="standby", mta_host="mta-2"),
            add_ip(conn, 3, state="standby", since=NOON - timedelta(days=1)),
            add_ip(conn, 4, state="quarantine", quarantine_until=NOON + timedelta(days=2)),
        ]
        add_ip(conn, 1, tenant="borealis", network="203.0.113", state="active")
        for ip_id in ids:
            well_known(conn, ip_id, NOON)
        ips.set_allowance(conn, ids[0], "aurora", NOON.date(), 700, versions.bump(conn, "test"), None)
    return ids


def move(
    event: str, name: str = "198.51.100.1", *, hours: int = 0, run_id: str = "manual__1", **form: Any
) -> list[str]:
    run = SimpleNamespace(
        dag_id="ip_transition", run_id=run_id, run_after=NOON + timedelta(hours=hours), logical_date=None,
        triggering_user_name="ops",
    )  # fmt: skip
    scope = "ip" if name[0].isdigit() else "stream" if "/" in name else "tenant"
    params = {
        "scope": scope,
        "name": name,
        "event": event,
        "reason": "asked for",
        "until": None,
        "cause": None,
    }
    return MoveIps(task_id="move").execute({"dag_run": run, "params": params | {"dry_run": False} | form})


def states(store: Store) -> list[str]:
    with store.session("*") as conn:
        return [str(ip.state) for ip in load_ips(conn, day=NOON.date(), tenant="aurora")]


def rows(store: Store, table: Any) -> int:
    with store.session("*") as conn:
        return conn.execute(select(func.count()).select_from(table)).scalar_one()


def untouched(store: Store) -> bool:
    return (states(store), rows(store, schema.decisions), rows(store, schema.ip_state_history)) == (
        ["active", "standby", "standby", "quarantine"], 0, 0,
    )  # fmt: skip


def test_a_person_starts_a_standby_ip_and_its_host_is_named(store: Store) -> None:
    assert move("start", "198.51.100.2") == ["mta-2"]
    assert states(store) == ["active", "warming", "standby", "quarantine"]
    with store.session("*") as conn:
        history = conn.execute(select(schema.ip_state_history)).mappings().one()
        told = conn.execute(select(schema.alerts)).mappings().one()
        assert versions.made_by(conn, "ip_transition", "manual__1") is not None
        assert conn.execute(select(func.count()).select_from(policies)).scalar_one() == 1
    assert (history["actor"], history["event"], history["dag_id"]) == ("ops", "start", "ip_transition")
    assert told["text"].startswith(
        "ops: start of 1 IP (ip 198.51.100.2)\n198.51.100.2: standby -> warming: asked for. "
    )
    assert (told["severity"], told["tenant"]) == ("info", "aurora")


def test_a_pause_of_a_stream_stops_what_sends_and_leaves_what_is_parked(
    store: Store, fleet: list[int]
) -> None:
    assert move("pause", "aurora/newsletter", until="2026-11-20") == ["mta-1"]
    with store.session("*") as conn:
        assert [brake.ip_id for brake in brakes.engaged(conn)] == [fleet[0]]
        told = conn.execute(select(schema.alerts)).mappings().one()
    assert "198.51.100.4 is in quarantine and stays as it is" in told["text"]
    assert told["severity"] == "warning"


@pytest.mark.parametrize("scope", ["everything", "IP", None, ["ip"]], ids=str)
def test_an_unknown_scope_is_refused_by_name(store: Store, scope: Any) -> None:
    with pytest.raises(AirflowFailException, match="expected one of ip, stream, tenant, all"):
        move("start", "198.51.100.2", scope=scope)
    assert untouched(store)


def test_every_refusal_is_told_at_once_and_nothing_is_changed(store: Store) -> None:
    with store.session("*") as conn:
        conn.execute(
            update(schema.ips).where(schema.ips.c.address == "198.51.100.2").values(lists_checked_at=None)
        )
    with pytest.raises(AirflowFailException) as refused:
        move("start", "aurora")
    told = str(refused.value)
    assert "start of 4 IPs: 2 are refused" in told
    assert (
        "start of ip 198.51.100.2 (standby): no block list answered about it lately; expected 7 clean days"
        in told
    )
    assert "start of ip 198.51.100.3 (standby): its 7 clean days end on 2026-11-16 12:00 UTC" in told
    assert "nothing was changed" in told
    assert untouched(store)


@pytest.mark.parametrize(
    ("event", "name", "form", "told"),
    [
        pytest.param(
            "start",
            "198.51.100.1",
            {},
            "event start in state active: no such transition; expected",
            id="state",
        ),
        pytest.param("graduate", "198.51.100.1", {}, "event 'graduate' is none of", id="the engine's event"),
        pytest.param("pause", "198.51.100.1", {}, "until is empty", id="no end"),
        pytest.param("release", "198.51.100.4", {"cause": ""}, "cause is empty", id="no cause"),
        pytest.param(
            "release",
            "198.51.100.4",
            {"cause": "a list"},
            "quarantine lasts until 2026-11-12",
            id="too early",
        ),
        pytest.param(
            "pause",
            "198.51.100.77",
            {"until": "2026-11-20"},
            "expected an IP of the fleet: 198.51.100.",
            id="nobody",
        ),
        pytest.param("quarantine", "borealis", {}, "its tenant is in mode observe", id="observed"),
        pytest.param(
            "reenter", "aurora/newsletter", {"cause": "a list"}, "more than one minor listing", id="not minor"
        ),
        pytest.param("resume", "198.51.100.1", {}, "it is not paused", id="not paused"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(
    store: Store, event: str, name: str, form: dict[str, Any], told: str
) -> None:
    with pytest.raises(AirflowFailException, match="Next: ") as refused:
        move(event, name, **form)
    assert told in str(refused.value)
    assert untouched(store)


def test_an_event_that_moves_nobody_says_so(store: Store) -> None:
    with store.session("*") as conn:
        conn.execute(update(schema.ips).values(status="resting"))
    with pytest.raises(AirflowFailException, match="they are all in resting"):
        move("retire", "aurora")


def test_a_dry_run_shows_and_writes_nothing(store: Store) -> None:
    assert move("retire", dry_run=True) == []
    assert untouched(store)
    assert rows(store, schema.alerts) == 0


def test_a_cleared_run_moves_nothing_twice_and_names_its_hosts_again(store: Store) -> None:
    assert move("retire") == ["mta-1"]
    before = [
        rows(store, table) for table in (schema.decisions, schema.fleet_versions, schema.ip_state_history)
    ]
    assert move("retire") == ["mta-1"]
    assert before == [
        rows(store, t) for t in (schema.decisions, schema.fleet_versions, schema.ip_state_history)
    ]


def test_a_run_that_is_cleared_after_a_later_one_decided_changes_nothing(store: Store) -> None:
    move("pause", until="2026-11-20", run_id="earlier")
    move("resume", hours=2, run_id="latest")
    move("pause", until="2026-11-20", run_id="earlier")
    with store.session("*") as conn:
        assert load_ips(conn, day=NOON.date())[0].pause is None


def test_a_run_that_decided_nothing_yet_acts_whatever_time_it_bears(store: Store) -> None:
    """A clock that was ahead made the last decision; the pause that comes now bears an earlier time."""
    move("pause", until="2026-11-20", hours=1, run_id="ahead")
    move("resume", hours=2, run_id="ahead too")
    assert move("pause", until="2026-11-21", run_id="now") == ["mta-1"]
    with store.session("*") as conn:
        assert load_ips(conn, day=NOON.date())[0].pause is not None
