"""`email-engine hygiene` at a terminal, and both pipelines as Airflow runs them."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import make_url

from email_engine.cli import main
from email_engine.errors import Unreachable
from email_engine.store.engine import Store
from email_engine_airflow.operators.list_hygiene import LookAtLists
from email_engine_airflow.operators.mailwizz_opens import CountOpens
from email_engine_airflow.operators.names import ListNames
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.integration.mailwizz_readers_suite import mail, opened
from tests.integration.mailwizz_schemas import NEWEST, Installations, Mailwizz
from tests.mailwizz_world import AS_OF, installed
from tests.zone_server import ZoneAnswers, zone_server

Command = Callable[..., tuple[int, str]]
NOW = AS_OF.replace(tzinfo=None)
ZONES = {
    **{name: {"MX": [[5, f"mx.{name}"]]} for name in ("gmail.com", "outlook.com", "yahoo.com")},
    **{f"mx.{name}": {"A": "192.0.2.1"} for name in ("gmail.com", "outlook.com", "yahoo.com")},
    "null.example": {"MX": [[0, "."]]},
}


@pytest.fixture(scope="module")
def installations(postgres_url: str) -> Iterator[tuple[Installations, str]]:
    with installed(postgres_url) as made:
        yield made


@pytest.fixture
def mailwizz(
    installations: tuple[Installations, str],
    store: Store,
    engine_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Mailwizz]:
    """mw-aurora with one bad address and somebody who opened; mw-borealis is away."""
    with store.session(tenant="*") as conn:
        add_host(conn)
        for tenant, network in (("aurora", "198.51.100"), ("borealis", "203.0.113")):
            add_tenant(conn, tenant)
            add_ip(conn, 1, tenant=tenant, network=network)
    monkeypatch.setenv("EMAIL_ENGINE_HYGIENE", str(tmp_path / "hygiene"))
    monkeypatch.setenv("EMAIL_ENGINE_DATABASE_URL", engine_database_url)
    engine = make_url(engine_database_url)
    fields: dict[str, Any] = {"conn_type": "postgres", "host": engine.query["host"], "login": engine.username,
                              "password": engine.password, "schema": engine.database}  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", json.dumps(fields))
    url = make_url(installations[1])
    for name, host in (("AURORA", url.query["host"]), ("BOREALIS", "127.0.0.1")):
        database = {"conn_type": "mailwizz_db", "host": host, "login": url.username, "password": url.password,
                    "schema": url.database, "extra": {"dialect": "postgresql", "table_prefix": "mw_"}}  # fmt: skip
        if name == "BOREALIS":
            database["port"] = 1
        monkeypatch.setenv(f"AIRFLOW_CONN_MAILWIZZ_DB_MW-{name}", json.dumps(database))
    made = installations[0].of(NEWEST)
    made.add("list", list_id=1, list_uid="ab1", name="News", status="active")
    for n, email in ((1, "u.who@gmail.com"), (2, "v.who@null.example")):
        made.add("list_subscriber", subscriber_id=n, subscriber_uid=f"s{n}", list_id=1, email=email, status="confirmed",
                 date_added=NOW - timedelta(days=900))  # fmt: skip
    opened(made, 9, at=NOW - timedelta(days=900))
    mail(made, 1, at=NOW - timedelta(hours=20))
    opened(made, 1, at=NOW - timedelta(hours=10))
    with zone_server() as server:
        server.use(ZoneAnswers(ZONES))
        resolver = {"conn_type": "dns_resolver", "host": "127.0.0.1", "port": server.port}
        monkeypatch.setenv("AIRFLOW_CONN_DNS_RESOLVER_DEFAULT", json.dumps(resolver))
        yield made


@pytest.fixture
def command(mailwizz: Mailwizz, capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*words: str) -> tuple[int, str]:
        code = main(["hygiene", *words])
        return code, capsys.readouterr().out

    return call


def test_a_look_and_its_report_tell_numbers_and_the_file(command: Command, tmp_path: Path) -> None:
    assert command("report") == (0, "no list was looked at yet\n")
    code, text = command("look", "mw-aurora")
    assert (code, text) == (0, "mw-aurora: lists 1, left 0, subscribers 2, cannot 1, silent 0\n")
    code, text = command("report", "mw-aurora")
    file = tmp_path / "hygiene" / "mw-aurora" / "ab1.csv"
    assert code == 1
    assert "subscribers 2, engaged 1, engaged lately 1, silent 0, null mx 1" in text
    assert f"addresses: {file}" in text
    assert "who@" not in text
    assert (
        file.read_text() == "address,finding,subscriber_uid,status\nv.who@null.example,null_mx,s2,confirmed\n"
    )
    [row] = json.loads(command("report", "--json")[1])["lists"]
    assert (row["list_uid"], row["null_mx"], row["file"], row["unsubscribed"]) == ("ab1", 1, str(file), None)


def test_a_resolver_that_does_not_answer_makes_no_zero(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = {"conn_type": "dns_resolver", "host": "127.0.0.1", "port": 1}
    monkeypatch.setenv("AIRFLOW_CONN_DNS_RESOLVER_DEFAULT", json.dumps(nobody))
    text = command("look", "mw-aurora", "--dry-run")[1]
    assert text == "mw-aurora: lists 1, left 0, subscribers 2, cannot not known, silent 0\n"


def test_a_dry_look_leaves_nothing(command: Command, tmp_path: Path) -> None:
    assert command("look", "mw-aurora", "--dry-run")[0] == 0
    assert command("report") == (0, "no list was looked at yet\n")
    assert not (tmp_path / "hygiene").exists()


def test_an_unknown_instance_is_refused(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("report", "mw-other"), ("look", "mw-other")):
        assert main(["hygiene", *words]) == 2
        assert "MailWizz mw-other: not in the fleet" in capsys.readouterr().err


def context(dag_id: str, **params: Any) -> dict[str, Any]:
    run = SimpleNamespace(dag_id=dag_id, run_id="run-1", run_after=AS_OF, logical_date=None)
    return {"dag_run": run, "params": params}


def test_as_airflow_runs_it_one_task_an_instance_and_no_address_in_logs_or_xcom(
    mailwizz: Mailwizz, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    names = ListNames(task_id="instances", of="mailwizz").execute(context("list_hygiene"))
    assert names == ["mw-aurora", "mw-borealis"]
    returned = LookAtLists(task_id="look", instance="mw-aurora").execute(context("list_hygiene"))
    assert returned == {
        "instance": "mw-aurora", "lists": 1, "left": 0, "subscribers": 2, "cannot": 1, "silent": 0,
    }  # fmt: skip
    with pytest.raises(Unreachable):
        LookAtLists(task_id="look", instance="mw-borealis").execute(context("list_hygiene"))
    counted = CountOpens(task_id="count", instance="mw-aurora").execute(context("mailwizz_opens"))
    assert (counted["opened"], counted["unplaced"]) == (1, 1)
    away = CountOpens(task_id="count", instance="mw-borealis").execute(context("mailwizz_opens"))
    assert set(away) == {"instance", "unknown"}
    assert "who@" not in caplog.text + json.dumps([returned, counted, away])


def test_the_form_picks_one_instance(mailwizz: Mailwizz) -> None:
    of = ListNames(task_id="instances", of="mailwizz")
    assert of.execute(context("list_hygiene", instance="mw-borealis")) == ["mw-borealis"]
