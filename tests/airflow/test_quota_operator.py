"""The quota sync as Airflow runs it, on a real MailWizz stand-in and real databases."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import URL, make_url, select, update

from email_engine.adapters.mailwizz_api import ApiServer, MailwizzApi
from email_engine.adapters.mailwizz_batch import MailwizzBatch
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.decision import Origin
from email_engine.errors import EngineError, Refused, Unreachable
from email_engine.store import quota_syncs, schema, versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.schema import decisions
from email_engine.store.schema import quota_syncs as syncs
from email_engine.store.stops import brakes
from email_engine.store.telling import alerts
from email_engine_airflow.operators.mailwizz_quota_sync import SyncQuotas
from email_engine_airflow.operators.names import ListNames
from lab.testing import API_KEY, RunningLab, running_lab
from tests import fleet_rows

AS_OF = datetime(2026, 11, 1, 8, 5, tzinfo=UTC)
RESET = """UPDATE mw_delivery_server SET daily_quota = 0, hourly_quota = 0, type = 'smtp-pmta', status = 'active',
    warmup_plan_id = NULL, hostname = 'mta-1', minute_quota = 0, use_for = 1"""


def plain(url: str | URL) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def mailwizz_url(postgres_url: str) -> str:
    name = f"mw_aurora_{uuid4().hex[:8]}"
    with psycopg.connect(plain(postgres_url), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return plain(make_url(postgres_url).set(database=name))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, mailwizz_url: str) -> Iterator[RunningLab]:
    state: Path = tmp_path_factory.mktemp("quotas")
    servers = [
        {"server_id": 100 + n, "name": f"aurora-{n}", "hostname": "mta-1", "vmta": f"aurora-{n}"}
        for n in (1, 2, 3)
    ]
    one = {
        "name": "mw-aurora",
        "port": 0,
        "api_key": API_KEY,
        "database_url": mailwizz_url,
        "servers": servers,
    }
    with running_lab({"state": str(state), "clock": {"mode": "real"}, "mailwizz": [one]}) as lab:
        yield lab


@pytest.fixture
def mailwizz(lab: RunningLab, mailwizz_url: str) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """SQL on MailWizz's database; the servers are unlimited and active again before each test."""
    lab.knob("mailwizz.offline", on=False)
    lab.knob("mailwizz.refuse", reason=None)
    with psycopg.connect(mailwizz_url, autocommit=True, row_factory=dict_row) as connection:

        def run(
            statement: str = "SELECT * FROM mw_delivery_server ORDER BY server_id",
        ) -> list[dict[str, Any]]:
            done = connection.execute(statement)  # type: ignore[call-overload]
            return done.fetchall() if done.description else []

        run(RESET)
        yield run
        run(RESET)


