"""`DecideWarmup` and its companions against a real PostgreSQL, day by day."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from sqlalchemy import insert, select, text, update

from email_engine.decision import Origin
from email_engine.fleet.model import Pause
from email_engine.store import schema
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.stops import brake_ends, brakes
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.operators.publish import PublishAllowances
from email_engine_airflow.operators.warmup_advance import DecideWarmup
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_delivery, add_host, add_ip, add_tenant

DAY = date(2026, 11, 1)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _connection(engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))


def context(closing: date = DAY, **params: Any) -> dict[str, Any]:
    run_after = midnight(closing) + timedelta(days=1)
    dag_run = SimpleNamespace(
        dag_id="warmup_advance",
        run_id=f"scheduled__{run_after.isoformat()}",
        run_after=run_after,
        logical_date=run_after,
    )
    return {"dag_run": dag_run, "params": {"dry_run": False, "day": None} | params, "outlet_events": {}}


def decide(closing: date = DAY, tenant: str = "aurora", **params: Any) -> dict[str, Any]:
    return DecideWarmup(task_id="decide", tenant=tenant).execute(context(closing, **params))


def all_rows(store: Store, table: Any) -> list[Mapping[str, Any]]:
    with store.session("*") as conn:
        return [
            dict(row) for row in conn.execute(select(table).order_by(*table.primary_key.columns)).mappings()
        ]


def snapshot(store: Store) -> dict[str, list[Mapping[str, Any]]]:
    return {name: all_rows(store, table) for name, table in schema.metadata.tables.items()}


def accounted(store: Store, day: date, host: str = "mta-1") -> None:
    """A file of the host that closed just after the day."""
    with store.session("*") as conn:
        conn.execute(
            insert(schema.accounting_files).values(
                mta_host=host,
                name=f"acct-{day}.csv",
                size=1,
                modified=int((midnight(day) + timedelta(days=1, minutes=5)).timestamp()),
                digest=f"{host}-{day}",
                records=1,
                rejected=0,
                status="taken",
            )
        )


def checked(store: Store, ip_id: int, day: date, status: str = "ok") -> None:
    with store.session("*") as conn:
        conn.execute(
            insert(schema.dns_checks).values(
                tenant="aurora",
                ip_id=ip_id,
                subject="news.example",
                check_id="spf.record",
                status=status,
                severity="error",
                observed="",
                expected="",
                remedy="",
                checked_at=midnight(day) + timedelta(hours=6),
            )
        )
        ips.mark_swept(conn, [ip_id], midnight(day) + timedelta(hours=20))


def records(store: Store, day: date) -> dict[str, Any]:
    with store.session("*") as conn:
        return {str(ip.address): ip for ip in ips.load_ips(conn, day=day)}


@pytest.fixture
def fleet(store: Store) -> list[int]:
    """aurora: one active, two warming, one standby on mta-1."""
    with store.session("*") as conn:
        add_tenant(conn, daily_quota=30_000)
        add_host(conn)
        return [
            add_ip(conn, 1, state="active"),
            add_ip(conn, 2),
            add_ip(conn, 3),
            add_ip(conn, 4, state="standby"),
        ]


def send_a_day(store: Store, ids: list[int], day: date, bounced: int = 0, **counts: int) -> None:
    with store.session("*") as conn:
        for ip_id in ids:
            add_delivery(
                conn, ip_id, midnight(day), **{"delivered": 49 - bounced, "bounced": bounced} | counts
            )
    accounted(store, day)
    for ip_id in ids:
        checked(store, ip_id, day)


def test_the_first_day_deals_the_first_allowances(store: Store, fleet: list[int]) -> None:
    result = decide()
    tomorrow = records(store, DAY + timedelta(days=1))
    assert [ip.allowance for ip in tomorrow.values()] == [10_000, 50, 50, 0]
    assert records(store, DAY)["198.51.100.2"].allowance == 0
    assert result["days"] == ["2026-11-01"]
    assert result["version"] == 1


def test_every_ip_gets_one_decision_with_inputs_verdicts_reason_and_digest(
    store: Store, fleet: list[int]
) -> None:
    decide()
    rows = all_rows(store, schema.decisions)
    assert [row["subject"] for row in rows] == [f"198.51.100.{n}" for n in (1, 2, 3, 4)]
    warming = rows[1]
    assert (warming["pipeline"], warming["run_key"], warming["action"]) == (
        "warmup_advance",
        "2026-11-01",
        "stay",
    )
    assert warming["reason"] == "0 of 7 days of phase 1 were sent, so it stays at 50 messages a day."
    assert warming["inputs"]["state"] == "warming"
    assert warming["verdicts"]["bounces"]["verdict"] == "insufficient"
    assert len(warming["policy_digest"]) == 64
    assert warming["applied"]
    assert warming["run_id"] == "scheduled__2026-11-02T00:00:00+00:00"


def test_deciding_the_same_day_again_changes_nothing(store: Store, fleet: list[int]) -> None:
    decide()
    before = snapshot(store)
    again = decide()
    assert snapshot(store) == before
    assert again["actions"] == {}
    assert again["version"] is None


def test_seven_sent_days_advance_to_the_next_stage(store: Store, fleet: list[int]) -> None:
    decide(DAY)
    for n in range(1, 8):
        send_a_day(store, fleet[:3], DAY + timedelta(days=n))
        result = decide(DAY + timedelta(days=n))
    assert result["actions"] == {"stay": 2, "advance": 2}
    assert records(store, DAY + timedelta(days=8))["198.51.100.2"].phase == 2
    assert records(store, DAY + timedelta(days=8))["198.51.100.2"].allowance == 100
    assert records(store, DAY + timedelta(days=7))["198.51.100.2"].allowance == 50
    stats = [row for row in all_rows(store, schema.warmup_daily_stats) if row["ip_id"] == fleet[1]]
    assert [(row["day"].day, row["allowance"], row["sent"]) for row in stats] == [
        (n, 50, 49) for n in range(2, 9)
    ]


def test_without_accounting_of_the_host_nothing_advances(store: Store, fleet: list[int]) -> None:
    decide(DAY)
    for n in range(1, 8):
        with store.session("*") as conn:
            add_delivery(conn, fleet[1], midnight(DAY + timedelta(days=n)), delivered=49)
        result = decide(DAY + timedelta(days=n))
    assert result["actions"] == {"hold": 3, "stay": 1}
    reason = all_rows(store, schema.decisions)[-3]["reason"]
    assert reason == "Nothing advances, because the accounting of mta-1 never came."
    assert records(store, DAY + timedelta(days=8))["198.51.100.2"].allowance == 50


def test_bad_traffic_pauses_brakes_and_later_resumes(store: Store, fleet: list[int]) -> None:
    decide(DAY)
    second = DAY + timedelta(days=1)
    send_a_day(store, [fleet[1]], second, bounced=20)
    result = decide(second)
    assert result["stopped"] == ["198.51.100.2"]
    paused = records(store, second + timedelta(days=1))["198.51.100.2"]
    assert (paused.allowance, paused.braked) == (0, True)
    assert paused.pause == Pause(midnight(second) + timedelta(days=8))
    assert ListNames(task_id="hosts", of="hosts with open brakes").execute(context()) == ["mta-1"]
    with store.session("*") as conn:
        brake = brakes.engaged(conn)[0]
        brakes.confirm(conn, brake.brake_id, True, True, "holds", midnight(second))
    assert ListNames(task_id="hosts", of="hosts with open brakes").execute(context()) == []
    for n in range(2, 9):
        accounted(store, DAY + timedelta(days=n))
        checked(store, fleet[1], DAY + timedelta(days=n))
        result = decide(DAY + timedelta(days=n))
    assert result["actions"]["resume"] == 1
    with store.session("*") as conn:
        assert brakes.engaged(conn)[0].release_asked_at is not None
    assert ListNames(task_id="hosts", of="hosts with open brakes").execute(context()) == ["mta-1"]
    with store.session("*") as conn:
        brake_ends.released(conn, brake.brake_id, midnight(second))
    resumed = records(store, DAY + timedelta(days=9))["198.51.100.2"]
    assert (resumed.allowance, resumed.braked, resumed.pause) == (50, False, None)


def test_a_third_stop_within_30_days_quarantines_with_history(store: Store, fleet: list[int]) -> None:
    decide(DAY)
    with store.session("*") as conn:
        before = [{"day": (DAY - timedelta(days=n)).isoformat(), "kind": "bounces"} for n in (20, 10)]
        ips.update_plan(conn, fleet[1], stops=before, last_stop_at=midnight(DAY - timedelta(days=10)))
    send_a_day(store, [fleet[1]], DAY + timedelta(days=1), bounced=20)
    decide(DAY + timedelta(days=1))
    ip = records(store, DAY + timedelta(days=2))["198.51.100.2"]
    assert (ip.state, ip.allowance) == ("quarantine", 0)
    assert ip.quarantine_until == midnight(DAY) + timedelta(days=9)
    history = all_rows(store, schema.ip_state_history)[-1]
    assert (history["event"], history["from_status"], history["to_status"]) == (
        "second_stop",
        "warming",
        "quarantine",
    )
    assert history["decision_id"] is not None
    told = all_rows(store, schema.alerts)[-1]
    assert (told["event"], told["object"], told["state"], told["severity"]) == (
        "warmup_advance",
        "aurora",
        "2026-11-02",
        "critical",
    )
    assert "198.51.100.2: 20 bounces of 49 messages on" in told["text"]


def test_three_complaints_about_few_messages_pause(store: Store, fleet: list[int]) -> None:
    decide(DAY)
    send_a_day(store, [fleet[1]], DAY + timedelta(days=1), complained=3)
    decide(DAY + timedelta(days=1))
    ip = records(store, DAY + timedelta(days=2))["198.51.100.2"]
    assert (ip.state, ip.allowance, ip.pause) == ("warming", 0, Pause(midnight(DAY) + timedelta(days=9)))


def test_broken_dns_holds(store: Store, fleet: list[int]) -> None:
    decide(DAY)
    for n in range(1, 8):
        send_a_day(store, fleet[:3], DAY + timedelta(days=n))
    checked(store, fleet[2], DAY + timedelta(days=8), status="broken")
    accounted(store, DAY + timedelta(days=8))
    decide(DAY + timedelta(days=8))
    with store.session("*") as conn:
        rows = schema.decisions.c
        query = select(rows.reason).where(rows.run_key == "2026-11-09", rows.subject == "198.51.100.3")
        assert conn.execute(query).scalar_one() == "Nothing advances, because its DNS is broken (spf.record)."
    assert records(store, DAY + timedelta(days=9))["198.51.100.2"].phase == 2
    assert records(store, DAY + timedelta(days=9))["198.51.100.3"].phase == 1


def test_missed_days_are_decided_in_their_order(store: Store, fleet: list[int]) -> None:
    decide(DAY)
    for n in range(1, 10):
        send_a_day(store, fleet[:3], DAY + timedelta(days=n))
    result = decide(DAY + timedelta(days=9))
    assert result["days"] == [f"2026-11-{n:02}" for n in range(2, 11)]
    actions = {
        row["run_key"]: row["action"]
        for row in all_rows(store, schema.decisions)
        if row["subject"] == "198.51.100.2"
    }
    assert actions["2026-11-08"] == "advance"
    assert actions["2026-11-09"] == actions["2026-11-10"] == "stay"
    assert records(store, DAY + timedelta(days=9))["198.51.100.2"].allowance == 50
    assert records(store, DAY + timedelta(days=10))["198.51.100.2"].allowance == 100


def test_after_a_long_stop_only_the_last_60_days_are_decided(store: Store, fleet: list[int]) -> None:
    decide(DAY)
    result = decide(DAY + timedelta(days=100))
    assert len(result["days"]) == 60
    assert result["days"][-1] == "2027-02-09"


def test_a_day_that_is_over_is_not_decided_again_for_a_new_ip(store: Store, fleet: list[int]) -> None:
    decide(DAY)
    decide(DAY + timedelta(days=1))
    with store.session("*") as conn:
        add_ip(conn, 9)
    assert decide(DAY)["days"] == []
    assert decide(DAY + timedelta(days=1))["actions"] == {"stay": 1}


def test_a_tenant_in_observe_gets_decisions_and_no_change(store: Store, fleet: list[int]) -> None:
    with store.session("*") as conn:
        conn.execute(update(schema.tenants).values(mode="observe"))
    before = snapshot(store)
    result = decide()
    after = snapshot(store)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"email_engine.decisions", "email_engine.policies", "email_engine.alerts"}
    assert not any(row["applied"] for row in after["email_engine.decisions"])
    assert result["version"] is None
    assert "observe" in after["email_engine.alerts"][0]["text"]


def test_a_dry_run_writes_nothing_and_shows_everything(store: Store, fleet: list[int]) -> None:
    before = snapshot(store)
    result = decide(dry_run=True)
    assert snapshot(store) == before
    assert result["actions"] == {"stay": 4}
    assert result["version"] is None


def test_tenants_do_not_touch_each_other(store: Store, fleet: list[int]) -> None:
    with store.session("*") as conn:
        add_tenant(conn, "borealis")
        add_ip(conn, 1, tenant="borealis", network="203.0.113")
    decide(tenant="borealis")
    assert {row["tenant"] for row in all_rows(store, schema.decisions)} == {"borealis"}


def test_a_day_given_by_hand_is_the_day_that_is_closed(store: Store, fleet: list[int]) -> None:
    assert decide(date(2026, 12, 24), day="2026-11-05")["days"] == ["2026-11-05"]


@pytest.mark.parametrize(
    "day", ["2026-11-02", "2026-11-03", "2027-06-01"], ids=["today", "tomorrow", "far off"]
)
def test_a_day_that_is_not_over_cannot_be_closed(store: Store, fleet: list[int], day: str) -> None:
    paused = {"paused": True, "pause_until": midnight(date(2026, 12, 1))}
    with store.session("*") as conn:
        conn.execute(update(schema.warmup_plans).values(**paused))
    before = snapshot(store)
    by_hand = context(day=day)
    by_hand["dag_run"].run_type = "manual"
    with pytest.raises(AirflowFailException, match="is not over at 2026-11-02 00:00 UTC"):
        DecideWarmup(task_id="decide", tenant="aurora").execute(by_hand)
    after = snapshot(store)
    answered = after.pop("email_engine.incidents")
    assert [row["title"] for row in answered] == ["answered in the run"]
    assert after == {table: rows for table, rows in before.items() if table != "email_engine.incidents"}


def test_what_a_braked_ip_gets_back_later_is_not_dealt_to_a_new_one(store: Store, fleet: list[int]) -> None:
    decide()
    with store.session("*") as conn:
        conn.execute(update(schema.tenants).values(daily_quota=10_100))
        for ip in ips.load_ips(conn, day=DAY + timedelta(days=1)):
            if ip.state == "active":
                brakes.engage(conn, ip, "by hand", Origin("ops", midnight(DAY), brakes.BY_HAND, "run"), None)
        add_ip(conn, 5, state="active")
    decide()
    assert records(store, DAY + timedelta(days=1))["198.51.100.5"].allowance == 0


def test_allowances_are_published_only_when_the_run_changed_something(store: Store, fleet: list[int]) -> None:
    publish = PublishAllowances(task_id="publish")
    with pytest.raises(AirflowSkipException, match="nothing changed"):
        publish.execute(context())
    decide()
    assert publish.execute(context()) == 1
    with pytest.raises(AirflowSkipException, match="dry run"):
        publish.execute(context(dry_run=True))


class TestExplain:
    def explained(
        self, store: Store, url: str, day: date, capsys: pytest.CaptureFixture[str], *more: str
    ) -> int:
        from email_engine.cli import main

        return main(["explain", "198.51.100.1", day.isoformat(), "--database-url", url, *more])

    def test_every_decision_of_a_fortnight_made_again_agrees(
        self, store: Store, engine_database_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with store.session("*") as conn:
            add_tenant(conn)
            add_host(conn)
            ip = add_ip(conn, 1)
            add_ip(conn, 2, state="active")
        for n in range(14):
            day = DAY + timedelta(days=n)
            accounted(store, day)
            with store.session("*") as conn:
                add_delivery(conn, ip, midnight(day), delivered=48, bounced=n // 6)
            decide(day)
            assert self.explained(store, engine_database_url, day, capsys) == 0
        told = capsys.readouterr().out
        assert "198.51.100.1, 2026-11-14: " in told
        assert "it comes out the same" in told

    def test_a_row_that_somebody_changed_is_found(
        self, store: Store, engine_database_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with store.session("*") as conn:
            add_tenant(conn)
            add_host(conn)
            add_ip(conn, 1)
        accounted(store, DAY)
        decide(DAY)
        with store.session("*") as conn:
            conn.execute(text("ALTER TABLE email_engine.decisions DISABLE TRIGGER USER"))
            conn.execute(update(schema.decisions).values(reason="Somebody liked it so."))
        assert self.explained(store, engine_database_url, DAY, capsys, "--json") == 1
        told = capsys.readouterr().out
        assert '"agrees": false' in told
        assert '"field": "reason"' in told

    def test_no_decision_is_a_clear_error(
        self, store: Store, engine_database_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with store.session("*") as conn:
            add_tenant(conn)
            add_host(conn)
            add_ip(conn, 1)
        assert self.explained(store, engine_database_url, DAY, capsys) == 2
        assert "nothing was decided about it yet" in capsys.readouterr().err

    @pytest.fixture
    def three_days(self, store: Store) -> list[date]:
        """Decided days with a gap."""
        with store.session("*") as conn:
            add_tenant(conn)
            add_host(conn)
            add_ip(conn, 1)
            add_ip(conn, 12)
        days = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=5)]
        for day in days:
            accounted(store, day)
            decide(day)
        with store.session(
            "*"
        ) as conn:  # decided late, since a run closes every day that is open: as if it never was
            conn.execute(text("ALTER TABLE email_engine.decisions DISABLE TRIGGER USER"))
            rows = schema.decisions
            conn.execute(rows.delete().where(rows.c.run_key.not_in([day.isoformat() for day in days])))
        return days

    @staticmethod
    def run(url: str, *words: str) -> int:
        from email_engine.cli import main

        return main(["explain", *words, "--database-url", url])

    def test_without_a_day_the_newest_decision_is_explained(
        self, three_days: list[date], engine_database_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.run(engine_database_url, "198.51.100.1") == 0
        assert f"198.51.100.1, {three_days[-1]}: " in capsys.readouterr().out

    def test_a_day_without_a_decision_names_those_around_it(
        self, three_days: list[date], engine_database_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first, before, after = three_days
        assert self.run(engine_database_url, "198.51.100.1", str(DAY + timedelta(days=3))) == 2
        assert f"a UTC day such as {before} or {after}" in capsys.readouterr().err
        assert self.run(engine_database_url, "198.51.100.1", "2020-01-01") == 2
        said = capsys.readouterr().err
        assert f"a UTC day such as {first}. Next: " in said
        assert f"none for the newest, {after}" in said

    @pytest.mark.parametrize(
        ("ip", "told"),
        [
            ("198.51.100.13", "198.51.100.12"),
            ("198.51.100.1x", "198.51.100.1"),
            ("9", "one of 198.51.100.1, 198.51.100.12"),
            ("x" * 5000, "... (5,000 characters)"),
        ],
    )
    def test_an_ip_that_nobody_knows_names_near_ones(
        self,
        three_days: list[date],
        engine_database_url: str,
        capsys: pytest.CaptureFixture[str],
        ip: str,
        told: str,
    ) -> None:
        assert self.run(engine_database_url, ip) == 2
        said = capsys.readouterr().err
        assert "not in the fleet" in said
        assert told in said
        assert len(said) < 500

    @pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "2026-11-1"])
    def test_what_is_no_day_is_told(
        self, three_days: list[date], engine_database_url: str, capsys: pytest.CaptureFixture[str], day: str
    ) -> None:
        assert self.run(engine_database_url, "198.51.100.1", day) == 2
        assert "a day such as" in capsys.readouterr().err


class TestAlerts:
    def holds(self, store: Store) -> list[Mapping[str, Any]]:
        return [row for row in all_rows(store, schema.alerts) if row["event"] == "warmup_hold"]

    def test_a_reason_to_hold_is_told_once_and_cleared_when_it_is_over(
        self, store: Store, fleet: list[int]
    ) -> None:
        decide(DAY)
        for number in range(1, 4):
            decide(DAY + timedelta(days=number))
        (alert,) = self.holds(store)
        assert (alert["object"], alert["severity"], alert["cleared_at"]) == (
            "aurora: accounting",
            "warning",
            None,
        )
        assert "198.51.100.2: Nothing advances, because the accounting of mta-1 never came." in alert["text"]
        daily = [row["text"] for row in all_rows(store, schema.alerts) if row["event"] == "warmup_advance"]
        assert "3 hold" in daily[-1]
        assert "accounting" not in daily[-1]
        send_a_day(store, fleet[:3], DAY + timedelta(days=4))
        decide(DAY + timedelta(days=4))
        assert self.holds(store)[0]["cleared_at"] is not None

    def test_a_host_that_sends_twice_what_was_allowed_holds_with_the_reason(
        self, store: Store, fleet: list[int]
    ) -> None:
        decide(DAY)
        day = DAY + timedelta(days=1)
        send_a_day(store, fleet[1:2], day, delivered=400)
        decide(day)
        (alert,) = self.holds(store)
        assert alert["object"] == "aurora: overrun"
        assert "it sent 400 messages on 2026-11-02 where 50 were allowed" in alert["text"]
        assert records(store, day + timedelta(days=1))["198.51.100.2"].allowance == 50

    def test_a_quota_too_small_is_told_once_with_who_waits_and_until_when(
        self, store: Store, fleet: list[int]
    ) -> None:
        with store.session("*") as conn:
            conn.execute(update(schema.tenants).values(daily_quota=70))
        decide(DAY)
        decide(DAY + timedelta(days=1))
        (alert,) = [row for row in all_rows(store, schema.alerts) if row["event"] == "capacity"]
        assert "aurora: 70 of 70 a day are dealt" in alert["text"]
        assert "198.51.100.3 cannot progress" in alert["text"]
        with store.session("*") as conn:
            conn.execute(update(schema.tenants).values(daily_quota=60_000))
        decide(DAY + timedelta(days=2))
        assert [
            row["cleared_at"] is None for row in all_rows(store, schema.alerts) if row["event"] == "capacity"
        ] == [False]
