"""What the engine reads of MailWizz's limits on every database that it may live in; each test takes `make` (tables of a version)
and `url` (the engine's login)."""

from dataclasses import replace
from datetime import date, time
from ipaddress import ip_address

import pytest

from email_engine.errors import Refused
from email_engine.mailer.catalogue import guess_version
from email_engine.mailer.limits import PlanProgress
from email_engine.mailer.model import DeliveryServer, QuotaFinding, QuotaPlan, Setting, Warmup
from email_engine.mailer.policy import QuotaPolicy
from email_engine.mailer.quotas import plan_quotas
from email_engine.mailer.senders import Customer, CustomerQuota, LiveCampaign
from tests.core.mailer.test_quota_plan import RECORD
from tests.integration.mailwizz_db_suite import database
from tests.integration.mailwizz_places import Make
from tests.integration.mailwizz_schemas import BITMASK, LATER, NEWEST, OLD, PLANS, VERSIONS, Version

DAY = date(2026, 11, 1)
RECORDS = [
    replace(
        RECORD, ip_id=n, address=ip_address(f"198.51.100.{n}"), vmta=f"aurora-{n}", mailwizz_server_id=100 + n,
        allowance=10_000,
    )
    for n in range(1, 7)
]  # fmt: skip


def planned(url: str) -> QuotaPlan:
    """What the sync would do for six IPs with an allowance of 10,000."""
    with database(url) as db:
        return plan_quotas(RECORDS, db.servers(), {}, QuotaPolicy(), DAY, db.senders())


def one(url: str, server_id: int = 101) -> DeliveryServer:
    with database(url) as db:
        return db.server(server_id)


