"""What the engine reads of opens, clicks and recipient lists on every database that MailWizz may live in; each test takes `make` (tables of
a version) and `url` (the engine's login)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import make_url

from email_engine.adapters import mailwizz_opens
from email_engine.adapters.mailwizz_blacklist import blacklist
from email_engine.adapters.mailwizz_database import MailwizzDatabase
from email_engine.adapters.mailwizz_lists import opened_lists
from email_engine.adapters.mailwizz_opens import OpensSeen, read_opens
from email_engine.hygiene.people import Heard
from email_engine.mailer.opens import OpenCounts, OpensPolicy
from tests.integration.mailwizz_places import Make
from tests.integration.mailwizz_schemas import NEWEST, VERSIONS, Mailwizz, Version

NOON = datetime(2026, 11, 30, 12)  # noqa: DTZ001 - as MailWizz has it
SINCE = datetime(2026, 11, 23, tzinfo=UTC)
PHONE, APPLE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)", "Mozilla/5.0"
LATER = timedelta(hours=3)


def seen(url: str, since: datetime = SINCE) -> OpensSeen:
    found = read_opens(MailwizzDatabase("mw-aurora", make_url(url)), since, OpensPolicy())
    assert isinstance(found, OpensSeen), found
    return found


def mail(
    mailwizz: Mailwizz,
    person: int,
    server: int | None = 101,
    campaign: int = 7,
    at: datetime = NOON,
    **more: object,
) -> None:
    log = str(more.pop("log", "campaign_delivery_log"))
    row = {"campaign_id": campaign, "subscriber_id": person, "server_id": server, "date_added": at}
    mailwizz.add(log, **row, **more)


def opened(
    mailwizz: Mailwizz, person: int, agent: str | None = PHONE, campaign: int = 7, at: datetime = NOON + LATER
) -> None:
    mailwizz.add(
        "campaign_track_open", campaign_id=campaign, subscriber_id=person, user_agent=agent, date_added=at
    )


def clicked(mailwizz: Mailwizz, person: int, agent: str | None = PHONE, url_id: int = 1) -> None:
    mailwizz.add(
        "campaign_track_url", url_id=url_id, subscriber_id=person, user_agent=agent, date_added=NOON + LATER
    )


class MailwizzReadersSuite:
    """Subclassed per database, which gives the fixtures."""

    @pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
    def test_opens_and_clicks_count_each_recipient_once_by_server_and_day(
        self, make: Make, url: str, version: Version
    ) -> None:
        mailwizz = make(version)
        mailwizz.add("campaign_url", {"url_id": 1, "campaign_id": 7}, {"url_id": 2, "campaign_id": 7})
        for person in range(1, 7):
            mail(mailwizz, person)
        mail(mailwizz, 7, server=102, at=NOON - timedelta(days=1))
        for person in (1, 1, 1, 2, 7):
            opened(mailwizz, person)
        opened(mailwizz, 3, APPLE)
        opened(mailwizz, 4, APPLE)
        opened(mailwizz, 4, at=NOON + timedelta(hours=9))
        opened(mailwizz, 5, at=NOON + timedelta(seconds=4))
        for url_id in (1, 2, 2):
            clicked(mailwizz, 1, url_id=url_id)
        clicked(mailwizz, 6, "Barracuda Sentinel")
        found = seen(url)
        assert found.counts == {
            (101, date(2026, 11, 30)): OpenCounts(3, 2, 1, 1),
            (102, date(2026, 11, 29)): OpenCounts(1, 0, 0, 0),
        }
        assert (found.rows, found.unplaced) == (13, 0)

    def test_mail_of_an_archived_log_counts_and_rows_without_their_others_do_no_harm(
        self, make: Make, url: str
    ) -> None:
        mailwizz = make(NEWEST)
        mail(mailwizz, 1, log="campaign_delivery_log_archive")
        mail(mailwizz, 2, server=None)
        mail(mailwizz, 3, status="giveup")
        mail(mailwizz, 4, at=NOON - timedelta(days=60))
        for person in (1, 2, 3, 4, 5):
            opened(mailwizz, person)
        opened(mailwizz, 1, campaign=8)
        clicked(mailwizz, 1, url_id=99)
        mailwizz.add("campaign_track_open", campaign_id=7, subscriber_id=None, date_added=NOON)
        mailwizz.add("campaign_track_open", campaign_id=7, subscriber_id=1, date_added=None)
        found = seen(url)
        assert found.counts == {(101, date(2026, 11, 30)): OpenCounts(opened=1)}
        assert found.unplaced == 5

    def test_windows_of_any_size_count_the_same(
        self, make: Make, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mailwizz = make(NEWEST)
        mailwizz.add("campaign_url", url_id=1, campaign_id=7)
        for person in range(1, 12):
            mail(mailwizz, person, server=101 + person % 2)
        for turn in range(4):
            for person in range(1, 12):
                opened(mailwizz, person, PHONE if (person + turn) % 4 == 0 else APPLE)
        for person in (3, 3, 4):
            clicked(mailwizz, person)
        found = []
        for size in (1, 2, 3, 7, 1_000):
            monkeypatch.setattr(mailwizz_opens, "WINDOW", size)
            found.append(seen(url).counts)
        assert sum(each.opened for each in found[0].values()) == 11
        assert sum(each.clicked for each in found[0].values()) == 2
        assert all(each == found[0] for each in found)

    def test_the_month_before_is_neither_read_nor_counted(
        self, make: Make, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mailwizz_opens, "SLACK", 3)
        mailwizz = make(NEWEST)
        old = [
            {"campaign_id": 6, "subscriber_id": n % 50 + 1, "user_agent": PHONE, "date_added": NOON - timedelta(days=30)}
            for n in range(500)
        ]  # fmt: skip
        mailwizz.add("campaign_track_open", *old)
        mail(mailwizz, 1)
        opened(mailwizz, 1)
        found = seen(url)
        assert found.counts == {(101, date(2026, 11, 30)): OpenCounts(opened=1)}
        assert found.rows == 4

    def test_nothing_opened_is_an_empty_count(self, make: Make, url: str) -> None:
        make(NEWEST)
        assert seen(url) == OpensSeen()

    def test_lists_are_read_in_windows_and_the_dead_ones_left_out(self, make: Make, url: str) -> None:
        mailwizz = make(NEWEST)
        mailwizz.add(
            "list",
            {"list_id": 1, "list_uid": "ab1", "name": "News", "status": "active"},
            {"list_id": 2, "list_uid": "ab2", "name": None, "status": "active"},
            {"list_id": 3, "list_uid": "ab3", "name": "Old", "status": "archived"},
            {"list_id": 4, "list_uid": "ab4", "name": "Gone", "status": "pending-delete"},
        )
        people = [
            {"subscriber_id": n, "subscriber_uid": f"s{n}", "list_id": 1, "email": f"r{n}@example.com", "status": status, "date_added": NOON}
            for n, status in enumerate(["confirmed", "confirmed", "unsubscribed", "blacklisted", "confirmed", "unconfirmed"], 1)
        ]  # fmt: skip
        mailwizz.add("list_subscriber", *people)
        mailwizz.add("list_subscriber", subscriber_id=9, list_id=1, email=None, status="confirmed")
        with opened_lists(MailwizzDatabase("mw-aurora", make_url(url))) as lists:
            known = lists.lists()
            first = lists.window(1, 0, 2, unsubscribed=False)
            second = lists.window(1, 2, 2, unsubscribed=False)
            everybody = lists.window(1, 0, 50, unsubscribed=True)
            nobody = lists.window(2, 0, 50, unsubscribed=True)
        assert isinstance(known, tuple)
        assert [(one.list_id, one.uid, one.name) for one in known] == [(1, "ab1", "News"), (2, "ab2", "")]
        assert isinstance(first, tuple)
        assert isinstance(second, tuple)
        assert isinstance(everybody, tuple)
        assert [one.subscriber_id for one in first] == [1, 2]
        assert [one.subscriber_id for one in second] == [5, 9]
        assert (second[1].email, second[1].added) == ("", None)
        assert [one.subscriber_id for one in everybody if one.unsubscribed] == [3]
        assert nobody == ()
        assert "r1@" not in repr(first[0])

    def test_what_people_did_and_got_is_read_for_those_alone(self, make: Make, url: str) -> None:
        mailwizz = make(NEWEST)
        mailwizz.add("campaign_url", url_id=1, campaign_id=7)
        for person in range(1, 6):
            mail(mailwizz, person)
            mail(mailwizz, person, campaign=8, log="campaign_delivery_log_archive")
        mail(mailwizz, 1, campaign=9, at=NOON - timedelta(days=300))
        mail(mailwizz, 1, campaign=10, status="giveup")
        opened(mailwizz, 1)
        opened(mailwizz, 2, APPLE)
        opened(mailwizz, 3, at=NOON - timedelta(days=300))
        clicked(mailwizz, 4)
        opened(mailwizz, 9)
        since = NOON - timedelta(days=180)
        with opened_lists(MailwizzDatabase("mw-aurora", make_url(url))) as lists:
            assert lists.heard([1, 2, 3, 4, 5], since, OpensPolicy()) == {
                1: Heard(NOON + LATER), 2: Heard(None, machine=True), 4: Heard(NOON + LATER),
            }  # fmt: skip
            assert lists.mails([1, 3, 77], since) == {1: 2, 3: 2}
            assert lists.opens_since() == NOON + LATER

    def test_the_blacklist_is_read_with_its_reasons(self, make: Make, url: str) -> None:
        mailwizz = make(NEWEST)
        mailwizz.add("email_blacklist", email_id=1, email="a@example.com", reason=None, date_added=None)
        mailwizz.add(
            "email_blacklist", email_id=2, email="b@example.com", reason="550 blocked", date_added=NOON
        )
        rows = list(blacklist(MailwizzDatabase("mw-aurora", make_url(url))))
        assert [(row.email, row.reason, row.added) for row in rows] == [
            ("a@example.com", "", None),
            ("b@example.com", "550 blocked", NOON),
        ]
