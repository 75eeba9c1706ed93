"""`email-engine fleet status` and `fleet capacity`, from the database and from the file alone."""

import json
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from email_engine.cli import main
from email_engine.decision import Origin
from email_engine.store import schema, versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.judgement import observations, warmup
from email_engine.store.judgement.forecasts import standings
from email_engine.warmup.plan import plan_tenant
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.rows import Writing, rows_of
from tests.fleet_rows import add_ip

TODAY = datetime.now(UTC).date()


def close(store: Store, day: date) -> None:
    policy, effective = load_policy(), day + timedelta(days=1)
    with store.session("*") as conn:
        seen = observations.observe(conn, "aurora", day, effective, policy)
        ip_decisions = plan_tenant(seen, policy, observations.quotas(conn, "aurora"), day, effective)
        at = datetime.combine(effective, datetime.min.time(), UTC)
        writing = Writing(
            day, effective, Origin("test", at, "warmup_advance", "r"), policy.digest, policy=policy
        )
        warmup.record(conn, rows_of(ip_decisions, writing), writing)


@pytest.fixture
def closed(store: Store, two_tenants: SimpleNamespace) -> SimpleNamespace:
    with store.session("*") as conn:
        add_ip(conn, 3, state="standby", since=datetime(2026, 1, 1, tzinfo=UTC))
        conn.execute(schema.tenants.update().where(schema.tenants.c.name == "aurora").values(daily_quota=60))
    close(store, TODAY - timedelta(days=1))
    return two_tenants


def test_the_closed_day_leaves_a_forecast_beside_every_ip(store: Store, closed: SimpleNamespace) -> None:
    with store.session("aurora") as conn:
        first, second, third = standings(conn, day=TODAY, tenant="aurora")
    assert (first.ip.allowance, second.ip.allowance) == (50, 10)
    assert (first.graduates_on, first.blocked_by) == (TODAY + timedelta(days=42), None)
    assert (second.graduates_on, second.blocked_by) == (None, "the quota leaves it 10 of 50 a day")
    assert (third.graduates_on, third.ip.state) == (None, "standby")
    assert third.blocked_by


def test_on_the_first_day_the_schedule_says_when_they_graduate(
    store: Store, two_tenants: SimpleNamespace, engine_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", "status", "--database-url", engine_database_url]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    day = TODAY + timedelta(days=42)
    assert (
        f"2 warming, phase 1; 0 a day; score unknown; 2 graduate on {day} by the schedule, since no day was decided"
        in printed
    )
    assert main(["fleet", "status", "--json", "--database-url", engine_database_url]) == 0
    one = json.loads(capsys.readouterr().out)["ips"][0]
    assert (one["graduates_on"], one["graduates_by"]) == (day.isoformat(), "schedule")


def test_status_prints_a_line_for_each_ip(
    store: Store, closed: SimpleNamespace, engine_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with store.session("*") as conn:
        version = versions.bump(conn, "test")
        ips.set_allowance(conn, closed.aurora[0], "aurora", TODAY, 20, version, None, "microsoft")
    assert main(["fleet", "status", "--all", "--database-url", engine_database_url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "5 IPs of 2 tenants: 1 held"
    assert sum(line.split()[1:2] in (["warming"], ["standby"]) for line in lines) == 5 + 1
    assert "      at most 20 to microsoft" in lines
    assert "      the quota leaves it 10 of 50 a day" in lines
    assert (
        main(["fleet", "status", "--tenant", "borealis", "--json", "--database-url", engine_database_url])
        == 0
    )
    found = json.loads(capsys.readouterr().out)["ips"]
    assert [one["ip"] for one in found] == ["203.0.113.1", "203.0.113.2"]
    assert {one["graduates_by"] for one in found} == {"schedule"}, "its first day is not closed yet"


def test_capacity_from_the_database_names_who_cannot_progress(
    closed: SimpleNamespace, engine_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "fleet",
        "capacity",
        "--live",
        "--tenant",
        "aurora",
        "--json",
        "--database-url",
        engine_database_url,
    ]
    main(words)
    (plan,) = json.loads(capsys.readouterr().out)["tenants"]
    assert (plan["tenant"], plan["quota"], plan["day"]) == ("aurora", 60, TODAY.isoformat())
    assert plan["dealt"] <= 60
    assert [one["state"] for one in plan["ips"]] == ["warming", "warming", "standby"]


def test_capacity_needs_no_database_for_the_file_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "capacity", "--tenant", "aurora"]) == 0
    assert capsys.readouterr().out.startswith("aurora: ")


@pytest.mark.parametrize("words", [["status"], ["capacity", "--live"]], ids=["status", "capacity"])
def test_without_a_database_the_way_to_one_is_told(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EMAIL_ENGINE_DATABASE_URL", raising=False)
    assert main(["fleet", *words]) == 2
    assert "EMAIL_ENGINE_DATABASE_URL" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["status"], ["capacity", "--live"]], ids=["status", "capacity"])
def test_a_tenant_that_is_not_there_is_an_error(
    words: list[str], closed: SimpleNamespace, engine_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", *words, "--tenant", "nobody", "--database-url", engine_database_url]) == 2
    assert "aurora, borealis" in capsys.readouterr().err