@pytest.fixture
def connections(
    lab: RunningLab, mailwizz_url: str, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def database(url: str, **fields: Any) -> str:
        given = make_url(url)
        fields |= {"host": given.query["host"], "login": given.username, "password": given.password}
        return json.dumps(fields | {"schema": given.database})

    api = {
        "conn_type": "mailwizz",
        "host": f"http://127.0.0.1:{lab.ready['mailwizz']['mw-aurora']}/api",
        "password": API_KEY,
    }
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", database(engine_database_url, conn_type="postgres"))
    monkeypatch.setenv("AIRFLOW_CONN_MAILWIZZ_API_MW-AURORA", json.dumps(api))
    monkeypatch.setenv(
        "AIRFLOW_CONN_MAILWIZZ_DB_MW-AURORA",
        database(
            mailwizz_url, conn_type="mailwizz_db", extra={"dialect": "postgresql", "table_prefix": "mw_"}
        ),
    )


@pytest.fixture
def fleet(store: Store, connections: None, mailwizz: Any) -> Callable[..., None]:
    """Three IPs: 1 active with 5000 a day, 2 warming with 250, 3 in standby."""

    def make(mode: str = "act") -> None:
        with store.session(tenant="*") as conn:
            fleet_rows.add_tenant(conn, "aurora", mode)
            fleet_rows.add_host(conn)
            version = versions.bump(conn, "test")
            for number, state, allowance in ((1, "active", 5000), (2, "warming", 250), (3, "standby", 0)):
                ip_id = fleet_rows.add_ip(conn, number, state=state)
                ips.set_allowance(conn, ip_id, "aurora", date(2026, 11, 1), allowance, version, None)

    return make


def sync(run_id: str = "run-1", as_of: datetime = AS_OF, **params: Any) -> dict[str, Any]:
    run = SimpleNamespace(dag_id="mailwizz_quota_sync", run_id=run_id, run_after=as_of, logical_date=None)
    return SyncQuotas(task_id="sync", instance="mw-aurora").execute({"dag_run": run, "params": params})


def settings(mailwizz: Any) -> list[tuple[int, int, str]]:
    return [(row["daily_quota"], row["hourly_quota"], row["status"]) for row in mailwizz()]


WANTED = [(5000, 500, "active"), (250, 25, "active"), (1, 1, "disabled")]
UNTOUCHED = [(0, 0, "active")] * 3


def rows(store: Store, table: Any) -> list[Any]:
    with store.session(tenant="*") as conn:
        return list(conn.execute(select(table).order_by(table.c.id)))


def told(store: Store) -> dict[str, str]:
    with store.session(tenant="*") as conn:
        return {alert.event: alert.text for alert in alerts.pending(conn) if alert.cleared_at is None}


def test_an_old_run_that_is_cleared_brings_no_old_quotas_back(
    fleet: Any, store: Store, mailwizz: Any
) -> None:
    fleet()
    sync()
    with store.session(tenant="*") as conn:
        version = versions.bump(conn, "stepped back")
        first = ips.load_ips(conn, day=date(2026, 11, 2))[0]
        ips.set_allowance(conn, first.ip_id, "aurora", date(2026, 11, 2), 1000, version, None)
    sync("run-2", as_of=datetime(2026, 11, 2, 0, 5, tzinfo=UTC))
    assert settings(mailwizz)[0] == (1000, 100, "active")
    assert sync()["changes"] == 0
    assert settings(mailwizz)[0] == (1000, 100, "active")


def test_servers_follow_allowances_and_each_write_is_recorded(
    fleet: Any, store: Store, mailwizz: Any
) -> None:
    fleet()
    assert sync() == {
        "instance": "mw-aurora", "changes": 3, "drift": 0, "refused": 0, "unchanged": 0, "changed": 3, "held": 0,
    }  # fmt: skip
    assert settings(mailwizz) == WANTED
    written = rows(store, syncs)
    assert {(r.server_id, r.new_daily_quota, r.new_status, r.result) for r in written} == {
        (101, 5000, "active", "applied"), (102, 250, "active", "applied"), (103, 1, "disabled", "applied"),
    }  # fmt: skip
    assert {(r.run_id, r.day) for r in written} == {("run-1", date(2026, 11, 1))}
    decided = rows(store, decisions)
    assert {(str(r.subject), r.action, r.applied, r.run_key) for r in decided} == {
        ("198.51.100.1", "set-quotas", True, "1/2026-11-01"),
        ("198.51.100.2", "set-quotas", True, "1/2026-11-01"),
        ("198.51.100.3", "disable", True, "1/2026-11-01"),
    }
    assert told(store) == {}


def test_a_server_that_no_file_names_is_found_by_its_header_and_written_down(
    fleet: Any, store: Store, mailwizz: Any
) -> None:
    fleet()
    with store.session(tenant="*") as conn:
        conn.execute(update(schema.ips).values(mailwizz_server_id=None))
    dry = sync(dry_run=True)
    assert dry["changes"] == 3
    assert [row.mailwizz_server_id for row in rows(store, schema.ips)] == [None, None, None]
    assert (sync()["changed"], settings(mailwizz)) == (3, WANTED)
    assert [row.mailwizz_server_id for row in rows(store, schema.ips)] == [101, 102, 103]
    assert {row.inputs["server_id"] for row in rows(store, decisions)} == {101, 102, 103}
    assert sync("run-2")["unchanged"] == 3


def test_a_second_run_finds_nothing_to_do(fleet: Any, store: Store, mailwizz: Any) -> None:
    fleet()
    sync()
    again = sync("run-2")
    assert (again["changes"], again["changed"], again["unchanged"]) == (0, 0, 3)
    assert len(rows(store, syncs)) == 3


def test_the_day_is_the_runs_and_not_the_clocks(fleet: Any, store: Store, mailwizz: Any) -> None:
    fleet()
    with store.session(tenant="*") as conn:
        ip_id = ips.load_ips(conn, day=date(2026, 11, 1))[1].ip_id
        ips.set_allowance(conn, ip_id, "aurora", date(2026, 11, 2), 500, versions.current(conn), None)
    sync(as_of=datetime(2026, 11, 1, 23, 59, tzinfo=UTC))
    assert settings(mailwizz)[1] == (250, 25, "active")
    sync("run-2", as_of=datetime(2026, 11, 2, 0, 5, tzinfo=UTC))
    assert settings(mailwizz)[1] == (500, 50, "active")


def test_a_tenant_in_observe_gets_decisions_and_no_change(fleet: Any, store: Store, mailwizz: Any) -> None:
    fleet("observe")
    result = sync()
    assert (result["changes"], result["changed"]) == (3, 0)
    assert settings(mailwizz) == UNTOUCHED
    assert rows(store, syncs) == []
    assert [(r.applied, r.kind) for r in rows(store, decisions)] == [(False, "quota")] * 3


def test_a_dry_run_writes_nothing_at_all(fleet: Any, store: Store, mailwizz: Any) -> None:
    fleet()
    result = sync(dry_run=True)
    assert len(result["plan"]) == 3
    assert settings(mailwizz) == UNTOUCHED
    assert rows(store, syncs) == rows(store, decisions) == []


def test_drift_is_mended_and_said(fleet: Any, store: Store, mailwizz: Any) -> None:
    fleet()
    sync()
    mailwizz("UPDATE mw_delivery_server SET daily_quota = 0 WHERE server_id = 101")
    mailwizz("UPDATE mw_delivery_server SET status = 'active' WHERE server_id = 103")
    assert sync("run-2")["drift"] == 2
    assert settings(mailwizz) == WANTED
    assert [r.result for r in rows(store, syncs)[-2:]] == ["drift_mended"] * 2
    assert "server 101" in told(store)["quota-drift"]


def test_the_engine_enables_only_what_it_disabled(fleet: Any, store: Store, mailwizz: Any) -> None:
    fleet()
    sync()
    mailwizz("UPDATE mw_delivery_server SET status = 'disabled' WHERE server_id = 102")
    with store.session(tenant="*") as conn:
        third = ips.load_ips(conn, day=date(2026, 11, 1))[2].ip_id
        conn.exec_driver_sql("UPDATE email_engine.ips SET status = 'warming' WHERE mailwizz_server_id = 103")
        ips.set_allowance(conn, third, "aurora", date(2026, 11, 1), 50, versions.bump(conn, "start"), None)
    assert sync("run-2")["refused"] == 1
    assert settings(mailwizz)[1:] == [(250, 25, "disabled"), (50, 5, "active")]
    text = told(store)["quota-findings"]
    assert text.startswith("1 delivery server of mw-aurora needs a person\n")
    assert "server 102 (198.51.100.2): disabled, and not by the engine" in text
    mailwizz("UPDATE mw_delivery_server SET status = 'active' WHERE server_id = 102")
    sync("run-3")
    assert "quota-findings" not in told(store)


def test_a_write_that_never_ended_still_counts_as_the_engines(
    fleet: Any, store: Store, mailwizz: Any
) -> None:
    fleet()
    sync()
    with store.session(tenant="*") as conn:
        conn.exec_driver_sql(
            "UPDATE email_engine.quota_syncs SET result = 'not_verified' WHERE server_id = 103"
        )
        assert quota_syncs.history(conn, "mw-aurora")[103].status == "disabled"


def test_a_brake_disables_the_server(fleet: Any, store: Store, mailwizz: Any) -> None:
    fleet()
    sync()
    with store.session(tenant="*") as conn:
        first = ips.load_ips(conn, day=date(2026, 11, 1))[0]
        brakes.engage(conn, first, "listed", Origin("test", AS_OF), None)
    sync("run-2")
    assert settings(mailwizz)[0] == (1, 1, "disabled")
    assert "the brake is on" in rows(store, syncs)[-1].message


def test_a_warmup_plan_of_mailwizz_is_left_to_people(
    fleet: Any, store: Store, mailwizz: Any, lab: RunningLab
) -> None:
    fleet()
    lab.knob("mailwizz.assign_warmup_plan", server_id=102)
    assert sync()["refused"] == 1
    assert settings(mailwizz)[1] == (0, 0, "active")
    assert "warm-up plan governs its quotas" in told(store)["quota-findings"]


def test_a_limit_below_the_allowance_is_told_with_its_number_and_holds_no_quota_back(
    fleet: Any, store: Store, mailwizz: Any
) -> None:
    fleet()
    mailwizz("UPDATE mw_delivery_server SET minute_quota = 1 WHERE server_id = 101")
    mailwizz("UPDATE mw_delivery_server SET use_for = 2 WHERE server_id = 102")
    assert sync()["refused"] == 2
    assert settings(mailwizz) == WANTED
    text = told(store)["quota-findings"]
    assert "will hand over less than the allowance of 5,000 a day: 1,440 a day, minute_quota 1" in text
    assert (
        "will hand over less than the allowance of 250 a day: none of campaigns, use_for transactional"
        in text
    )
    verdicts = [row.verdicts["finding"] for row in rows(store, decisions) if row.kind == "quota-finding"]
    assert verdicts == ["hands-over-less", "hands-over-less"]
    mailwizz("UPDATE mw_delivery_server SET minute_quota = 0, use_for = 1")
    sync("run-2")
    assert "quota-findings" not in told(store)


def test_what_campaigns_leave_out_is_recorded_and_calls_nobody(
    fleet: Any, store: Store, mailwizz: Any
) -> None:
    fleet()
    campaign = (
        "INSERT INTO mw_campaign (campaign_id, campaign_uid, customer_id, list_id, name, from_email, status)"
    )
    mailwizz(f"{campaign} VALUES (900, 'pinned', 1, 1, 'pinned', 'a@b.example', 'sending')")
    mailwizz("INSERT INTO mw_campaign_to_delivery_server VALUES (900, 102)")
    try:
        sync()
    finally:
        mailwizz("DELETE FROM mw_campaign_to_delivery_server")
        mailwizz("DELETE FROM mw_campaign WHERE campaign_id = 900")
    assert settings(mailwizz) == WANTED
    (finding,) = (row for row in rows(store, decisions) if row.kind == "campaign-finding")
    assert (str(finding.subject), finding.verdicts["finding"]) == ("198.51.100.1", "campaigns-leave-it-out")
    assert finding.verdicts["observed"].startswith(
        "MailWizz will hand over less than the allowance of 5,000 a day"
    )
    assert told(store) == {}


def test_who_uses_the_servers_need_not_be_known(
    fleet: Any, mailwizz: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: MailwizzDb) -> None:
        raise Unreachable("MailWizz database", "statement timeout", "an answer", "look")

    fleet()
    monkeypatch.setattr(MailwizzDb, "senders", away)
    assert sync()["changed"] == 3
    assert settings(mailwizz) == WANTED


def _knobs(lab: RunningLab, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    if trouble == "offline":
        lab.knob("mailwizz.offline", on=True)
    elif trouble == "refuse":
        lab.knob("mailwizz.refuse", reason="key")
    elif trouble == "away":
        away = {"conn_type": "mailwizz", "host": "http://127.0.0.1:9/api", "password": API_KEY}
        monkeypatch.setenv("AIRFLOW_CONN_MAILWIZZ_API_MW-AURORA", json.dumps(away))
    else:
        error = Refused("MailWizz mw-aurora", "404 to GET delivery-servers", "MailWizz's JSON", "look")
        monkeypatch.setattr(MailwizzApi, "delivery_servers", lambda self: _raise(error))


def _raise(error: EngineError) -> None:
    raise error


@pytest.mark.parametrize("trouble", ["offline", "refuse", "away", "no such route"])
def test_quotas_need_no_api_and_what_it_lacks_is_told_by_route(
    fleet: Any, store: Store, mailwizz: Any, lab: RunningLab, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    fleet()
    mailwizz("UPDATE mw_delivery_server SET daily_quota = 100, hourly_quota = 10 WHERE server_id = 102")
    with monkeypatch.context() as broken:
        _knobs(lab, broken, trouble)
        done = sync()
        sync("run-2")
    assert (done["changed"], done["held"]) == (3, 0)
    assert settings(mailwizz) == WANTED
    text = told(store)["quota-api"]
    assert text.startswith(
        "MailWizz's API of mw-aurora does not answer to GET delivery-servers; quotas are kept"
    )
    assert "it needs delivery-servers/index" in text
    assert {"offline": "maintenance", "refuse": "to GET delivery-servers", "away": "no answer"}.get(
        trouble, "404 to GET delivery-servers"
    ) in text
    with store.session(tenant="*") as conn:
        assert [alert.event for alert in alerts.pending(conn)].count("quota-api") == 1
    lab.knob("mailwizz.offline", on=False)
    lab.knob("mailwizz.refuse", reason=None)
    sync("run-3")
    assert "quota-api" not in told(store)


def test_api_and_database_of_different_installations_change_nothing(
    fleet: Any, mailwizz: Any, monkeypatch: Any
) -> None:
    fleet()
    stranger = (ApiServer(101, "smtp-pmta", "other", "elsewhere", "active"),)
    monkeypatch.setattr(MailwizzApi, "delivery_servers", lambda self: stranger)
    with pytest.raises(Refused, match="connections to the same installation"):
        sync()
    assert settings(mailwizz) == UNTOUCHED


def test_a_database_away_is_one_clear_error(fleet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet()
    away = {"conn_type": "mailwizz_db", "host": "127.0.0.1", "port": 1, "login": "x", "password": "secret-word",
            "schema": "mw", "extra": {"dialect": "postgresql"}}  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_MAILWIZZ_DB_MW-AURORA", json.dumps(away))
    with pytest.raises(Unreachable, match="mailwizz_db_mw-aurora") as caught:
        sync()
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("at_once", [True, False], ids=["together", "row by row"])
def test_one_server_that_cannot_be_written_does_not_stop_the_others(
    fleet: Any, store: Store, mailwizz: Any, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    fleet()
    monkeypatch.setattr(MailwizzBatch, "possible", lambda batch: at_once)
    method = (MailwizzBatch, "write") if at_once else (MailwizzDb, "set_quota")
    write = getattr(*method)

    def somebody_was_faster(self: Any, *args: Any) -> Any:
        mailwizz("UPDATE mw_delivery_server SET daily_quota = 7 WHERE server_id = 101 AND daily_quota = 0")
        return write(self, *args)

    monkeypatch.setattr(*method, somebody_was_faster)
    with pytest.raises(EngineError, match=r"1 servers not written.*server 101.*changed meanwhile"):
        sync()
    assert settings(mailwizz) == [(7, 0, "active"), *WANTED[1:]]
    assert [r.result for r in rows(store, syncs) if r.server_id == 101] == ["refused"]


@pytest.mark.parametrize(("wanted", "names"), [(None, ["mw-aurora"]), ("mw-aurora", ["mw-aurora"])])
def test_instances_are_listed_or_picked(fleet: Any, wanted: str | None, names: list[str]) -> None:
    fleet()
    run = SimpleNamespace(dag_id="d", run_id="r", run_after=AS_OF, logical_date=None)
    listing = ListNames(task_id="instances", of="mailwizz")
    assert listing.execute({"dag_run": run, "params": {"instance": wanted}}) == names
    with pytest.raises(AirflowFailException, match="one of: mw-aurora"):
        listing.execute({"dag_run": run, "params": {"instance": "mw-other"}})


def test_a_brake_that_comes_while_a_server_is_enabled_keeps_it_off(
    fleet: Any, store: Store, mailwizz: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The brake found the server still disabled, had nothing to do there, and the sync then enabled it."""
    fleet()
    with store.session(tenant="*") as conn:
        standby = ips.load_ips(conn, day=AS_OF.date())[2]
    sync()
    with store.session(tenant="*") as conn:
        conn.execute(update(schema.ips).where(schema.ips.c.id == standby.ip_id).values(status="warming"))
        ips.set_allowance(conn, standby.ip_id, "aurora", AS_OF.date(), 50, versions.bump(conn, "start"), None)
    write = MailwizzBatch.write

    def braked_meanwhile(batch: MailwizzBatch, wanted: Any) -> Any:
        with store.session(tenant="*") as conn:
            brakes.engage(conn, standby, "listed", Origin("rbl_sweep", AS_OF, "rbl_sweep", "run"), None)
        return write(batch, wanted)

    monkeypatch.setattr(MailwizzBatch, "write", braked_meanwhile)
    sync("run-2")
    assert settings(mailwizz)[2] == (50, 5, "disabled")
    assert [(r.old_status, r.new_status, r.result) for r in rows(store, syncs)[-2:]] == [
        ("disabled", "active", "applied"),
        ("active", "disabled", "applied"),
    ]
