"""Quotas above what PowerMTA lets out, and campaigns larger than the days that carry them."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from ipaddress import ip_address
from typing import Any

import pytest

from email_engine.adoption.conflicts import (
    CampaignOutlook,
    campaign_findings,
    campaign_outlooks,
    customer_findings,
    quota_findings,
)
from email_engine.adoption.draft import Blank, FleetDraft, HostDraft, Sender, StreamDraft, TenantDraft
from email_engine.adoption.outlook import allowances_to_come
from email_engine.adoption.servers import InstanceSeen, ServerFound, ServerJoin
from email_engine.fleet.model import IpState
from email_engine.mailer.limits import ServerLimits
from email_engine.mailer.model import DeliveryServer, Setting
from email_engine.mailer.policy import QuotaPolicy
from email_engine.mailer.senders import Customer, CustomerQuota, LiveCampaign, Senders
from email_engine.mailer.waiting import WaitingCampaign
from email_engine.warmup.policy_file import load_policy

POLICY, QUOTAS = load_policy(), QuotaPolicy()
SIX_WEEK = POLICY.schedules["six_week"]
DAY = date(2026, 11, 30)


def sender(
    number: int,
    state: IpState | Blank = IpState.ACTIVE,
    target: int = 1_000,
    phase: int = 1,
    cap: int | None = 1_200,
) -> Sender:
    return Sender(
        ip_address(f"198.51.100.{number}"), f"v-{number}", "", "", "", "", target, state, phase=phase, cap=cap, known_as=f"v-{number}"
    )  # fmt: skip


def world(
    *senders: Sender, daily: int = 0, limits: ServerLimits | None = None, quota: CustomerQuota | None = None
) -> tuple[FleetDraft, ServerJoin]:
    """Each with a server of its number, all of customer 1."""
    draft = FleetDraft(
        [HostDraft("mta-1", "x")], "", [TenantDraft("t", [StreamDraft("s", "p", list(senders))])]
    )
    who = Senders({1: Customer(1, True, None, quota)}, {}, ())
    servers = tuple(
        DeliveryServer(
            n,
            "",
            "smtp-pmta",
            "",
            Setting(daily, 0, "active"),
            (one.known_as,),
            limits=limits or ServerLimits(),
        )
        for n, one in enumerate(senders, 1)
    )
    instance = InstanceSeen("mw", "t", servers, who)
    found = {
        one.known_as: ServerFound(made, instance, "") for one, made in zip(senders, servers, strict=True)
    }
    return draft, ServerJoin(found)


def waits(number: int, messages: int | None, **campaign: Any) -> WaitingCampaign:
    return WaitingCampaign(
        LiveCampaign(number, 1, **campaign), messages, why="" if messages is not None else "a segment"
    )


def outlook(draft: FleetDraft, join: ServerJoin, *campaigns: WaitingCampaign) -> list[CampaignOutlook]:
    return campaign_outlooks(draft, join, {"mw": campaigns}, (POLICY, QUOTAS), DAY)


@pytest.mark.parametrize(
    ("one", "days"),
    [
        (sender(1), (1_000,)),
        (sender(1, IpState.STANDBY), (0,)),
        (sender(1, IpState.WARMING, 200, 2), (100,) * 7 + (200,)),
        (sender(1, IpState.WARMING, 5_000, 6), (2_000,) * 7 + (4_000,) * 7 + (5_000,)),
    ],
    ids=["active", "standby", "to a small target", "doubling behind the last phase"],
)
def test_the_days_to_come_follow_the_schedule(one: Sender, days: tuple[int, ...]) -> None:
    assert allowances_to_come(one, SIX_WEEK, 366) == days


def test_a_campaign_that_fits_is_no_conflict() -> None:
    (one,) = outlook(*world(sender(1), sender(2)), waits(7, 2_000))
    assert (one.too_large, one.ends) == (False, DAY)
    assert list(campaign_findings([one])) == []


def test_a_larger_one_is_told_with_the_day_on_which_it_ends() -> None:
    (one,) = outlook(*world(sender(1), sender(2, IpState.WARMING, 1_000, 5)), waits(7, 12_500))
    assert (one.first_day, one.ends) == (2_000, date(2026, 12, 6))
    (finding,) = campaign_findings([one])
    assert str(finding).startswith(
        "campaign 7 of mw: 12,500 messages wait, its first day carries 2,000; it would end on 2026-12-06. Next: "
    )


def test_what_an_earlier_campaign_takes_another_one_waits_for() -> None:
    first, second = outlook(*world(sender(1)), waits(7, 1_500), waits(8, 1_500))
    assert (first.ends, second.first_day, second.ends) == (date(2026, 12, 1), 0, date(2026, 12, 2))


def test_hours_of_sending_bound_the_day() -> None:
    # a tenth of the allowance an hour: 2 hours carry 200 of 1,000
    (one,) = outlook(*world(sender(1)), waits(7, 1_000, start=time(8), end=time(10)))
    assert (one.first_day, one.ends) == (200, date(2026, 12, 4))
    (over_midnight,) = outlook(*world(sender(1)), waits(7, 1_000, start=time(23), end=time(1)))
    assert over_midnight.first_day == 200


def test_only_the_servers_of_a_campaign_carry_it() -> None:
    (one,) = outlook(*world(sender(1), sender(2)), waits(7, 2_000, servers=frozenset({2})))
    assert (one.first_day, one.ends) == (1_000, date(2026, 12, 1))
    (none,) = outlook(*world(sender(1)), waits(7, 2_000, servers=frozenset({99})))
    assert (none.first_day, none.ends) == (0, None)
    assert "not end within a year" in none.words()


def test_a_campaign_of_next_month_begins_then() -> None:
    later = replace(waits(7, 1_500), starts=datetime(2026, 12, 31, 8, tzinfo=UTC))
    (one,) = outlook(*world(sender(1)), later)
    assert (one.first_day, one.ends) == (1_000, date(2027, 1, 1))


def test_what_cannot_be_counted_is_said_so() -> None:
    (one,) = outlook(*world(sender(1)), waits(7, None))
    assert not one.too_large
    assert one.words() == "campaign 7 of mw: how much of it waits is not known: a segment"


BLANK = Blank("state")


@pytest.mark.parametrize(
    ("those", "campaign", "told"),
    [
        ((sender(1, BLANK), sender(2, BLANK)), waits(7, 5_000), "not known: 2 IPs that could carry it have no state yet"),
        ((sender(1), sender(2, BLANK)), waits(7, 5_000), "not known: 1 IP that could carry it has no state yet"),
        ((sender(1), sender(2, BLANK)), waits(7, 900), "its first day carries 1,000; it ends on 2026-11-30"),
        ((sender(1), sender(2, BLANK)), waits(7, 5_000, servers=frozenset({1})), "it would end on 2026-12-04"),
    ],
    ids=["no state", "one of two", "what is known carries it", "not one of its servers"],
)  # fmt: skip
def test_an_ip_without_a_state_makes_no_conflict(
    those: tuple[Sender, ...], campaign: WaitingCampaign, told: str
) -> None:
    (one,) = outlook(*world(*those), campaign)
    assert told in one.words()
    assert [str(finding) for finding in campaign_findings([one])] == [] or not one.stateless


def test_the_allowance_of_an_ip_without_a_state_is_no_number() -> None:
    (high,) = quota_findings(*world(sender(1, BLANK), daily=5_000), POLICY)
    assert "becomes its allowance; until then set daily_quota to 1,200 or less" in high.next_step


def test_a_minute_quota_and_a_server_that_is_never_picked_carry_less() -> None:
    (slow,) = outlook(*world(sender(1, target=10_000), limits=ServerLimits(minute_quota=1)), waits(7, 5_000))
    assert slow.first_day == 1_440
    (never,) = outlook(*world(sender(1), limits=ServerLimits(probability=0)), waits(7, 10))
    assert (never.first_day, never.ends) == (0, None)


def test_quotas_above_caps_are_told_and_those_below_are_not() -> None:
    (high,) = quota_findings(*world(sender(1), daily=5_000), POLICY)
    assert "up to 5,000 a day (daily_quota 5,000), and PowerMTA sends 1,200 a day at most" in str(high)
    assert "becomes its allowance (1,000)" in high.next_step
    assert list(quota_findings(*world(sender(1), daily=1_200), POLICY)) == []
    assert list(quota_findings(*world(sender(1, cap=None)), POLICY)) == []
    (unlimited,) = quota_findings(*world(*(sender(n) for n in range(1, 9))), POLICY)
    assert unlimited.subject == "servers 1 (v-1), 2 (v-2), 3 (v-3), 4 (v-4), 5 (v-5) and 3 more of mw"


def test_a_customer_that_may_send_more_than_its_ips_is_told() -> None:
    quota = CustomerQuota(50_000, "sending.quota 1,500,000 a month")
    (one,) = customer_findings(*world(sender(1), sender(2), quota=quota))
    assert str(one).startswith(
        "customer 1 of mw: may send 50,000 a day (sending.quota 1,500,000 a month), and PowerMTA's caps of their 2 IPs come to 2,400"
    )
    assert list(customer_findings(*world(sender(1), quota=None))) == []
    assert list(customer_findings(*world(sender(1, cap=None), quota=quota))) == []
