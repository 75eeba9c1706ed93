"""Opens, clicks and recipient lists, read from PostgreSQL and from a real MariaDB, there with nothing but the grants that the engine prints."""

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.engine import Engine

from email_engine.adapters import mailwizz_opens
from email_engine.adapters.mailwizz_database import MailwizzDatabase
from email_engine.adapters.mailwizz_lists import opened_lists
from email_engine.adapters.mailwizz_opens import read_opens
from email_engine.errors import AccessDenied, Unreachable
from email_engine.mailer.opens import OpensPolicy
from email_engine.mailer.unreadable import Unreadable
from tests.integration.mailwizz_places import OnPostgresql, WithPrintedGrants
from tests.integration.mailwizz_readers_suite import SINCE, MailwizzReadersSuite, Make, mail, opened, seen
from tests.integration.mailwizz_rows import wrong_password
from tests.integration.mailwizz_schemas import NEWEST
from tests.mariadb_fixtures import ACCOUNT, needs_mariadb, run


class TestOnPostgresql(OnPostgresql, MailwizzReadersSuite):
    pass


@needs_mariadb
class TestOnMariadb(WithPrintedGrants, MailwizzReadersSuite):
    @pytest.mark.parametrize(
        ("table", "column"),
        [
            ("campaign_track_open", "user_agent"), ("campaign_track_url", "date_added"), ("campaign_url", "campaign_id"),
            ("campaign_delivery_log", "server_id"),
        ],
    )  # fmt: skip
    def test_a_column_that_grants_hide_is_named_and_nothing_is_half_counted(
        self, make: Make, administrator: Engine, url: str, table: str, column: str
    ) -> None:
        mailwizz = make(NEWEST)
        mail(mailwizz, 1)
        opened(mailwizz, 1)
        run(administrator, f"REVOKE SELECT ({column}) ON mailwizz.mw_{table} FROM {ACCOUNT}")
        found = read_opens(MailwizzDatabase("mw", make_url(url)), SINCE, OpensPolicy())
        assert isinstance(found, Unreadable)
        assert (column in found.told, found.absent) == (True, False)
        assert f"grant SELECT ({column}) on mw_{table}" in found.next_step

    def test_without_the_address_no_list_is_read(self, make: Make, administrator: Engine, url: str) -> None:
        make(NEWEST)
        run(administrator, f"REVOKE SELECT (email) ON mailwizz.mw_list_subscriber FROM {ACCOUNT}")
        with opened_lists(MailwizzDatabase("mw", make_url(url))) as lists:
            window = lists.window(1, 0, 10, unsubscribed=False)
        assert isinstance(window, Unreadable)
        assert "grant SELECT (email) on mw_list_subscriber" in window.next_step

    def test_a_statement_that_takes_too_long_is_not_known(
        self, make: Make, administrator: Engine, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mailwizz = make(NEWEST)
        mail(mailwizz, 1)
        opened(mailwizz, 1)
        monkeypatch.setattr(mailwizz_opens, "STATEMENT_SECONDS", 0.5)
        with administrator.connect() as other:
            other.execute(text("LOCK TABLES mw_campaign_delivery_log WRITE"))
            found = read_opens(MailwizzDatabase("mw", make_url(url)), SINCE, OpensPolicy())
            other.execute(text("UNLOCK TABLES"))
        assert isinstance(found, Unreadable)
        assert seen(url).counts

    def test_a_database_that_is_away_or_refuses_is_told_as_such(self, make: Make, url: str) -> None:
        make(NEWEST)
        with pytest.raises(AccessDenied):
            read_opens(MailwizzDatabase("mw", wrong_password(url)), SINCE, OpensPolicy())
        away = make_url(url).set(host="127.0.0.1", port=1, query={})
        with pytest.raises(Unreachable):
            read_opens(MailwizzDatabase("mw", away), SINCE, OpensPolicy())
        with pytest.raises(Unreachable), opened_lists(MailwizzDatabase("mw", away)):
            raise AssertionError("not opened")
