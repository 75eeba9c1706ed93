"""`email-engine mailwizz inspect` and `grants` at a terminal, against a running stand-in and its database."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from email_engine.cli import main
from email_engine.commands.mailwizz import quoted_account
from email_engine.errors import InputError
from email_engine.pipelines.mailwizz_inspect import ROUTES
from lab.testing import API_KEY, RunningLab, running_lab

PASSWORD = "not-a-secret"


@pytest.fixture(scope="module")
def mailwizz_url(postgres_url: str) -> str:
    """A database of its own, and a role that may read nothing in it yet."""
    name = f"mw_inspect_{uuid4().hex[:8]}"
    plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), PASSWORD))
    return make_url(plain).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, mailwizz_url: str) -> Iterator[RunningLab]:
    servers = [
        {"server_id": 100 + n, "name": f"aurora-{n}", "hostname": "mta-1", "vmta": f"aurora-{n}"}
        for n in (1, 2)
    ]
    one = {
        "name": "mw-aurora",
        "port": 0,
        "api_key": API_KEY,
        "database_url": mailwizz_url,
        "servers": servers,
    }
    state: Path = tmp_path_factory.mktemp("inspect")
    with running_lab({"state": str(state), "clock": {"mode": "real"}, "mailwizz": [one]}) as lab:
        yield lab


@pytest.fixture
def login(lab: RunningLab, mailwizz_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Chooses who the engine is: the tables' owner, or the role without rights."""
    api = {
        "conn_type": "mailwizz",
        "host": f"http://127.0.0.1:{lab.ready['mailwizz']['mw-aurora']}/api",
        "password": API_KEY,
    }
    monkeypatch.setenv("AIRFLOW_CONN_MAILWIZZ_API_MW-AURORA", json.dumps(api))
    lab.knob("mailwizz.key_permissions", routes=None)

    def choose(owner: bool) -> None:
        url = make_url(mailwizz_url)
        name, password = (url.username, url.password) if owner else (url.database, PASSWORD)
        fields = {"conn_type": "mailwizz_db", "host": url.query["host"], "login": name, "password": password,
                  "schema": url.database, "extra": {"dialect": "postgresql", "table_prefix": "mw_"}}  # fmt: skip
        monkeypatch.setenv("AIRFLOW_CONN_MAILWIZZ_DB_MW-AURORA", json.dumps(fields))

    choose(True)
    return choose


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["mailwizz", *words])
    return code, capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(printed(capsys, *words, "--json")[1])


