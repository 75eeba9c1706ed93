"""From an Airflow connection to a database URL, and what its test button says."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from email_engine.errors import InputError
from email_engine_airflow.hooks.mailwizz_db import MailwizzDbHook
from tests.integration.mailwizz_rows import filled

FIELDS = {
    "conn_type": "mailwizz_db",
    "host": "db.example",
    "login": "ee",
    "password": "p@ss",
    "schema": "mailwizz",
}


def hook(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> MailwizzDbHook:
    monkeypatch.setenv("AIRFLOW_CONN_MW_DB", json.dumps(FIELDS | fields))
    return MailwizzDbHook("mw_db")


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "mysql+pymysql://ee:p%40ss@db.example/mailwizz?charset=utf8mb4"),
        ({"port": 3307, "extra": {"charset": "utf8"}}, "mysql+pymysql://ee:p%40ss@db.example:3307/mailwizz?charset=utf8"),
        ({"host": "/run/mysqld/mysqld.sock"},
         "mysql+pymysql://ee:p%40ss@/mailwizz?charset=utf8mb4&unix_socket=%2Frun%2Fmysqld%2Fmysqld.sock"),
        ({"extra": {"dialect": "postgresql"}, "port": 5432}, "postgresql+psycopg://ee:p%40ss@db.example:5432/mailwizz"),
        ({"extra": {"dialect": "postgresql"}, "host": "/tmp/pg"},
         "postgresql+psycopg://ee:p%40ss@/mailwizz?host=%2Ftmp%2Fpg"),
    ],
    ids=["mysql", "port and charset", "mysql socket", "postgresql", "postgresql socket"],
)  # fmt: skip
def test_a_connection_becomes_a_url(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], url: str
) -> None:
    with hook(monkeypatch, **fields).get_conn() as database:
        assert database.database.url.render_as_string(hide_password=False) == url
        assert database.database.table_prefix == "mw_"
        assert "p@ss" not in repr(database.database)


@pytest.mark.parametrize(("prefix", "used"), [("", ""), ("mwz_", "mwz_"), (None, "mw_")])
def test_an_empty_prefix_is_a_prefix(monkeypatch: pytest.MonkeyPatch, prefix: str | None, used: str) -> None:
    with hook(monkeypatch, extra={"table_prefix": prefix}).get_conn() as database:
        assert database.database.table_prefix == used


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"host": ""}, "host"), ({"schema": None, "login": None}, "login, schema"), ({"extra": {"dialect": "oracle"}}, "oracle"),
     ({"extra": {"table_prefix": "mw; --"}}, "table_prefix"), ({"extra": {"ssl_mode": "REQUIRED"}}, "unknown extra: ssl_mode"),
     ({"extra": {"ssl_ca": "/nowhere.pem"}}, "ssl_ca /nowhere.pem cannot be read")],
)  # fmt: skip
def test_an_incomplete_connection_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        hook(monkeypatch, **fields).get_conn()
    works, text = hook(monkeypatch, **fields).test_connection()
    assert (works, told in text) == (False, True)


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("CREATE DATABASE hook_mailwizz")
        yield make_url(postgres_url).set(database="hook_mailwizz").render_as_string(hide_password=False)
        connection.execute("DROP DATABASE hook_mailwizz WITH (FORCE)")


def test_the_test_button_counts_servers_and_virtual_mtas(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    url = make_url(database_url)
    real = {"host": url.query["host"], "login": url.username, "password": url.password, "schema": url.database,
            "extra": {"dialect": "postgresql"}}  # fmt: skip
    works, told = hook(monkeypatch, **real).test_connection()
    assert (works, "no table mw_delivery_server" in told) == (False, True)
    with filled(database_url):
        works, told = hook(monkeypatch, **real).test_connection()
    assert (works, told) == (True, "3 delivery servers, 3 of them name a virtual MTA (x-virtual-mta)")
