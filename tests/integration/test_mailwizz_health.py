"""`mailwizz_health` as Airflow runs it, on stand-ins of several versions and a real engine's database."""

import json
import time as clock
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import make_url, select

from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine_airflow.operators.mailwizz_health import CheckMailwizz
from lab.testing import API_KEY, RunningLab, running_lab
from tests import fleet_rows

PASSWORD = "not-a-secret"
VERSIONS = {"aurora": "2.7.3", "borealis": "1.9.4", "corona": "3.0.4"}
COMMANDS = ("send-campaigns", "hourly", "daily")
Sql = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def urls(postgres_url: str) -> dict[str, str]:
    """A database for each tenant's MailWizz, and a role `reader_...` that may read nothing there yet."""
    plain = make_url(postgres_url).set(drivername="postgresql")
    found = {}
    with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as connection:
        for tenant in VERSIONS:
            name = f"mw_health_{tenant}_{uuid4().hex[:8]}"
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), PASSWORD)
            )
            found[tenant] = plain.set(database=name).render_as_string(hide_password=False)
    return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, urls: dict[str, str]) -> Iterator[RunningLab]:
    """Campaigns that the stand-in itself sends nothing of: the log is the tests'."""
    instances = [
        {
            "name": f"mw-{tenant}", "port": 0, "api_key": API_KEY, "private_key": "private", "version": version,
            "database_url": urls[tenant],
            "servers": [{"server_id": 101, "name": "a-1", "hostname": "mta-1", "vmta": "a-1", "daily_quota": 1000, "hourly_quota": 100}],
            "campaigns": [{"uid": f"{tenant}0000001", "daily_demand": 0, "mail_from": "news@a.example", "audience": 20}],
        }
        for tenant, version in VERSIONS.items()
    ]  # fmt: skip
    state: Path = tmp_path_factory.mktemp("health")
    with running_lab({"state": str(state), "clock": {"mode": "real"}, "mailwizz": instances}) as lab:
        for tenant in VERSIONS:
            lab.knob("mailwizz.stop_cron", mailwizz=f"mw-{tenant}")
        yield lab


def connection_of(url: str, **fields: Any) -> str:
    given = make_url(url)
    fields = {"host": given.query["host"], "login": given.username, "password": given.password} | fields
    return json.dumps({"schema": given.database} | fields)