def test_inspect_tells_version_columns_plans_and_what_the_key_may(
    login: Callable[[bool], None], capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = printed(capsys, "inspect", "mw-aurora")
    assert code == 0
    for line in (
        "mw-aurora: by its tables, MailWizz 2.5.0 or later",
        "  delivery servers: 2, 2 active",
        "  quotas of a server: daily_quota, hourly_quota, minute_quota, monthly_quota, second_quota",
        "  columns of a server that are read: server_id, name, type, hostname, daily_quota, hourly_quota, status, meta_data,",
        "  use_for: bitmask",
        "0 servers under a plan",
        "  not readable: none",
        "  not seen: none",
        "  not writable: none",
        "  API delivery-servers (the same installation behind API and database): allowed",
    ):
        assert line in text, text
    assert API_KEY not in text


def test_inspect_names_servers_with_one_header(
    login: Callable[[bool], None], mailwizz_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "virtual MTAs that several servers name: none" in printed(capsys, "inspect", "mw-aurora")[1]
    of_102 = "UPDATE mw_delivery_server SET {} WHERE server_id = 102"
    first = "meta_data = (SELECT meta_data FROM mw_delivery_server WHERE server_id = 101)"
    with psycopg.connect(mailwizz_url) as connection:
        (kept,) = (
            connection.execute("SELECT meta_data FROM mw_delivery_server WHERE server_id = 102").fetchone()
            or ()
        )
    execute(mailwizz_url, of_102.format(first))
    try:
        code, text = printed(capsys, "inspect", "mw-aurora")
        assert code == 1
        assert "virtual MTAs that several servers name: aurora-1 (servers 101, 102); leave the header" in text
        assert document(capsys, "inspect", "mw-aurora")["doubled"] == {"aurora-1": [101, 102]}
        execute(mailwizz_url, of_102.format("status = 'disabled'"))
        assert document(capsys, "inspect", "mw-aurora")["doubled"] == {}, "one that is off feeds nothing"
    finally:
        with psycopg.connect(mailwizz_url) as connection:
            connection.execute(
                "UPDATE mw_delivery_server SET meta_data = %s, status = 'active' WHERE server_id = 102",
                (kept,),
            )


def test_inspect_names_the_route_that_the_key_lacks(
    login: Callable[[bool], None], lab: RunningLab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.knob("mailwizz.key_permissions", routes="delivery-servers/index lists/index")
    code, text = printed(capsys, "inspect", "mw-aurora")
    assert code == 1
    assert (
        "API campaigns (campaigns that stand still): refused: 400 to GET campaigns: You do not have enough permissions"
        in text
    )
    assert "API lists (people who must get no more mail): allowed" in text
    assert text.count("You do not have enough permissions") == len(ROUTES) - 2


def test_inspect_tries_every_route_of_suppression_and_changes_nothing(
    login: Callable[[bool], None], lab: RunningLab, mailwizz_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = ("list_subscriber", "campaign_bounce_log", "campaign_track_unsubscribe", "email_blacklist")

    def rows() -> list[int]:
        with psycopg.connect(mailwizz_url) as connection:
            return [
                connection.execute(f"SELECT count(*) FROM mw_{name}").fetchone()[0]  # type: ignore[call-overload, index]
                for name in tables
            ]

    before = rows()
    api = document(capsys, "inspect", "mw-aurora")["api"]
    assert {name: answer["allowed"] for name, answer in api.items()} == dict.fromkeys(ROUTES, True)
    assert rows() == before
    lab.knob(
        "mailwizz.key_permissions",
        routes="delivery-servers/index campaigns/index lists/index campaigns/view subscribers/view",
    )
    refused = [
        name
        for name, answer in document(capsys, "inspect", "mw-aurora")["api"].items()
        if not answer["allowed"]
    ]
    assert "POST campaigns/CAMPAIGN/bounces" in refused
    assert "PUT lists/LIST/subscribers/SUBSCRIBER" in refused
    assert not {"campaigns", "lists", "delivery-servers"} & set(refused)


def test_inspect_names_an_unknown_quota_that_is_not_zero(
    login: Callable[[bool], None], mailwizz_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(mailwizz_url, "ALTER TABLE mw_delivery_server ADD COLUMN weekly_quota integer NOT NULL DEFAULT 0")
    try:
        code, text = printed(capsys, "inspect", "mw-aurora")
        assert (code, "weekly_quota is not known to this release, and 0" in text) == (0, True)
        execute(mailwizz_url, "UPDATE mw_delivery_server SET weekly_quota = 5 WHERE server_id = 101")
        code, text = printed(capsys, "inspect", "mw-aurora")
        assert (code, "weekly_quota is not known to this release and not 0 on 1 servers" in text) == (1, True)
    finally:
        execute(mailwizz_url, "ALTER TABLE mw_delivery_server DROP COLUMN weekly_quota")


def test_the_printed_grants_make_a_login_that_inspect_has_nothing_against(
    login: Callable[[bool], None], mailwizz_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    role = str(make_url(mailwizz_url).database)
    code, text = printed(capsys, "grants", "mw-aurora", "--account", role)
    assert code == 0
    statements = text.strip().splitlines()
    assert all(line.startswith("GRANT SELECT (") and line.endswith(f'TO "{role}";') for line in statements)
    assert "password" not in text
    login(False)
    before = document(capsys, "inspect", "mw-aurora")
    assert (before["fine"], before["version"]) == (False, "a version that cannot be guessed")
    assert "no table mw_delivery_server that this login may read" in before["servers_failure"]
    execute(mailwizz_url, *statements)
    after = document(capsys, "inspect", "mw-aurora")
    assert (after["fine"], after["unread"], after["unseen_tables"], after["not_writable"]) == (
        True,
        {},
        [],
        [],
    )
    assert after["version"] == "2.4.0 or later"
    execute(mailwizz_url, f'REVOKE SELECT (warmup_plan_id) ON mw_delivery_server FROM "{role}"')
    code, text = printed(capsys, "inspect", "mw-aurora")
    assert code == 1
    assert "  not readable: warmup_plan_id of mw_delivery_server" in text
    assert "`email-engine mailwizz grants mw-aurora` prints what to grant" in text
    assert document(capsys, "grants", "mw-aurora")["statements"] == statements


def test_what_a_login_cannot_see_is_said_beside_the_grants(
    login: Callable[[bool], None], mailwizz_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    role = str(make_url(mailwizz_url).database)
    execute(mailwizz_url, f'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "{role}"')
    login(False)
    code, text = printed(capsys, "grants", "mw-aurora")
    assert code == 0
    assert text.startswith("-- not seen with this login, so nothing is said of them: mw_delivery_server, ")


def test_an_api_that_is_away_is_part_of_the_look(
    login: Callable[[bool], None], lab: RunningLab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.knob("mailwizz.offline", on=True)
    try:
        code, text = printed(capsys, "inspect", "mw-aurora")
    finally:
        lab.knob("mailwizz.offline", on=False)
    assert code == 1
    assert "API campaigns (campaigns that stand still): not known: 503 to GET campaigns" in text
    assert "delivery servers: 2, 2 active" in text


def test_an_instance_that_the_fleet_file_lacks_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mailwizz", "inspect", "mw-other"]) == 2
    assert "MailWizz mw-other: not in the fleet file; expected one of: mw-aurora" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("account", "mysql", "quoted"),
    [
        ("engine@10.0.0.5", True, "'engine'@'10.0.0.5'"),
        ("engine", True, "'engine'@'%'"),
        ("'engine'@'%'", True, "'engine'@'%'"),
        ("o'neill@localhost", True, "'o''neill'@'localhost'"),
        ("engine", False, '"engine"'),
        ('en"gine', False, '"en""gine"'),
    ],
)
def test_an_account_is_quoted_as_its_database_wants_it(account: str, mysql: bool, quoted: str) -> None:
    assert quoted_account(account, mysql=mysql) == quoted


@pytest.mark.parametrize("account", ["", "@%", "a\\b@%", "a\n@%"])
def test_an_account_that_cannot_be_one_is_refused(account: str) -> None:
    with pytest.raises(InputError, match="USER@HOST"):
        quoted_account(account, mysql=True)
