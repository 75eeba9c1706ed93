"""The same on a real MariaDB, when its server is installed (Debian: mariadb-server)."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from email_engine.errors import AccessDenied
from tests.integration.mailwizz_db_suite import MailwizzDbSuite, database
from tests.integration.mailwizz_rows import filled
from tests.mariadb_fixtures import UPDATE, Mariadb, needs_mariadb, run

pytestmark = needs_mariadb


class TestOnMariadb(MailwizzDbSuite):
    """With the grants that docs ask for, not as the administrator."""

    @pytest.fixture(autouse=True)
    def administrator(self, mariadb: Mariadb) -> Iterator[Engine]:
        with mariadb.mailwizz() as admin:
            yield admin

    @pytest.fixture
    def url(self, mariadb: Mariadb) -> str:
        return mariadb.by_socket().render_as_string(hide_password=False)

    @pytest.fixture
    def engine(self, administrator: Engine) -> Iterator[Engine]:
        with filled(administrator.url) as engine:
            run(administrator, UPDATE)
            yield engine

    def test_a_login_without_the_grant_is_told_which_one(
        self, engine: Engine, administrator: Engine, url: str
    ) -> None:
        run(administrator, UPDATE.replace("GRANT", "REVOKE").replace(" TO ", " FROM "))
        with database(url) as db, pytest.raises(AccessDenied, match="UPDATE on quotas"):
            db.disable(101)
