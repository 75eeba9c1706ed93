"""Messages that wait and Message-Ids that are known, from PostgreSQL and a real MariaDB with the grants that the engine prints."""

from datetime import UTC, datetime, time

import pytest
from sqlalchemy import delete, make_url, text
from sqlalchemy.engine import Engine

from email_engine.adapters.mailwizz_adoption import MOST_CAMPAIGNS, known_ids, read_waiting, sender_domains
from email_engine.errors import EngineError
from email_engine.mailer.unreadable import Unreadable
from tests.integration.mailwizz_db_suite import database
from tests.integration.mailwizz_places import Make, OnPostgresql, WithPrintedGrants
from tests.integration.mailwizz_schemas import NEWEST, OLD, VERSIONS, Mailwizz, Version
from tests.mariadb_fixtures import ACCOUNT, needs_mariadb, run


def campaign(mailwizz: Mailwizz, number: int, readers: int, done: int = 0, **more: object) -> None:
    """A live one with a list of its own; one of its readers in three has unsubscribed."""
    more = {"customer_id": 1, "status": "sending", "list_id": number} | more
    mailwizz.add("campaign", campaign_id=number, **more)
    mailwizz.add("campaign_option", campaign_id=number, processed_count=done)
    rows = [
        {"subscriber_id": number * 1000 + n, "list_id": number, "email": "a@example.com",
         "status": "unsubscribed" if n % 3 == 0 else "confirmed"}
        for n in range(readers)
    ]  # fmt: skip
    if rows:
        mailwizz.add("list_subscriber", *rows)


def waiting(url: str) -> dict[int, int | None]:
    with database(url) as db:
        found = read_waiting(db)
    assert not isinstance(found, Unreadable), found
    return {one.campaign.campaign_id: one.waiting for one in found}


class AdoptionSuite:
    """Each test takes `make` (tables of a version) and `url` (the engine's login)."""

    @pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
    def test_what_waits_is_the_confirmed_ones_that_were_not_handed_over(
        self, make: Make, url: str, version: Version
    ) -> None:
        mailwizz = make(version)
        campaign(mailwizz, 1, 9)
        campaign(mailwizz, 2, 9, done=4)
        campaign(mailwizz, 3, 3, done=40)
        campaign(mailwizz, 4, 9, done=-1)
        campaign(mailwizz, 5, 9, segment_id=7)
        campaign(mailwizz, 6, 9, type="autoresponder")
        campaign(mailwizz, 7, 0)
        campaign(mailwizz, 8, 9, status="sent")
        assert waiting(url) == {1: 6, 2: 2, 3: 0, 4: None, 5: None, 6: None, 7: 0}

    def test_hours_and_the_start_come_with_it(self, make: Make, url: str) -> None:
        mailwizz = make(NEWEST)
        campaign(
            mailwizz, 1, 3, status="pending-sending", send_at=datetime(2026, 12, 24, 8, tzinfo=UTC).replace(tzinfo=None), send_between_start=time(22), send_between_end=time(2),
        )  # fmt: skip
        with database(url) as db:
            found = read_waiting(db)
        assert not isinstance(found, Unreadable)
        assert found[0].starts == datetime(2026, 12, 24, 8, tzinfo=UTC)
        assert found[0].campaign.minutes().bit_count() == 240

    def test_beyond_a_number_campaigns_are_named_and_not_counted(self, make: Make, url: str) -> None:
        mailwizz = make(OLD)
        rows = [
            {"campaign_id": n, "customer_id": 1, "status": "sending", "list_id": 1}
            for n in range(1, MOST_CAMPAIGNS + 3)
        ]
        mailwizz.add("campaign", *rows)
        with database(url) as db:
            found = read_waiting(db)
        assert not isinstance(found, Unreadable)
        assert len(found) == MOST_CAMPAIGNS + 2
        assert [one.waiting for one in found[-2:]] == [None, None]
        assert "were" not in found[0].why

    @pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
    def test_the_domain_that_a_server_sends_as_is_a_hint(
        self, make: Make, url: str, version: Version
    ) -> None:
        mailwizz = make(version)
        with database(url) as db:
            known = sorted(one.server_id for one in db.servers())
            assert sender_domains(db) == {}, "an address that is none gives no hint"
            for server, address in zip(
                known, ("News@Letters.Aurora.example", "nobody", "a@b;c", "x@" + "y" * 99), strict=False
            ):
                mailwizz.change(server, from_email=address)
            assert sender_domains(db) == {known[0]: "letters.aurora.example"}

    def test_ids_are_found_in_the_log_and_in_its_archive(self, make: Make, url: str) -> None:
        mailwizz = make(NEWEST)
        mailwizz.add(
            "campaign_delivery_log", campaign_id=1, subscriber_id=1, server_id=101, email_message_id="a@x"
        )
        mailwizz.add(
            "campaign_delivery_log", campaign_id=1, subscriber_id=1, server_id=None, email_message_id="b@x"
        )
        mailwizz.add(
            "campaign_delivery_log_archive",
            campaign_id=1,
            subscriber_id=1,
            server_id=102,
            email_message_id="c@x",
        )
        with database(url) as db:
            assert known_ids(db, ["a@x", "b@x", "c@x", "d@x", "'; DROP TABLE x; --"]) == {
                "a@x": 101,
                "b@x": None,
                "c@x": 102,
            }
            assert known_ids(db, []) == {}


