"""MailWizz's limits, read from PostgreSQL and from a real MariaDB, there also with the grants that the engine prints."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine

from email_engine.errors import Refused
from email_engine.mailer.model import QuotaFinding, Setting, Warmup
from tests.integration.mailwizz_db_suite import MailwizzDbSuite, database
from tests.integration.mailwizz_limits_suite import MailwizzLimitsSuite, Make, one, planned
from tests.integration.mailwizz_places import OnMariadb, OnPostgresql, printed_grants
from tests.integration.mailwizz_rows import filled
from tests.integration.mailwizz_schemas import LATER, NEWEST, OLD, VERSIONS, Installations, Mailwizz, Version
from tests.mariadb_fixtures import ACCOUNT, SELECT, UPDATE, Mariadb, needs_mariadb, run

REVOKED = SELECT.replace("GRANT", "REVOKE").replace(" TO ", " FROM ")


class TestOnPostgresql(OnPostgresql, MailwizzLimitsSuite):
    pass


@needs_mariadb
class TestOnMariadb(OnMariadb, MailwizzLimitsSuite):
    """With SELECT on everything and the four columns."""

    @pytest.fixture
    def make(self, administrator: Engine, installations: Installations) -> Make:
        def made(version: Version) -> Mailwizz:
            mailwizz = installations.of(version)
            run(administrator, f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {ACCOUNT}", SELECT, UPDATE)
            return mailwizz

        return made

    @pytest.fixture
    def narrow(self, administrator: Engine, make: Make) -> None:
        """MailWizz 2.7 and nothing but the printed grants."""
        make(NEWEST)
        run(
            administrator,
            f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {ACCOUNT}",
            *printed_grants(administrator),
        )

    @pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
    def test_the_printed_grants_name_columns_and_none_of_a_secret(
        self, make: Make, administrator: Engine, version: Version
    ) -> None:
        make(version)
        statements = printed_grants(administrator)
        text = "\n".join(statements)
        assert all(" (" in statement and ACCOUNT in statement for statement in statements)
        assert not any(word in text for word in ("password", "`key`", "`public`", "username"))
        named = {
            statement.split("`mw_")[1].partition("`")[0] for statement in statements if "`email`" in statement
        }
        assert named == {"list_subscriber", "email_blacklist"}
        assert (
            "UPDATE (`daily_quota`, `hourly_quota`, `status`, `last_updated`) ON `mailwizz`.`mw_delivery_server`"
            in text
        )
        assert ("warmup_plan_id" in text) is (version > OLD)
        assert ("weekly_quota" in text) is (version == LATER)

    def test_the_printed_grants_are_enough(self, narrow: None, url: str) -> None:
        found = planned(url)
        assert (found.changes, found.refusals, found.unchanged) == ((), (), 6)
        with database(url) as db:
            assert db.columns_not_writable() == ()
            assert db.catalogue().unread() == {}
            senders = db.senders()
            assert None not in (senders.customers, senders.group_servers, senders.campaigns)

    @pytest.mark.parametrize(
        "column",
        [
            "customer_id", "last_updated", "minute_quota", "monthly_quota", "pause_after_send", "probability",
            "second_quota", "use_for", "warmup_plan_id", "hostname", "type", "name",
        ],
    )  # fmt: skip
    def test_one_column_less_is_named_and_refuses_raises(
        self, narrow: None, administrator: Engine, url: str, column: str
    ) -> None:
        run(
            administrator,
            _less(column),
            "UPDATE mailwizz.mw_delivery_server SET daily_quota = 77, hourly_quota = 7",
        )
        found = planned(url)
        assert found.changes == ()
        assert all(f"column {column} cannot be read" in str(refusal) for refusal in found.refusals)
        assert len(found.refusals) == 6
        with database(url) as db:
            assert db.catalogue().unread() == {"delivery_server": (column,)}
            with pytest.raises(Refused, match=f"grant SELECT on {column}"):
                db.set_quota(101, 10_000, 1_000, Setting(77, 7, "active"))
            assert db.disable(101).new.status == "disabled"

    @pytest.mark.parametrize("column", ["daily_quota", "hourly_quota", "status", "server_id"])
    def test_without_a_column_that_is_written_nothing_is_read(
        self, narrow: None, administrator: Engine, url: str, column: str
    ) -> None:
        run(administrator, _less(column))
        with database(url) as db:
            with pytest.raises(Refused, match=f"lacks {column} that this login may read"):
                db.servers()
            assert db.catalogue().unread() == {"delivery_server": (column,)}

    def test_a_running_plan_behind_a_hidden_column_is_not_written_over(
        self, narrow: None, administrator: Engine, url: str
    ) -> None:
        run(
            administrator,
            "UPDATE mailwizz.mw_delivery_server SET warmup_plan_id = 7",
            _less("warmup_plan_id"),
        )
        assert one(url).warmup is Warmup.RUNNING
        with database(url) as db, pytest.raises(Refused, match="grant SELECT on warmup_plan_id"):
            db.set_quota(101, 77, 7, Setting(10_000, 1_000, "active"))

    def test_headers_that_are_hidden_are_not_taken_for_absent(
        self, narrow: None, administrator: Engine, url: str
    ) -> None:
        run(administrator, _less("meta_data"))
        assert one(url).vmtas is None
        found = planned(url)
        assert {refusal.finding for refusal in found.refusals} == {QuotaFinding.NO_VMTA}
        assert "cannot be read. Next: grant SELECT on meta_data" in str(found.refusals[0])

    def test_rows_may_be_locked_with_the_printed_grants(self, narrow: None, url: str) -> None:
        engine = create_engine(url)
        with engine.begin() as conn:
            locked = conn.execute(
                text(
                    "SELECT server_id, status FROM mw_delivery_server WHERE server_id = 101 FOR UPDATE SKIP LOCKED"
                )
            )
            assert locked.all() == [(101, "active")]
        engine.dispose()

    def test_a_hidden_column_of_another_table_is_named(
        self, narrow: None, administrator: Engine, url: str
    ) -> None:
        run(administrator, f"REVOKE SELECT (group_id) ON mailwizz.mw_customer FROM {ACCOUNT}")
        with database(url) as db:
            assert db.catalogue().unread() == {"customer": ("group_id",)}
            assert db.senders().customers is None


def _less(column: str) -> str:
    return f"REVOKE SELECT ({column}) ON mailwizz.mw_delivery_server FROM {ACCOUNT}"


@needs_mariadb
class TestEverythingWithThePrintedGrants(MailwizzDbSuite):
    """What the engine does to MailWizz's database, all of it, with nothing but the printed grants."""

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
            run(administrator, REVOKED, *printed_grants(administrator))
            yield engine
