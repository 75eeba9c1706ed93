"""PostgreSQL for tests: one server a session, one migrated database a test (copied from a template, about 50 ms).

Loaded by tests/conftest.py; take `store` (a Store on a fresh database) or `engine_database_url`."""

import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, create_engine, make_url

import email_engine.store.engine
from email_engine.store.engine import Store
from email_engine.store.migrate import prepare_role, upgrade

ROLE = "email_engine"
PASSWORD = "not-a-secret"
TEMPLATE = "engine_template"
_numbers = itertools.count(1)


def _libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The superuser's SQLAlchemy URL of a server that lives as long as the session."""
    from stack.postgres import temporary_postgres

    with temporary_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def engine_template(postgres_url: str) -> Iterator[str]:
    """The name of a migrated database, owned by the engine's role, to be copied and never used."""
    upgrade(prepare_role(postgres_url, TEMPLATE, ROLE, PASSWORD))
    with pytest.MonkeyPatch.context() as patch:
        _compile_once(patch, postgres_url)
        yield TEMPLATE


def _compile_once(patch: pytest.MonkeyPatch, url: str) -> None:
    """Every store of the session takes what the first one has compiled: SQLAlchemy keeps SQL by engine and dialect, and a
    process of one pipeline has one engine where a test has several."""
    model = create_engine(url)
    model.connect().close()  # asks the server what it can
    model.dispose()

    def alike(*given: Any, **options: Any) -> Engine:
        made = create_engine(*given, **options)
        made.dialect = made.pool._dialect = model.dialect
        made._compiled_cache = model._compiled_cache
        return made

    patch.setattr(email_engine.store.engine, "create_engine", alike)


@pytest.fixture
def engine_database_url(postgres_url: str, engine_template: str) -> Iterator[str]:
    """SQLAlchemy URL of the engine's role (no superuser) on a fresh, migrated, empty database."""
    name = f"engine_{next(_numbers)}"
    with psycopg.connect(_libpq(postgres_url), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(engine_template), sql.Identifier(ROLE)
            )
        )
        url = make_url(postgres_url).set(username=ROLE, password=PASSWORD, database=name)
        yield url.render_as_string(hide_password=False)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def store(engine_database_url: str) -> Iterator[Store]:
    """A Store on a fresh, migrated, empty database."""
    made = Store(engine_database_url)
    yield made
    made.dispose()