@pytest.fixture
def health(
    lab: RunningLab,
    urls: dict[str, str],
    store: Store,
    engine_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> "Health":
    made = Health(store, urls, monkeypatch)
    monkeypatch.setenv(
        "AIRFLOW_CONN_EMAIL_ENGINE_DB", connection_of(engine_database_url, conn_type="postgres")
    )
    with store.session(tenant="*") as conn:
        for tenant in VERSIONS:
            fleet_rows.add_tenant(conn, tenant)
    for tenant in VERSIONS:
        made.connect(tenant)
    made.well()
    return made


class Health:
    """The pipeline, and MailWizz's tables in the hands of somebody else."""

    def __init__(self, store: Store, urls: dict[str, str], patch: pytest.MonkeyPatch) -> None:
        self._store, self._urls, self._patch = store, urls, patch

    def connect(self, tenant: str = "aurora", **fields: Any) -> None:
        extra = {"dialect": "postgresql", "table_prefix": "mw_"}
        text = connection_of(self._urls[tenant], **{"conn_type": "mailwizz_db", "extra": extra} | fields)
        self._patch.setenv(f"AIRFLOW_CONN_MAILWIZZ_DB_MW-{tenant.upper()}", text)

    def sql(self, statement: str, *values: object, tenant: str = "aurora") -> None:
        with psycopg.connect(self._urls[tenant], autocommit=True) as connection:
            connection.execute(statement, values)  # type: ignore[call-overload]

    def well(self, tenant: str = "aurora") -> None:
        """Every command ran a minute ago, the campaign has sent a minute ago, the server is on."""
        run = lambda statement, *values: self.sql(statement, *values, tenant=tenant)  # noqa: E731
        run(
            "TRUNCATE mw_console_command, mw_console_command_history, mw_campaign_delivery_log, mw_delivery_server_usage_log"
        )
        for number, command in enumerate(COMMANDS, 1):
            run(
                "INSERT INTO mw_console_command (command_id, command, date_added) VALUES (%s, %s, %s)",
                number,
                command,
                ago(days=9),
            )
            self.ran(number, ago(minutes=1), tenant)
        run(
            "UPDATE mw_delivery_server SET status = 'active', daily_quota = 1000, hourly_quota = 100, probability = 100"
        )
        run("UPDATE mw_list_subscriber SET status = 'confirmed'")
        run("UPDATE mw_customer SET status = 'active', hourly_quota = 0")
        run("UPDATE mw_campaign SET status = 'sending', type = 'regular', send_at = %s", ago(hours=5))
        if VERSIONS[tenant] >= "2.2":
            run("UPDATE mw_campaign SET send_between_start = NULL, send_between_end = NULL")
        self.delivered(ago(minutes=1), tenant)

    def ran(self, command_id: int, at: datetime, tenant: str = "aurora", *, ended: bool = True) -> None:
        self.sql(
            "INSERT INTO mw_console_command_history (command_id, start_time, end_time) VALUES (%s, %s, %s)",
            command_id, at, at if ended else None, tenant=tenant,
        )  # fmt: skip

    def delivered(self, at: datetime, tenant: str = "aurora", subscriber: int = 1) -> None:
        self.sql("DELETE FROM mw_campaign_delivery_log", tenant=tenant)
        self.sql(
            "INSERT INTO mw_campaign_delivery_log (campaign_id, subscriber_id, date_added) SELECT campaign_id, %s, %s FROM mw_campaign",
            subscriber, at, tenant=tenant,
        )  # fmt: skip

    def used(self, messages: int, at: datetime, tenant: str = "aurora") -> None:
        self.sql(
            "INSERT INTO mw_delivery_server_usage_log (server_id, customer_id, date_added) SELECT 101, 1, %s FROM generate_series(1, %s)",
            at, messages, tenant=tenant,
        )  # fmt: skip

    def stopped(self, tenant: str = "aurora") -> None:
        self.sql(
            "UPDATE mw_console_command_history SET start_time = %s WHERE command_id = 1",
            ago(minutes=25),
            tenant=tenant,
        )

    def check(self, tenant: str = "aurora", **params: Any) -> dict[str, Any]:
        run = SimpleNamespace(
            dag_id="mailwizz_health",
            run_id=f"run-{uuid4().hex[:6]}",
            run_after=datetime.now(UTC),
            logical_date=None,
        )
        found: dict[str, Any] = CheckMailwizz(task_id="check", instance=f"mw-{tenant}").execute(
            {"dag_run": run, "params": params}
        )
        return found

    def incidents(self) -> list[Any]:
        with self._store.session(tenant="*") as conn:
            return list(conn.execute(select(s.incidents).order_by(s.incidents.c.id)))

    def open(self) -> dict[str, str]:
        return {row.cause: row.severity for row in self.incidents() if row.closed_at is None}

    def alerts(self, tenant: str = "*") -> list[Any]:
        with self._store.session(tenant=tenant) as conn:
            return list(conn.execute(select(s.alerts).order_by(s.alerts.c.id)))


def ago(**span: float) -> datetime:
    return (datetime.now(UTC) - timedelta(**span)).replace(tzinfo=None)


@pytest.mark.parametrize("tenant", VERSIONS)
def test_a_mailwizz_that_is_well_opens_nothing(health: Health, tenant: str) -> None:
    health.well(tenant)
    found = health.check(tenant)
    assert set(found["checks"].values()) == {"good", "not-asked"}, found
    assert {name for name, level in found["checks"].items() if level == "not-asked"} == {
        "cron bounce-handler", "cron feedback-loop-handler",
    }  # fmt: skip
    assert health.incidents() == []


@pytest.mark.parametrize("tenant", VERSIONS)
def test_a_cron_that_stands_still_is_one_incident_until_it_runs(health: Health, tenant: str) -> None:
    cause = f"MailWizz mw-{tenant}: cron send-campaigns"
    health.well(tenant)
    health.stopped(tenant)
    health.delivered(ago(minutes=40), tenant)
    for _ in range(2):
        checks = health.check(tenant)["checks"]
    assert (checks["cron send-campaigns"], checks["campaigns cron"]) == ("critical", "info")
    assert checks["campaigns servers"] == "unknown"
    assert health.open() == {cause: "critical"}
    assert health.incidents()[0].times == 2
    health.well(tenant)
    assert health.check(tenant)["worst"] in ("good", "not-asked")
    assert health.open() == {}


def test_a_run_that_comes_to_no_end_is_told(health: Health) -> None:
    health.ran(2, ago(hours=3), ended=False)
    health.sql("DELETE FROM mw_console_command_history WHERE command_id = 2 AND end_time IS NOT NULL")
    assert health.check()["checks"]["cron hourly"] == "warning"
    (incident,) = health.incidents()
    assert "and that run goes on" in incident.observed


CAUSES: dict[str, tuple[Callable[[Health], None], str]] = {
    "server disabled": (lambda h: h.sql("UPDATE mw_delivery_server SET status = 'disabled'"), "servers"),
    "server for transactional mail": (lambda h: h.sql("UPDATE mw_delivery_server SET use_for = 2"), "servers"),
    "quota used up": (lambda h: h.used(1000, ago(seconds=0)), "server-quotas"),
    "customer inactive": (lambda h: h.sql("UPDATE mw_customer SET status = 'inactive'"), "customer"),
    "customer's quota used up": (
        lambda h: (h.sql("UPDATE mw_customer SET hourly_quota = 40"), h.used(40, ago(minutes=20)))[0], "customer",
    ),
    "nobody confirmed": (lambda h: h.sql("UPDATE mw_list_subscriber SET status = 'unsubscribed'"), "recipients"),
    "everybody has it": (
        lambda h: h.sql(
            "INSERT INTO mw_campaign_delivery_log (campaign_id, subscriber_id, date_added)"
            " SELECT campaign_id, subscriber_id, %s FROM mw_campaign, mw_list_subscriber", ago(minutes=50),
        ),
        "recipients",
    ),
    "nothing to be seen": (lambda h: None, "not-known"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "cause"), CAUSES.values(), ids=CAUSES)
def test_a_campaign_that_sends_nothing_is_told_by_its_cause(
    health: Health, spoil: Callable[[Health], None], cause: str
) -> None:
    health.delivered(ago(minutes=45))
    spoil(health)
    try:
        found = health.check()
        assert health.open() == {
            f"MailWizz mw-aurora: campaigns {cause}": "info" if cause == "server-quotas" else "warning"
        }
        assert found["checks"]["queue"] == "good"
        (alert,) = health.alerts()
        assert (alert.event, alert.tenant) == ("incident", "aurora")
        assert "1 campaign sends nothing" in alert.text
    finally:
        health.sql("UPDATE mw_delivery_server SET use_for = 1")
    health.well()
    health.check()
    assert health.open() == {}


def test_outside_its_hours_a_campaign_is_nobody_s_trouble(health: Health) -> None:
    health.delivered(ago(minutes=45))
    now = datetime.now(UTC)
    hours = [(now + timedelta(hours=n)).strftime("%H:%M") for n in (2, 4)]
    health.sql("UPDATE mw_campaign SET send_between_start = %s, send_between_end = %s", *hours)
    checks = health.check()["checks"]
    assert (checks["campaigns out-of-hours"], checks["campaigns not-known"]) == ("info", "unknown")
    assert health.incidents() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE mw_campaign SET type = 'autoresponder'",
        "UPDATE mw_campaign SET status = 'paused'",
        "UPDATE mw_campaign SET send_at = now() AT TIME ZONE 'UTC' + interval '1 hour'",
        "UPDATE mw_campaign SET send_at = now() AT TIME ZONE 'UTC' - interval '5 minutes'",
    ],
    ids=["autoresponder", "paused", "due later", "due just now"],
)
def test_who_need_not_send_is_not_silent(health: Health, statement: str) -> None:
    health.delivered(ago(hours=2))
    health.sql(statement)
    assert health.check()["worst"] in ("good", "not-asked")
    assert health.incidents() == []


