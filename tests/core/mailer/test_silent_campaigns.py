"""Why a campaign sends nothing: the first of six causes that holds, and what a look may say that cannot read everything."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from email_engine.mailer.limits import ServerLimits
from email_engine.mailer.model import DeliveryServer, Setting
from email_engine.mailer.senders import Customer, CustomerQuota, LiveCampaign, Senders
from email_engine.mailer.silent_campaigns import (
    CampaignsSeen,
    DueCampaign,
    Recipients,
    SilentCause,
    WindowUsage,
    allowed_servers,
    judge_campaigns,
)
from email_engine.mailer.unreadable import Unreadable

NOW = datetime(2026, 11, 1, 12, 20, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
QUOTA = CustomerQuota(5_000, "sending.quota 5,000 a day", 5_000, 1.0)
HIDDEN = Unreadable("that table cannot be read with this login")


def server(
    server_id: int = 101, status: str = "active", daily: int = 1000, hourly: int = 100, **limits: object
) -> DeliveryServer:
    limits = {"customer_id": 1} | limits
    return DeliveryServer(
        server_id,
        f"aurora-{server_id}",
        "smtp-pmta",
        "mta-1",
        Setting(daily, hourly, status),
        (),
        limits=ServerLimits(**limits),
    )  # type: ignore[arg-type]


DUE = DueCampaign(
    LiveCampaign(7, 1),
    since=NOW - timedelta(hours=5),
    newest=NOW - timedelta(hours=2),
    recipients=Recipients(500, 300),
)
WELL = CampaignsSeen(
    (DUE,), (server(),), Senders({1: Customer(1, True, 5, QUOTA, (QUOTA,))}, {}, (DUE.campaign,)), {101: WindowUsage(3, 30)},
    {1: ((QUOTA, 30),)},
)  # fmt: skip
NIGHT = replace(DUE, campaign=LiveCampaign(7, 1, start=time(20), end=time(6)))


def judged(seen: CampaignsSeen, **changed: bool) -> tuple[SilentCause, str]:
    (found,) = judge_campaigns(
        seen, NOW, HALF_AN_HOUR, cron_stands_still=changed.get("cron_stands_still", False)
    )
    assert found.campaign_id == 7
    return found.cause, found.told


CAUSES = {
    "its hours come tonight": (replace(WELL, due=(NIGHT,)), SilentCause.OUT_OF_HOURS, "from 20:00 to 06:00"),
    "its hours began just now": (
        replace(WELL, due=(replace(DUE, campaign=LiveCampaign(7, 1, start=time(12, 10), end=time(18))),)),
        SilentCause.OUT_OF_HOURS, "from 12:10 to 18:00",
    ),
    "its customer is inactive": (
        replace(WELL, senders=replace(WELL.senders, customers={1: Customer(1, False)})), SilentCause.CUSTOMER, "customer 1 is not active",
    ),
    "its customer's quota is used up": (
        replace(WELL, customer_usage={1: ((QUOTA, 5_000),)}), SilentCause.CUSTOMER, "has used up sending.quota 5,000 a day",
    ),
    "its customer may send nothing at all": (
        replace(WELL, customer_usage={1: ((CustomerQuota(0, "sending.quota 0 a day"), 0),)}), SilentCause.CUSTOMER, "sending.quota 0",
    ),
    "a server is disabled": (replace(WELL, servers=(server(status="disabled"),)), SilentCause.SERVERS, "server 101 is disabled"),
    "a server is never picked": (replace(WELL, servers=(server(probability=0),)), SilentCause.SERVERS, "probability 0"),
    "a server is for other mail": (
        replace(WELL, servers=(server(use_for=frozenset({"transactional"})),)), SilentCause.SERVERS, "is for transactional",
    ),
    "its own server was deleted": (
        replace(WELL, due=(replace(DUE, campaign=LiveCampaign(7, 1, frozenset({109}))),)), SilentCause.SERVERS, "there is none",
    ),
    "the one that it may use is off, another runs": (
        replace(WELL, due=(replace(DUE, campaign=LiveCampaign(7, 1, frozenset({102}))),), servers=(server(), server(102, "disabled"))),
        SilentCause.SERVERS, "server 102 is disabled",
    ),
    "the day's quota is used up": (
        replace(WELL, usage={101: WindowUsage(0, 1000)}), SilentCause.QUOTAS, "server 101 has 1,000 of 1,000 this day",
    ),
    "the hour's quota is used up": (replace(WELL, usage={101: WindowUsage(100, 130)}), SilentCause.QUOTAS, "100 of 100 this hour"),
    "nobody in its list is confirmed": (
        replace(WELL, due=(replace(DUE, recipients=Recipients(0, 0)),)), SilentCause.RECIPIENTS, "no confirmed subscriber",
    ),
    "everybody has it": (
        replace(WELL, due=(replace(DUE, recipients=Recipients(500, 0)),)), SilentCause.RECIPIENTS, "all 500 confirmed subscribers have it",
    ),
    "the first of a long list have it": (
        replace(WELL, due=(replace(DUE, recipients=Recipients(50_000, 0, capped=True)),)), SilentCause.NOT_KNOWN, "newest delivery",
    ),
    "nothing is seen": (WELL, SilentCause.NOT_KNOWN, "its newest delivery was at 2026-11-01 10:20 UTC"),
}  # fmt: skip


@pytest.mark.parametrize(("seen", "cause", "told"), CAUSES.values(), ids=CAUSES)
def test_the_cause_is_named_with_the_thing(seen: CampaignsSeen, cause: SilentCause, told: str) -> None:
    found, words = judged(seen)
    assert (found, told in words) == (cause, True), words
    assert cause.words
    assert cause.next_step


@pytest.mark.parametrize("seen", [each[0] for each in CAUSES.values()], ids=CAUSES)
def test_where_the_cron_stands_still_nothing_else_is_blamed(seen: CampaignsSeen) -> None:
    assert judged(seen, cron_stands_still=True)[0] is SilentCause.CRON


def test_one_server_with_quota_left_is_enough() -> None:
    two = replace(
        WELL, servers=(server(), server(102)), usage={101: WindowUsage(100, 1000), 102: WindowUsage(99, 999)}
    )
    assert judged(two)[0] is SilentCause.NOT_KNOWN


def test_an_unlimited_server_is_never_used_up() -> None:
    unlimited = replace(WELL, servers=(server(daily=0, hourly=0),), usage={101: WindowUsage(9_000, 90_000)})
    assert judged(unlimited)[0] is SilentCause.NOT_KNOWN


@pytest.mark.parametrize(
    ("due", "silent"),
    [
        (replace(DUE, newest=NOW - timedelta(minutes=29)), False),
        (replace(DUE, newest=NOW - timedelta(minutes=31)), True),
        (replace(DUE, since=NOW - timedelta(minutes=20), newest=None), False),
        (replace(DUE, since=NOW - timedelta(minutes=40), newest=None), True),
        (replace(DUE, since=NOW - timedelta(minutes=10), newest=NOW - timedelta(days=7)), False),
        (replace(DUE, since=None, newest=None), True),
        (replace(DUE, proven=False), False),
        (replace(DUE, newest=NOW + timedelta(hours=1)), False),
    ],
    ids=["sent lately", "sent long ago", "due just now", "due long ago, nothing sent", "a recurring one began again",
         "no date at all", "its newest row is not known", "a row that lies ahead"],
)  # fmt: skip
def test_silent_is_who_was_due_and_sent_nothing(due: DueCampaign, silent: bool) -> None:
    assert due.silent(NOW, HALF_AN_HOUR) is silent


@pytest.mark.parametrize(
    ("seen", "doubt"),
    [
        (replace(WELL, servers=HIDDEN), HIDDEN.told),
        (replace(WELL, usage=HIDDEN), HIDDEN.told),
        (replace(WELL, customer_usage=HIDDEN), HIDDEN.told),
        (replace(WELL, senders=replace(WELL.senders, customers=None)), "the customers cannot be read"),
        (replace(WELL, due=(replace(DUE, recipients=HIDDEN),)), HIDDEN.told),
        (
            replace(
                WELL, servers=(server(customer_id=None),), senders=replace(WELL.senders, group_servers=None)
            ),
            "which delivery servers its customer may use",
        ),
    ],
    ids=["servers", "usage", "customers' usage", "customers", "subscribers", "groups"],
)
def test_what_cannot_be_read_is_a_doubt_and_no_cause(seen: CampaignsSeen, doubt: str) -> None:
    (found,) = judge_campaigns(seen, NOW, HALF_AN_HOUR, cron_stands_still=False)
    assert found.cause is SilentCause.NOT_KNOWN
    assert any(doubt in each for each in found.doubts)


def test_a_cause_that_is_seen_stands_although_something_else_is_hidden() -> None:
    seen = replace(WELL, customer_usage=HIDDEN, servers=(server(status="disabled"),))
    assert judged(seen)[0] is SilentCause.SERVERS


OWN, COMMON, OTHER = server(101), server(201, customer_id=None), server(202, customer_id=None)


@pytest.mark.parametrize(
    ("campaign", "servers", "groups", "ids"),
    [
        (LiveCampaign(7, 1, frozenset({201})), (OWN, COMMON), {}, [201]),
        (LiveCampaign(7, 1), (OWN, COMMON, OTHER), {}, [101]),
        (LiveCampaign(7, 1), (server(101, "disabled"), COMMON, OTHER), {5: frozenset({202})}, [101, 202]),
        (LiveCampaign(7, 1), (COMMON, OTHER), {}, [201, 202]),
        (LiveCampaign(7, 1), (COMMON, server(301, customer_id=2)), {6: frozenset({202})}, [201]),
    ],
    ids=["the campaign's own", "the customer's own", "its group's where its own is off", "all common ones", "never another customer's"],
)  # fmt: skip
def test_a_campaign_may_use(
    campaign: LiveCampaign,
    servers: tuple[DeliveryServer, ...],
    groups: dict[int, frozenset[int]],
    ids: list[int],
) -> None:
    found = allowed_servers(campaign, servers, Senders({1: Customer(1, True, 5)}, groups))
    assert [each.server_id for each in found or ()] == ids
