"""Where a suite about MailWizz's tables runs: an empty database of PostgreSQL, or MariaDB by the engine's own login."""

import itertools
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url
from sqlalchemy.engine import Engine

from email_engine.commands.mailwizz import MYSQL_QUOTE, quoted_account
from email_engine.mailer.catalogue import grant_statements
from tests.integration.mailwizz_db_suite import database
from tests.integration.mailwizz_schemas import Installations, Mailwizz, Version
from tests.mariadb_fixtures import ACCOUNT, Mariadb, run

Make = Callable[[Version], Mailwizz]
"""Makes an installation of that version, empty."""
_numbers = itertools.count(1)


class OnPostgresql:
    """Fixtures `url` and `make` of a class of tests."""

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, postgres_url: str) -> str:
        name = f"mailwizz_tables_{next(_numbers)}"
        server = make_url(postgres_url)
        plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} STRATEGY file_copy").format(sql.Identifier(name)))
        return server.set(database=name, drivername="postgresql+psycopg").render_as_string(
            hide_password=False
        )

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, url: str) -> Iterator[Make]:
        installations = Installations(url)
        yield installations.of
        installations.close()


class OnMariadb:
    """Fixtures `administrator`, `url` of the engine's login and `installations`; what that login may do is the suite's matter."""

    @pytest.fixture(scope="class")
    @classmethod
    def administrator(cls, mariadb: Mariadb) -> Iterator[Engine]:
        with mariadb.mailwizz() as admin:
            yield admin

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, mariadb: Mariadb) -> str:
        return mariadb.by_socket().render_as_string(hide_password=False)

    @pytest.fixture(scope="class")
    @classmethod
    def installations(cls, administrator: Engine) -> Iterator[Installations]:
        installations = Installations(administrator.url)
        yield installations
        installations.close()


def printed_grants(administrator: Engine) -> list[str]:
    """What `email-engine mailwizz grants` prints for the engine's login, run as the administrator."""
    with database(administrator.url) as db:
        catalogue = db.catalogue()
    account = quoted_account("email_engine@%", mysql=catalogue.mysql)
    return list(grant_statements(catalogue, account, MYSQL_QUOTE))


class WithPrintedGrants(OnMariadb):
    """The login has the printed grants and nothing else."""

    @pytest.fixture
    def make(self, administrator: Engine, installations: Installations) -> Make:
        def made(version: Version) -> Mailwizz:
            mailwizz = installations.of(version)
            revoke = f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {ACCOUNT}"
            run(administrator, revoke, *printed_grants(administrator))
            return mailwizz

        return made