def test_an_instance_that_is_away_delays_no_other_and_ends_nothing(health: Health) -> None:
    health.well("corona")
    health.stopped("aurora")
    health.check("aurora")
    health.connect("aurora", host="127.0.0.1", port=9)
    began = clock.monotonic()
    for _ in range(2):
        away = health.check("aurora")
    assert (away["worst"], away["checks"]) == ("critical", {})
    assert health.check("corona")["worst"] in ("good", "not-asked")
    assert clock.monotonic() - began < 30
    assert health.open() == {
        "MailWizz mw-aurora: cron send-campaigns": "critical",
        "MailWizz mw-aurora": "critical",
    }
    health.connect("aurora")
    health.check("aurora")
    assert health.open() == {"MailWizz mw-aurora: cron send-campaigns": "critical"}


def grant_all_but(health: Health, *tables: str) -> None:
    """The role that bears the database's name may read everything but these."""
    role = sql.Identifier(str(make_url(health._urls["aurora"]).database))
    with psycopg.connect(health._urls["aurora"], autocommit=True, row_factory=dict_row) as connection:
        connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(role))
        for table in tables:
            connection.execute(sql.SQL("REVOKE SELECT ON {} FROM {}").format(sql.Identifier(table), role))
    health.connect(login=make_url(health._urls["aurora"]).database, password=PASSWORD)