class MailwizzLimitsSuite:
    """Subclassed per database, which gives the fixtures."""

    @pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
    def test_a_synced_server_without_limits_has_no_finding(
        self, make: Make, url: str, version: Version
    ) -> None:
        make(version)
        found = planned(url)
        assert (found.changes, found.refusals, found.unchanged) == ((), (), 6)

    def test_whatever_hands_over_less_than_the_allowance_is_found(self, make: Make, url: str) -> None:
        mailwizz = make(NEWEST)
        mailwizz.change(101, monthly_quota=3000)
        mailwizz.change(102, minute_quota=1)
        mailwizz.change(103, use_for=2)
        mailwizz.change(104, probability=0)
        mailwizz.change(105, pause_after_send=60)
        mailwizz.change(106, second_quota=1, locked="yes")
        found = planned(url)
        told = {refusal.server_id: str(refusal) for refusal in found.refusals}
        assert {refusal.finding for refusal in found.refusals} == {QuotaFinding.HANDS_LESS}
        assert found.changes == ()
        assert sorted(filter(None, told)) == [101, 102, 103, 104, 105]
        for server_id, words in (
            (
                101,
                "3,000 a month, monthly_quota 3,000. Next: set monthly_quota in MailWizz to 0, or to 300,000",
            ),
            (102, "1,440 a day, minute_quota 1. Next: set minute_quota in MailWizz to 0, or to 7"),
            (103, "none of campaigns, use_for transactional. Next: let it be used for campaigns"),
            (104, "nothing, it is never picked, probability 0. Next: set its probability"),
            (105, "1,440 a day, pause_after_send 60. Next: set pause_after_send in MailWizz to 8 seconds"),
        ):
            assert words in told[server_id]

    @pytest.mark.parametrize(
        ("version", "value"), [(OLD, "transactional"), (BITMASK, 2)], ids=["text", "bitmask"]
    )
    def test_what_a_server_is_for_is_read_in_both_kinds(
        self, make: Make, url: str, version: Version, value: object
    ) -> None:
        make(version).change(101, use_for=value)
        assert one(url).limits.use_for == {"transactional"}

    @pytest.mark.parametrize(
        ("quota", "findings"), [(0, []), (700, [QuotaFinding.LIMITS_NOT_KNOWN])], ids=["0", "700"]
    )
    def test_an_unknown_quota_lets_nothing_but_the_status_be_written(
        self, make: Make, url: str, quota: int, findings: list[QuotaFinding]
    ) -> None:
        make(LATER).change(101, weekly_quota=quota, daily_quota=77, hourly_quota=7)
        found = planned(url)
        assert [refusal.finding for refusal in found.refusals] == findings
        assert [change.server_id for change in found.changes] == ([] if findings else [101])
        if findings:
            with database(url) as db:
                with pytest.raises(Refused, match="weekly_quota 700"):
                    db.set_quota(101, 10_000, 1_000, Setting(77, 7, "active"))
                assert db.disable(101).new.status == "disabled"

    @pytest.mark.parametrize(
        ("version", "words"),
        [
            (OLD, "before 2.0.0"),
            (PLANS, "2.1.10 or later, before 2.2.0"),
            (BITMASK, "2.3.8 or later, before 2.4.0"),
            (NEWEST, "2.5.0 or later"),
            (LATER, "2.5.0 or later"),
        ],
        ids=VERSIONS,
    )
    def test_the_version_is_guessed_by_tables_and_columns(
        self, make: Make, url: str, version: Version, words: str
    ) -> None:
        make(version)
        with database(url) as db:
            catalogue = db.catalogue()
        assert str(guess_version(catalogue)) == words
        assert catalogue.use_for == ("bitmask" if version >= BITMASK else "text")
        assert dict(catalogue.unknown_quotas) == ({"weekly_quota": 0} if version == LATER else {})
        assert bool(catalogue.plan_tables) is (version >= PLANS)
        assert catalogue.unread() == {}

    def test_the_progress_of_mailwizz_s_own_plan_is_read(self, make: Make, url: str) -> None:
        mailwizz = make(NEWEST)
        mailwizz.change(101, warmup_plan_id=7)
        mailwizz.change(102, warmup_plan_id=7)
        for step in (1, 2, 3):
            mailwizz.add("delivery_server_warmup_plan_schedule", schedule_id=step, plan_id=7)
        for step, status, used in ((1, "completed", 100), (2, "completed", 200), (3, "processing", 120)):
            mailwizz.add(
                "delivery_server_warmup_plan_schedule_log",
                server_id=101, schedule_id=step, plan_id=7, allowed_quota=100 * step, used_quota=used, status=status,
            )  # fmt: skip
        first, second = one(url), one(url, 102)
        assert (first.warmup, first.limits.plan) == (Warmup.RUNNING, PlanProgress(3, 2, 300, 120))
        assert (second.warmup, second.limits.plan) == (Warmup.RUNNING, None)
        assert [refusal.finding for refusal in planned(url).refusals] == [
            QuotaFinding.WARMUP_PLAN_ENDS,
            QuotaFinding.WARMUP_PLAN,
        ]

    def test_customers_groups_and_live_campaigns_are_read(self, make: Make, url: str) -> None:
        mailwizz = make(NEWEST)
        mailwizz.add("customer", customer_id=2, group_id=None, status="inactive")
        for code, value, serialized in (
            ("system.customer_sending.quota", b's:6:"300000";', 1),
            ("sending.quota_time_value", b"2", 0),
            ("sending.quota_time_unit", b"week", 0),
            ("sending.hourly_quota", b"0", 0),
            ("servers.max_delivery_servers", b"-1", 0),
        ):
            mailwizz.add(
                "customer_group_option", group_id=5, code=code, value=value, is_serialized=serialized
            )
        mailwizz.add("delivery_server_to_customer_group", server_id=104, group_id=5)
        mailwizz.add("campaign", campaign_id=1, customer_id=1, status="sent")
        mailwizz.add("campaign", campaign_id=2, customer_id=1, status="sending")
        mailwizz.add(
            "campaign", campaign_id=3, customer_id=1, status="pending-sending",
            send_between_start=time(22), send_between_end=time(6, 30),
        )  # fmt: skip
        mailwizz.add("campaign_to_delivery_server", campaign_id=3, server_id=101)
        with database(url) as db:
            senders = db.senders()
        assert senders.customers == {
            1: Customer(1, True, 5, CustomerQuota(21_428, "sending.quota 300,000 a 2 weeks")),
            2: Customer(2, False, None, None),
        }
        assert senders.group_servers == {5: frozenset({104})}
        assert sorted(senders.campaigns or (), key=lambda campaign: campaign.campaign_id) == [
            LiveCampaign(2, 1),
            LiveCampaign(3, 1, frozenset({101}), time(22), time(6, 30)),
        ]
        assert [refusal.finding for refusal in planned(url).refusals] == [QuotaFinding.CUSTOMER_QUOTA]

    @pytest.mark.parametrize(
        ("value", "unit", "own", "quota"),
        [
            (b"-1", b"day", 0, None),
            (b"0", b"day", 0, CustomerQuota(0, "sending.quota 0 a day")),
            (b"500", b"fortnight", 0, None),
            (b"rubbish", b"day", 0, None),
            (b"9000", b"day", 100, CustomerQuota(2_400, "hourly_quota 100")),
        ],
        ids=["unlimited", "nothing", "an unknown unit", "no number", "the customer's own is tighter"],
    )
    def test_a_customer_s_quota_is_the_tightest_of_group_and_own(
        self, make: Make, url: str, value: bytes, unit: bytes, own: int, quota: CustomerQuota | None
    ) -> None:
        mailwizz = make(NEWEST)
        mailwizz.add("customer", customer_id=2, group_id=6, hourly_quota=own)
        for code, text in (("quota", value), ("quota_time_value", b"1"), ("quota_time_unit", unit)):
            mailwizz.add("customer_group_option", group_id=6, code=f"sending.{code}", value=text)
        with database(url) as db:
            customers = db.senders().customers or {}
        assert customers[2].quota == quota

    def test_an_old_version_s_campaigns_have_no_hours(self, make: Make, url: str) -> None:
        make(OLD).add("campaign", campaign_id=2, customer_id=1, status="sending")
        with database(url) as db:
            assert db.senders().campaigns == (LiveCampaign(2, 1),)
