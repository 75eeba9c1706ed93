"""`GuardReputation` against a real PostgreSQL: what it stops and slows during the day, and that it gives nothing."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from email_engine.commands import explain
from email_engine.store import schema, versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.operators.reputation_guard import GuardReputation
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_host, add_hour, add_ip, add_tenant

TODAY = date(2026, 11, 10)
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _connection(engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))


@pytest.fixture
def fleet(store: Store) -> list[int]:
    """aurora: two active IPs with 1,000 a day, one warming with 50, one standby."""
    with store.session("*") as conn:
        add_tenant(conn, daily_quota=30_000)
        add_host(conn)
        ids = [
            add_ip(conn, 1, state="active"), add_ip(conn, 2, state="active"), add_ip(conn, 3), add_ip(conn, 4, state="standby"),
        ]  # fmt: skip
        version = versions.bump(conn, "test")
        for ip_id, messages in zip(ids, (1000, 1000, 50), strict=False):
            ips.set_allowance(conn, ip_id, "aurora", TODAY, messages, version, None)
        return ids


def guard(at: datetime = NOON, dry_run: bool = False) -> dict[str, Any]:
    return GuardReputation(task_id="guard", tenant="aurora").execute(context(at, dry_run))


def context(at: datetime = NOON, dry_run: bool = False) -> dict[str, Any]:
    dag_run = SimpleNamespace(
        dag_id="reputation_guard", run_id=f"asset__{at.isoformat()}", run_after=at, logical_date=None
    )
    return {"dag_run": dag_run, "params": {"dry_run": dry_run}, "outlet_events": {}}


def deliver(store: Store, ip_id: int, provider: str = "gmail", hour: datetime = NOON, **columns: Any) -> None:
    with store.session("*") as conn:
        add_hour(conn, ip_id, hour, provider, **columns)


def rows(store: Store, table: Any) -> list[Mapping[str, Any]]:
    with store.session("*") as conn:
        return [dict(row) for row in conn.execute(select(table).order_by(table.c.id)).mappings()]


def allowed(store: Store, day: date = TODAY) -> list[int]:
    with store.session("*") as conn:
        return [ip.allowance for ip in ips.load_ips(conn, day=day, tenant="aurora")]


def test_an_ip_that_turns_bad_at_noon_stands_still_at_noon(store: Store, fleet: list[int]) -> None:
    deliver(store, fleet[0], delivered=150, bounced=50)
    deliver(store, fleet[1], delivered=196, bounced=4)
    done = guard()
    assert (done["judged"], done["stopped"], done["slowed"]) == (3, ["198.51.100.1"], [])
    assert allowed(store) == [0, 1000, 50, 0]
    decision = rows(store, schema.decisions)[0]
    assert (decision["pipeline"], decision["action"], decision["applied"]) == (
        "reputation_guard",
        "pause",
        True,
    )
    assert decision["run_key"] == "2026-11-10T12:00:00+00:00"
    assert "50 bounces of 200 messages on 2026-11-10 prove a rate above 5.0%" in decision["reason"]
    assert rows(store, schema.warmup_plans)[0]["pause_until"] == datetime(2026, 11, 18, tzinfo=UTC)
    assert len(rows(store, schema.brakes)) == 1
    alert = rows(store, schema.alerts)[0]
    assert (alert["event"], alert["severity"], alert["object"]) == (
        "reputation_guard",
        "warning",
        "198.51.100.1",
    )


def test_looking_again_changes_nothing(store: Store, fleet: list[int]) -> None:
    deliver(store, fleet[0], delivered=150, bounced=50)
    guard()
    before = [
        rows(store, table) for table in (schema.decisions, schema.brakes, schema.alerts, schema.allowances)
    ]
    again = guard(NOON + timedelta(minutes=15))
    assert (again["stopped"], again["slowed"], again["version"]) == ([], [], None)
    assert before == [
        rows(store, table) for table in (schema.decisions, schema.brakes, schema.alerts, schema.allowances)
    ]


def test_three_complaints_about_few_messages_are_a_pause(store: Store, fleet: list[int]) -> None:
    deliver(store, fleet[2], delivered=50, complained=3)
    assert guard()["stopped"] == ["198.51.100.3"]
    with store.session("*") as conn:
        states = {str(ip.address): str(ip.state) for ip in ips.load_ips(conn, day=TODAY)}
    assert states["198.51.100.3"] == "warming"
    plan = rows(store, schema.warmup_plans)[2]
    assert (plan["paused"], [stop["kind"] for stop in plan["stops"]]) == (True, ["complaints"])


def test_a_provider_that_presses_gets_less_and_the_rest_stays(store: Store, fleet: list[int]) -> None:
    deliver(store, fleet[0], "gmail", delivered=400)
    deliver(store, fleet[0], "microsoft", delivered=100, deferred=60, deferral_meanings={"rate": 60})
    done = guard()
    assert (done["stopped"], done["slowed"]) == ([], ["198.51.100.1"])
    with store.session("*") as conn:
        slowed = ips.load_ips(conn, day=TODAY, tenant="aurora")[0]
    assert (slowed.allowance, dict(slowed.bounds)) == (900, {"microsoft": 100})
    assert rows(store, schema.warmup_plans)[0]["paces"] == {"microsoft": 0.5}
    assert (
        "Microsoft deferred or blocked 60 of 160 attempts on 2026-11-10 for rate or reputation"
        in rows(store, schema.decisions)[0]["reason"]
    )


def test_nothing_is_given_whatever_looks_good(store: Store, fleet: list[int]) -> None:
    for days_ago in range(30):
        for ip_id in fleet[:3]:
            deliver(store, ip_id, hour=NOON - timedelta(days=days_ago), delivered=1000)
    with store.session("*") as conn:
        ips.update_plan(conn, fleet[1], paces={"*": 0.5})
        ips.update_plan(conn, fleet[2], paused=True, pause_until=NOON - timedelta(hours=1))
    before = allowed(store)
    assert guard()["version"] is None
    assert allowed(store) == before
    assert rows(store, schema.warmup_plans)[1]["paces"] == {"*": 0.5}


def test_every_ip_has_its_rates_by_provider_with_their_interval(store: Store, fleet: list[int]) -> None:
    deliver(store, fleet[0], "gmail", delivered=980, bounced=20)
    deliver(store, fleet[0], "yahoo", delivered=5)
    deliver(store, fleet[1], "gmail", delivered=9800, bounced=200)
    guard()
    found = {(row["ip_id"], row["provider"]): row for row in rows(store, schema.reputation)}
    assert sorted(found) == sorted(
        [(fleet[0], "*"), (fleet[0], "gmail"), (fleet[0], "yahoo"), (fleet[1], "*"), (fleet[1], "gmail")]
    )
    whole = found[fleet[0], "*"]
    assert (whole["messages"], whole["rates"]["bounces"]["bad"]) == (1005, 20)
    assert whole["score_low"] <= whole["score"] <= whole["score_high"]
    assert whole["verdicts"]["bounces"]["verdict"] == "pass"
    bounces = found[fleet[0], "gmail"]["rates"]["bounces"]
    assert bounces["low"] < 0.02 < bounces["high"]
    few = found[fleet[0], "yahoo"]["rates"]["bounces"]
    assert few["high"] - few["low"] > bounces["high"] - bounces["low"]
    deliver(store, fleet[0], "gmx", delivered=1)
    guard(NOON + timedelta(hours=1))
    assert {row["provider"] for row in rows(store, schema.reputation) if row["ip_id"] == fleet[0]} == {
        "*",
        "gmail",
        "yahoo",
        "gmx",
    }


def test_a_dry_run_writes_nothing(store: Store, fleet: list[int]) -> None:
    deliver(store, fleet[0], delivered=150, bounced=50)
    done = guard(dry_run=True)
    assert (done["stopped"], done["version"]) == (["198.51.100.1"], None)
    assert (rows(store, schema.decisions), rows(store, schema.reputation), allowed(store)[0]) == (
        [],
        [],
        1000,
    )


def test_a_tenant_in_observe_gets_decisions_and_nothing_else(store: Store, fleet: list[int]) -> None:
    with store.session("*") as conn:
        conn.execute(update(schema.tenants).values(mode="observe"))
    deliver(store, fleet[0], delivered=150, bounced=50)
    done = guard()
    assert (done["stopped"], done["version"], allowed(store)[0]) == (["198.51.100.1"], None, 1000)
    assert [row["applied"] for row in rows(store, schema.decisions)] == [False]
    assert "(tenant in observe: nothing was applied)" in rows(store, schema.alerts)[0]["text"]
    assert rows(store, schema.brakes) == []


def test_in_observe_a_day_has_one_decision_for_an_ip_and_action(store: Store, fleet: list[int]) -> None:
    with store.session("*") as conn:
        conn.execute(update(schema.tenants).values(mode="observe"))
    deliver(store, fleet[2], delivered=50, bounced=25)
    done = [guard(NOON + timedelta(minutes=15 * n))["stopped"] for n in range(3)]
    assert done == [["198.51.100.3"], [], []]
    assert guard(NOON + timedelta(hours=2))["stopped"] == []
    assert guard(NOON + timedelta(days=1))["stopped"] != []
    found = [(row["subject"], row["action"], row["run_key"][:13]) for row in rows(store, schema.decisions)]
    assert found[:1] == [("198.51.100.3", "pause", "2026-11-10T12")]
    assert {key for _, _, key in found[1:]} == {"2026-11-11T12"}
    assert {row["as_of"] for row in rows(store, schema.reputation)} == {NOON + timedelta(days=1)}


def test_a_run_that_is_cleared_days_later_judges_by_what_is_known_then(
    store: Store, fleet: list[int]
) -> None:
    deliver(store, fleet[0], delivered=150, bounced=50)
    guard(NOON + timedelta(days=2))
    guard(NOON)
    assert {row["as_of"] for row in rows(store, schema.reputation)} == {NOON + timedelta(days=2)}


def test_its_decision_made_again_agrees(
    store: Store, fleet: list[int], engine_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(store, fleet[0], delivered=150, bounced=50)
    guard()
    args = SimpleNamespace(ip="198.51.100.1", date="2026-11-10", database_url=engine_database_url, json=False)
    assert explain.run(args) == 0
    said = capsys.readouterr().out
    assert "reputation_guard at 2026-11-10T12:00:00+00:00" in said
    assert "Made again from its stored inputs it comes out the same." in said


def test_all_tenants_are_guarded(store: Store, fleet: list[int]) -> None:
    with store.session("*") as conn:
        add_tenant(conn, "borealis")
    assert ListNames(task_id="tenants", of="tenants").execute(context()) == ["aurora", "borealis"]
