"""What a look at a MailWizz's health reads from a real MariaDB with the grants that the engine prints, and with one less."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine

from email_engine.adapters.mailwizz_health import read_health
from email_engine.adapters.mailwizz_readable import Reading, bound_statements
from email_engine.adapters.mailwizz_traffic import newest_usage, usage_since
from email_engine.commands.mailwizz import MYSQL_QUOTE
from email_engine.mailer.catalogue import grant_statements
from email_engine.mailer.health import CronsSeen, MailwizzFacts, judge_mailwizz
from email_engine.mailer.health_policy import MailwizzHealthPolicy
from email_engine.mailer.senders import CustomerQuota
from email_engine.mailer.silent_campaigns import CampaignsSeen, Recipients, WindowUsage
from email_engine.mailer.unreadable import Unreadable
from tests.integration.mailwizz_db_suite import database
from tests.integration.mailwizz_schemas import NEWEST, Installations, Mailwizz
from tests.mariadb_fixtures import ACCOUNT, SELECT, Mariadb, needs_mariadb, run

pytestmark = needs_mariadb
HALF_AN_HOUR = timedelta(minutes=30)


def ago(**span: float) -> datetime:
    return (datetime.now(UTC) - timedelta(**span)).replace(tzinfo=None, microsecond=0)


@pytest.fixture
def administrator(mariadb: Mariadb) -> Iterator[Engine]:
    with mariadb.mailwizz() as admin:
        yield admin


@pytest.fixture
def mailwizz(administrator: Engine) -> Iterator[Mailwizz]:
    """MailWizz 2.7 with a campaign that sent its last message 40 minutes ago, and nothing granted but what is printed."""
    installations = Installations(administrator.url)
    made = installations.of(NEWEST)
    with database(administrator.url) as db:
        statements = list(grant_statements(db.catalogue(), ACCOUNT, MYSQL_QUOTE))
    run(administrator, SELECT.replace("GRANT", "REVOKE").replace(" TO ", " FROM "), *statements)
    made.add("console_command", command_id=1, command="send-campaigns", date_added=ago(days=3))
    made.add("console_command_history", command_id=1, start_time=ago(minutes=2), end_time=ago(minutes=1))
    made.add("campaign", campaign_id=7, customer_id=1, status="sending", list_id=3, send_at=ago(hours=5))
    made.add("campaign_option", campaign_id=7, processed_count=1)
    for number, status in ((1, "confirmed"), (2, "confirmed"), (3, "unsubscribed")):
        made.add("list_subscriber", subscriber_id=number, list_id=3, email="a@example.com", status=status)
    made.add("campaign_delivery_log", campaign_id=7, subscriber_id=1, date_added=ago(minutes=40))
    made.add("customer_group_option", group_id=5, code="sending.quota", value=b"3", is_serialized=0)
    made.add(
        "customer_group_option", group_id=5, code="sending.quota_time_value", value=b"1", is_serialized=0
    )
    made.add(
        "customer_group_option",
        group_id=5,
        code="sending.quota_time_unit",
        value=b"week",
        is_serialized=0,
    )
    for server_id in (101, 101, 102):
        made.add("delivery_server_usage_log", server_id=server_id, customer_id=1, date_added=ago(seconds=0))
    made.add(
        "delivery_server_usage_log",
        server_id=103,
        customer_id=1,
        customer_countable="no",
        date_added=ago(seconds=0),
    )
    yield made
    installations.close()


def look(mariadb: Mariadb) -> MailwizzFacts:
    with database(mariadb.by_socket()) as db:
        return read_health(db, HALF_AN_HOUR)


def test_the_printed_grants_are_enough_for_all_of_it(mailwizz: Mailwizz, mariadb: Mariadb) -> None:
    facts = look(mariadb)
    assert abs(facts.offset) < timedelta(seconds=5)
    assert timedelta(0) < facts.latency < timedelta(seconds=5)
    assert isinstance(facts.crons, CronsSeen)
    assert not facts.crons.runs["send-campaigns"].unfinished
    assert timedelta(0) < facts.now - facts.crons.runs["send-campaigns"].started < timedelta(minutes=3)
    seen = facts.campaigns
    assert isinstance(seen, CampaignsSeen)
    (due,) = seen.due
    assert due.silent(facts.now, HALF_AN_HOUR)
    assert due.recipients == Recipients(confirmed=2, left=1)
    assert (seen.waiting, seen.uncounted) == (1, 0)
    assert seen.usage == {101: WindowUsage(2, 2), 102: WindowUsage(1, 1), 103: WindowUsage(1, 1)}
    assert seen.customer_usage == {1: ((CustomerQuota(0, "sending.quota 3 a week"), 3),)}
    found = {each.check: each for each in judge_mailwizz(facts, MailwizzHealthPolicy())}
    assert "customer 1 has used up sending.quota 3 a week" in found["campaigns customer"].told


def test_a_campaign_that_has_sent_nothing_lately_is_found_among_the_rows_of_others(
    mailwizz: Mailwizz, mariadb: Mariadb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("email_engine.adapters.mailwizz_campaigns.NEWEST_ROWS", 2)
    for subscriber in (1, 2, 3):
        mailwizz.add(
            "campaign_delivery_log", campaign_id=8, subscriber_id=subscriber, date_added=ago(minutes=1)
        )
    seen = look(mariadb).campaigns
    assert isinstance(seen, CampaignsSeen)
    (due,) = seen.due
    assert due.newest is not None
    assert timedelta(minutes=39) < datetime.now(UTC) - due.newest < timedelta(minutes=42)


def test_a_counter_that_mailwizz_does_not_keep_is_left_out(
    mailwizz: Mailwizz, mariadb: Mariadb, administrator: Engine
) -> None:
    run(administrator, "UPDATE mailwizz.mw_campaign_option SET processed_count = -1")
    seen = look(mariadb).campaigns
    assert isinstance(seen, CampaignsSeen)
    assert (seen.waiting, seen.uncounted) == (None, 1)


@pytest.mark.parametrize(
    ("table", "columns", "part"),
    [
        ("console_command", "command_id, command, date_added", "crons"),
        ("console_command_history", "end_time", "crons"),
        ("campaign_delivery_log", "date_added", "campaigns"),
        ("campaign", "list_id", "campaigns"),
    ],
)
def test_what_is_not_granted_is_named_and_the_rest_is_read(
    mailwizz: Mailwizz, mariadb: Mariadb, administrator: Engine, table: str, columns: str, part: str
) -> None:
    run(administrator, f"REVOKE SELECT ({columns}) ON mailwizz.mw_{table} FROM {ACCOUNT}")
    facts = look(mariadb)
    parts = {"crons": facts.crons, "campaigns": facts.campaigns}
    hidden, other = parts.pop(part), *parts.values()
    assert isinstance(hidden, Unreadable)
    assert not hidden.absent
    assert f"on mw_{table}: `email-engine mailwizz grants`" in hidden.next_step
    assert not isinstance(other, Unreadable)


@pytest.mark.parametrize("granted", ["everything", "columns of others"])
def test_a_table_that_is_not_there(
    mailwizz: Mailwizz, mariadb: Mariadb, administrator: Engine, granted: str
) -> None:
    """To a login with grants by column MariaDB says the same of it as of a table that is not granted."""
    everything = granted == "everything"
    columns = "command_id, command, date_added"
    run(
        administrator,
        SELECT if everything else f"REVOKE SELECT ({columns}) ON mailwizz.mw_console_command FROM {ACCOUNT}",
    )
    run(administrator, "RENAME TABLE mailwizz.mw_console_command TO mailwizz.mw_elsewhere")
    try:
        crons = look(mariadb).crons
    finally:
        run(administrator, "RENAME TABLE mailwizz.mw_elsewhere TO mailwizz.mw_console_command")
    assert isinstance(crons, Unreadable)
    assert crons.absent is everything


@pytest.mark.parametrize("value", ["1793275200.1234", "1793275200", "2026-10-29 12:00:00"])
def test_a_time_may_be_a_text(
    mailwizz: Mailwizz, mariadb: Mariadb, administrator: Engine, value: str
) -> None:
    run(
        administrator, "ALTER TABLE mailwizz.mw_console_command_history MODIFY start_time VARCHAR(20)",
        f"UPDATE mailwizz.mw_console_command_history SET start_time = '{value}'",
    )  # fmt: skip
    crons = look(mariadb).crons
    assert isinstance(crons, CronsSeen)
    assert crons.runs["send-campaigns"].started.replace(microsecond=0) == datetime(
        2026, 10, 29, 12, tzinfo=UTC
    )


SLOW = text(
    "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c"
)


def test_the_database_itself_ends_a_statement_that_takes_too_long(administrator: Engine) -> None:
    with administrator.begin() as conn:
        bound_statements(conn, 0.2)
        reading = Reading(conn, "mw_", {}, ())
        found = reading.tried("so much", lambda: conn.execute(SLOW).scalar())
        assert isinstance(found, Unreadable)
        assert not found.absent
        assert "so much could not be read" in found.told
        assert conn.execute(text("SELECT 1")).scalar() == 1


def test_a_campaign_whose_rows_take_too_long_to_find_is_not_called_silent(
    mailwizz: Mailwizz, mariadb: Mariadb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("email_engine.adapters.mailwizz_health.STATEMENT_SECONDS", 0.5)
    monkeypatch.setattr(
        "email_engine.adapters.mailwizz_campaigns._last", lambda conn, *_: conn.execute(SLOW).scalar()
    )
    monkeypatch.setattr("email_engine.adapters.mailwizz_campaigns.NEWEST_ROWS", 1)
    mailwizz.add("campaign_delivery_log", campaign_id=8, subscriber_id=1, date_added=ago(minutes=1))
    facts = look(mariadb)
    assert isinstance(facts.campaigns, CampaignsSeen)
    assert facts.campaigns.unproven == 1
    found = {each.check: each for each in judge_mailwizz(facts, MailwizzHealthPolicy())}
    assert (found["campaigns not-known"].level, found["cron send-campaigns"].level) == ("unknown", "good")


def test_the_printed_grants_are_enough_to_prove_a_stop_by_silence(
    mailwizz: Mailwizz, mariadb: Mariadb
) -> None:
    now = datetime.now(UTC)
    with database(mariadb.by_socket()) as db:
        newest = newest_usage(db)
        seen = usage_since(db, 1, {101, 102, 150}, now - timedelta(hours=24))
        assert {n: (rows.newest, rows.of_server) for n, rows in seen.items()} == {
            101: (newest, 1), 102: (newest, 1), 150: (newest, 0),
        }  # fmt: skip
        assert not seen[150].logged