@pytest.mark.parametrize(
    ("table", "unknown"),
    [
        ("mw_console_command", "cron send-campaigns"),
        ("mw_console_command_history", "cron send-campaigns"),
        ("mw_campaign_delivery_log", "campaigns servers"),
        ("mw_campaign", "campaigns servers"),
    ],
)
def test_a_table_that_is_not_granted_is_unknown_and_named(
    health: Health, caplog: pytest.LogCaptureFixture, table: str, unknown: str
) -> None:
    health.stopped()
    health.delivered(ago(minutes=45))
    health.check()
    before = health.open()
    health.well()
    grant_all_but(health, table)
    caplog.clear()
    with caplog.at_level("INFO"):
        found = health.check()
    assert found["checks"][unknown] == "unknown"
    assert f"on {table}: `email-engine mailwizz grants` prints the statement" in caplog.text
    if unknown.startswith("cron"):
        assert health.open() == before


def test_a_table_that_this_version_lacks_is_not_asked(health: Health) -> None:
    health.well("borealis")
    health.sql("ALTER TABLE mw_console_command_history RENAME TO elsewhere", tenant="borealis")
    try:
        found = health.check("borealis")
    finally:
        health.sql("ALTER TABLE elsewhere RENAME TO mw_console_command_history", tenant="borealis")
    assert {found["checks"][f"cron {command}"] for command in COMMANDS} == {"not-asked"}
    assert health.incidents() == []


def test_another_tenant_sees_nothing_of_it(health: Health) -> None:
    health.stopped("aurora")
    health.check("aurora")
    assert [alert.tenant for alert in health.alerts("aurora")] == ["aurora"]
    assert health.alerts("borealis") == []


def test_a_dry_run_judges_and_writes_nothing(health: Health) -> None:
    health.stopped()
    assert health.check(dry_run=True)["worst"] == "critical"
    assert (health.incidents(), health.alerts()) == ([], [])
