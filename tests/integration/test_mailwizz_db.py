"""MailWizz's tables in PostgreSQL, as the lab has them."""

import itertools
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, make_url

from tests.integration.mailwizz_db_suite import MailwizzDbSuite
from tests.integration.mailwizz_rows import filled

_numbers = itertools.count(1)


class TestOnPostgresql(MailwizzDbSuite):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        name = f"mailwizz_{next(_numbers)}"
        plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} STRATEGY file_copy").format(sql.Identifier(name)))
        return make_url(postgres_url).set(database=name).render_as_string(hide_password=False)

    @pytest.fixture
    def engine(self, url: str) -> Iterator[Engine]:
        with filled(url) as engine:
            yield engine