class TestOnPostgresql(OnPostgresql, AdoptionSuite):
    def test_without_an_archive_the_log_alone_tells(self, make: Make, url: str) -> None:
        mailwizz = make(NEWEST)
        mailwizz.add(
            "campaign_delivery_log", campaign_id=1, subscriber_id=1, server_id=101, email_message_id="a@x"
        )
        with mailwizz.engine.begin() as conn:
            conn.execute(text("ALTER TABLE mw_campaign_delivery_log_archive RENAME TO gone"))
        try:
            with database(url) as db:
                assert known_ids(db, ["a@x", "c@x"]) == {"a@x": 101}
        finally:
            with mailwizz.engine.begin() as conn:
                conn.execute(text("ALTER TABLE gone RENAME TO mw_campaign_delivery_log_archive"))

    def test_a_log_that_answers_too_late_is_not_known(
        self, make: Make, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("email_engine.adapters.mailwizz_adoption.STATEMENT_SECONDS", 0.2)
        mailwizz = make(NEWEST)
        with mailwizz.engine.connect() as other, other.begin():
            other.execute(text("LOCK TABLE mw_campaign_delivery_log IN ACCESS EXCLUSIVE MODE"))
            with database(url) as db:
                found = known_ids(db, ["a@x"])
        assert isinstance(found, Unreadable)
        assert "could not be read" in found.told

    def test_a_campaign_that_was_deleted_meanwhile_waits_for_nothing(self, make: Make, url: str) -> None:
        mailwizz = make(NEWEST)
        campaign(mailwizz, 1, 3)
        with database(url) as db:
            live = db.senders()
            with mailwizz.engine.begin() as conn:
                conn.execute(delete(mailwizz.table("campaign")))
            db.senders = lambda: live  # type: ignore[method-assign]
            found = read_waiting(db)
        assert not isinstance(found, Unreadable)
        assert [one.waiting for one in found] == [0]

    def test_a_database_that_is_away_is_told_without_the_password(self, url: str) -> None:
        gone = make_url(url).set(host="127.0.0.1", port=1, query={})
        with database(gone) as db, pytest.raises(EngineError) as caught:
            known_ids(db, ["a@x"])
        assert str(make_url(url).password) not in str(caught.value)


@needs_mariadb
class TestOnMariadb(WithPrintedGrants, AdoptionSuite):
    """With what `email-engine mailwizz grants` prints, and nothing else."""

    def test_without_its_column_the_grant_is_named(self, make: Make, url: str, administrator: Engine) -> None:
        make(NEWEST)
        run(administrator, f"REVOKE SELECT (email_message_id) ON mw_campaign_delivery_log FROM {ACCOUNT}")
        with database(url) as db:
            found = known_ids(db, ["a@x"])
        assert isinstance(found, Unreadable)
        assert "grant SELECT (email_message_id) on mw_campaign_delivery_log" in found.next_step
