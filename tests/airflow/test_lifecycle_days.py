"""Turns of a life as `warmup_advance` makes them, on a real PostgreSQL: pause and resume, re-entry, the rotation cycle."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, select

from email_engine.decision import Origin
from email_engine.fleet.model import IpState
from email_engine.paths import CONFIG
from email_engine.store import schema, versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.fleet.ips import load_ips
from email_engine.store.stops import brake_ends, brakes
from email_engine.warmup import policy_file
from email_engine_airflow.operators.warmup_advance import DecideWarmup
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_delivery, add_host, add_ip, add_tenant
from tests.lifecycle_rows import well_known

DAY = date(2026, 11, 10)
END = datetime(2026, 11, 11, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _connection(store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    with store.session("*") as conn:
        add_host(conn)
        add_tenant(conn)


def close(day: date = DAY) -> dict[str, Any]:
    run_after = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    run = SimpleNamespace(
        dag_id="warmup_advance", run_id=f"r{day}", run_after=run_after, logical_date=run_after
    )
    return DecideWarmup(task_id="decide", tenant="aurora").execute(
        {"dag_run": run, "params": {"dry_run": False, "day": None}, "outlet_events": {}}
    )


def add(store: Store, number: int, state: str, days: int, allowance: int = 0, **more: Any) -> int:
    """An IP `days` in its state, its signals known at the end of the day, its host's accounting fresh."""
    with store.session("*") as conn:
        ip_id = add_ip(conn, number, state=state, since=END - timedelta(days=days), **more)
        well_known(conn, ip_id, END)
        if allowance:
            version = versions.bump(conn, "test")
            ips.set_allowance(conn, ip_id, "aurora", DAY - timedelta(days=30), allowance, version, None)
        conn.execute(schema.mta_hosts.update().values(accounting_checked_at=END))
    return ip_id


def records(store: Store) -> list[Any]:
    with store.session("*") as conn:
        return list(load_ips(conn, day=END.date()))


def history(store: Store) -> list[tuple[str, str, str]]:
    h = schema.ip_state_history.c
    with store.session("*") as conn:
        found = conn.execute(select(h.from_status, h.event, h.to_status).order_by(h.id)).all()
    return [(row[0], row[1], row[2]) for row in found]


def test_the_engines_pause_and_resume_are_history_too(store: Store) -> None:
    ip_id = add(store, 1, "warming", 20, 50, plan={"phase_started_on": DAY - timedelta(days=9)})
    with store.session("*") as conn:
        add_delivery(conn, ip_id, END - timedelta(days=1), delivered=30, bounced=20)
    assert close()["actions"] == {"pause": 1}
    assert history(store) == [("warming", "pause", "warming")]
    with store.session("*") as conn:
        well_known(conn, ip_id, END + timedelta(days=7))
    assert close(DAY + timedelta(days=7))["actions"]["resume"] == 1
    assert history(store)[1:] == [("warming", "resume", "warming")]
    assert records(store)[0].state_since == END - timedelta(days=20)


def test_a_minor_listing_that_ended_leads_back_two_phases_lower(store: Store) -> None:
    ip_id = add(store, 1, "warming", 40, 1000, plan={"phase": 5})
    stopped = END - timedelta(days=8)
    with store.session("*") as conn:
        ip = load_ips(conn, day=DAY)[0]
        ips.transition(
            conn, ip_id, "listed", IpState.QUARANTINE, "listed", Origin("rbl_sweep", stopped), None
        )
        ips.set_allowance(conn, ip_id, "aurora", stopped.date(), 0, versions.bump(conn, "test"), None)
        brakes.engage(conn, ip, "listed", Origin("rbl_sweep", stopped, "rbl_sweep", "r"), None)
        conn.execute(
            insert(schema.blacklist_events).values(
                tenant="aurora", ip_id=ip_id, list="bl", zone="bl", codes=["127.0.0.2"], severity="medium",
                **{"class": "reputation"}, opened_at=stopped, last_seen_at=stopped, closed_at=stopped + timedelta(days=1),
            )
        )  # fmt: skip
    assert close()["actions"] == {"reenter": 1}
    assert history(store)[1:] == [("quarantine", "reenter", "warming")]
    with store.session("*") as conn:
        (brake,) = brakes.engaged(conn)
        assert brake.release_asked_at == END
        brake_ends.released(conn, brake.brake_id, END)
    (ip,) = records(store)
    assert (ip.state, ip.phase, ip.allowance, ip.state_since) == ("warming", 3, 250, END)


@pytest.mark.parametrize(
    ("start", "actions", "moved"),
    [
        ("never", {"stay": 2}, []),
        ("tell", {"stay": 2}, []),
        ("automatic", {"stay": 1, "retire": 1}, [("active", "retire", "retiring")]),
    ],
)
def test_who_was_active_for_the_whole_cycle_rests_where_policy_lets_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    start: str, actions: dict[str, int], moved: list[tuple[str, str, str]],
) -> None:  # fmt: skip
    policy = (CONFIG / "policy.yaml").read_text()
    assert "start: never }" in policy
    (tmp_path / "policy.yaml").write_text(policy.replace("start: never }", f"start: {start} }}"))
    monkeypatch.setattr(policy_file, "CONFIG", tmp_path)
    for number, days in ((1, 95), (2, 120)):
        add(store, number, "active", days, 700)
    assert close()["actions"] == actions
    assert history(store) == moved
    with store.session("*") as conn:
        told = "\n".join(conn.execute(select(schema.alerts.c.text)).scalars())
    assert ("198.51.100.2: " in told and "of a cycle of 90" in told) is (start != "never")
    kept, due = records(store)
    assert due.allowance == (700 if moved else kept.allowance)
