import re

import pytest
from sqlalchemy import make_url, text

from email_engine_airflow.hooks.engine_db import EngineDbHook
from tests.airflow_connections import engine_connection as connection


@pytest.fixture
def engine_connection(engine_database_url, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", connection(engine_database_url))


def test_a_connection_over_a_unix_socket_gives_a_store(engine_connection):
    store = EngineDbHook().get_conn()
    with store.session("*") as conn:
        assert conn.execute(text("SELECT current_user")).scalar_one() == "email_engine"
    store.dispose()


def test_the_test_button_names_role_and_revision(engine_connection):
    ok, message = EngineDbHook().test_connection()
    assert ok, message
    assert re.search(r"revision 0\d{3}$", message)


def test_a_wrong_password_is_told_without_the_password(engine_database_url, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", connection(engine_database_url, password="wr0ng-one"))
    ok, message = EngineDbHook().test_connection()
    assert not ok
    assert "password authentication failed" in message
    assert "wr0ng-one" not in message


def test_a_superuser_is_refused_because_row_security_would_not_bind_it(
    postgres_url, engine_database_url, monkeypatch
):
    database = make_url(engine_database_url).database
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", connection(postgres_url, schema=database))
    ok, message = EngineDbHook().test_connection()
    assert not ok
    assert "no superuser" in message


def test_a_database_without_tables_says_what_to_run(postgres_url, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", connection(postgres_url))
    ok, message = EngineDbHook().test_connection()
    assert not ok
    assert "migrations" in message


def test_a_host_that_is_down_names_the_next_step(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", "postgres://u:p@127.0.0.1:1/db")
    ok, message = EngineDbHook().test_connection()
    assert not ok
    assert "database db on 127.0.0.1 as u" in message
    assert "Next:" in message
