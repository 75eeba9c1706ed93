"""What limits a delivery server, as a table: the tightest limit is named with the number that it lets through."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, time
from ipaddress import ip_address

import pytest

from email_engine.fleet.model import IpRecord, RiskClass
from email_engine.mailer.handover import judge_customers
from email_engine.mailer.limits import PlanProgress, ServerLimits, parse_use_for
from email_engine.mailer.model import DeliveryServer, QuotaFinding, QuotaPlan, Setting, Warmup
from email_engine.mailer.policy import QuotaPolicy
from email_engine.mailer.quotas import plan_quotas
from email_engine.mailer.senders import Customer, CustomerQuota, LiveCampaign, Senders
from tests.core.mailer.test_quota_plan import DAY, PARKED, POLICY, RECORD, SERVER

TEN_THOUSAND = replace(RECORD, allowance=10_000)
SYNCED = Setting(10_000, 1000, "active")
ALL_KNOWN = Senders({1: Customer(1, True, 5), 2: Customer(2, True, 6), 3: Customer(3, False, 5)}, {}, ())


def plan(
    limits: ServerLimits,
    record: IpRecord = TEN_THOUSAND,
    setting: Setting = SYNCED,
    senders: Senders | None = None,
    **server: object,
) -> QuotaPlan:
    one = replace(SERVER, setting=setting, limits=limits, **server)  # type: ignore[arg-type]
    return plan_quotas([record], [one], {}, POLICY, DAY, senders or Senders())


def only(found: QuotaPlan, finding: QuotaFinding) -> str:
    assert [refusal.finding for refusal in found.refusals] == [finding]
    return str(found.refusals[0])


@pytest.mark.parametrize(
    ("limits", "told", "step"),
    [
        (ServerLimits(monthly_quota=3000), "3,000 a month, monthly_quota 3,000", "monthly_quota in MailWizz to 0, or to 300,000 or more"),
        (ServerLimits(minute_quota=1), "1,440 a day, minute_quota 1", "minute_quota in MailWizz to 0, or to 7 or more"),
        (ServerLimits(use_for=frozenset({"transactional"})), "none of campaigns, use_for transactional", "used for campaigns too"),
        (ServerLimits(use_for=frozenset({"reports", "invoices"})), "none of campaigns, use_for invoices and reports", "used for"),
        (ServerLimits(probability=0), "nothing, it is never picked, probability 0", "probability in MailWizz to 1 or more"),
        (ServerLimits(pause_after_send=60), "1,440 a day, pause_after_send 60", "pause_after_send in MailWizz to 8 seconds or less"),
    ],
    ids=["monthly quota", "minute quota", "not for campaigns", "for neither", "never picked", "pause after each send"],
)  # fmt: skip
def test_a_limit_below_the_allowance_is_named_with_what_it_lets_through(
    limits: ServerLimits, told: str, step: str
) -> None:
    text = only(plan(limits), QuotaFinding.HANDS_LESS)
    assert f"MailWizz will hand over less than the allowance of 10,000 a day: {told}. Next: " in text
    assert step in text


@pytest.mark.parametrize(
    "limits",
    [
        ServerLimits(second_quota=1),
        ServerLimits(minute_quota=7),
        ServerLimits(pause_after_send=8),
        ServerLimits(monthly_quota=300_000),
        ServerLimits(use_for=frozenset({"campaigns", "reports"})),
        ServerLimits(probability=1),
    ],
    ids=["one a second", "seven a minute", "eight seconds", "a month's worth", "campaigns and more", "seldom picked"],
)  # fmt: skip
def test_a_limit_that_is_no_obstacle_is_no_finding(limits: ServerLimits) -> None:
    found = plan(limits)
    assert (found.refusals, found.changes) == ((), ())


def test_the_tightest_limit_is_first_and_the_others_follow() -> None:
    text = only(plan(ServerLimits(minute_quota=3, pause_after_send=60)), QuotaFinding.HANDS_LESS)
    assert (
        "a day: 1,440 a day, pause_after_send 60; also minute_quota 3: 4,320 a day. Next: set pause_after_send"
        in text
    )


def test_a_limit_holds_no_quota_back() -> None:
    found = plan(ServerLimits(minute_quota=1), setting=Setting(500, 50, "active"))
    assert [change.new for change in found.changes] == [SYNCED]
    assert [refusal.finding for refusal in found.refusals] == [QuotaFinding.HANDS_LESS]


@pytest.mark.parametrize(
    ("record", "setting", "finding"),
    [
        (PARKED, Setting(1, 1, "disabled"), None),
        (TEN_THOUSAND, Setting(10_000, 1000, "disabled"), QuotaFinding.DISABLED_BY_PERSON),
        (replace(TEN_THOUSAND, braked=True), Setting(1, 1, "disabled"), None),
    ],
    ids=["parked", "off anyway", "braked"],
)
def test_a_server_that_is_off_is_not_told_of_twice(
    record: IpRecord, setting: Setting, finding: QuotaFinding | None
) -> None:
    found = plan(ServerLimits(minute_quota=1), record, setting)
    assert [refusal.finding for refusal in found.refusals] == ([finding] if finding else [])


def test_transactional_mail_alone_is_enough_for_a_protected_stream() -> None:
    limits = ServerLimits(use_for=frozenset({"transactional"}))
    assert not plan(limits, replace(TEN_THOUSAND, risk_class=RiskClass.PROTECTED)).refusals


def test_the_engine_s_own_hourly_bound_is_named_too() -> None:
    policy = QuotaPolicy(hourly_max=100)
    found = plan_quotas([TEN_THOUSAND], [SERVER], {}, policy, DAY)
    assert "2,400 a day, hourly_quota 100. Next: set hourly_max" in only(found, QuotaFinding.HANDS_LESS)


@pytest.mark.parametrize(
    ("day", "quota", "held"),
    [(date(2026, 2, 10), 280_000, False), (date(2026, 12, 10), 280_000, True)],
    ids=["28 days", "31 days"],
)
def test_a_monthly_quota_is_spread_over_the_days_of_its_month(day: date, quota: int, held: bool) -> None:
    one = replace(SERVER, setting=SYNCED, limits=ServerLimits(monthly_quota=quota))
    assert bool(plan_quotas([TEN_THOUSAND], [one], {}, POLICY, day).refusals) is held


@pytest.mark.parametrize(
    ("stored", "uses"),
    [
        ("all", {"all"}), ("campaigns", {"campaigns"}), (1, {"all"}), (6, {"transactional", "campaigns"}), ("4", {"campaigns"}),
        (127, {"all", "transactional", "campaigns", "email-tests", "reports", "list-emails", "invoices"}),
        (132, {"campaigns", "128"}), (0, set()), ("newsletters", {"newsletters"}),
    ],
    ids=["text all", "text campaigns", "bit all", "two bits", "bits as text", "every bit", "an unknown bit", "no bit", "an unknown word"],
)  # fmt: skip
def test_what_a_server_is_for_is_read_as_text_and_as_bits(stored: object, uses: set[str]) -> None:
    assert parse_use_for(stored) == uses


@pytest.mark.parametrize("record", [TEN_THOUSAND, PARKED], ids=["sends", "parked"])
@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (ServerLimits(unread=("warmup_plan_id",)), "column warmup_plan_id cannot be read with this login. Next: grant SELECT on warmup_plan_id"),
        (ServerLimits(unread=("minute_quota", "use_for")), "columns minute_quota, use_for cannot be read"),
        (ServerLimits(unknown_quotas={"weekly_quota": 700}), "a quota that this release does not know: weekly_quota 700. Next: set it to 0"),
    ],
    ids=["a hidden plan", "two hidden columns", "an unknown quota"],
)  # fmt: skip
def test_limits_that_are_not_known_leave_nothing_but_the_status(
    limits: ServerLimits, told: str, record: IpRecord
) -> None:
    found = plan(limits, record, Setting(77, 7, "active"))
    assert told in only(found, QuotaFinding.LIMITS_NOT_KNOWN)
    assert [change.new for change in found.changes] == ([] if record.sends else [Setting(77, 7, "disabled")])


def test_headers_that_are_not_granted_are_asked_for() -> None:
    found = plan(ServerLimits(unread=("meta_data",)), vmtas=None)
    assert "its additional headers cannot be read. Next: grant SELECT on meta_data" in only(
        found, QuotaFinding.NO_VMTA
    )


@pytest.mark.parametrize(
    ("progress", "finding", "told"),
    [
        (PlanProgress(10, 4, 500, 120), QuotaFinding.WARMUP_PLAN, "(step 5 of 10, 120 of 500 sent). Next"),
        (PlanProgress(10, 9, 5000, 4300), QuotaFinding.WARMUP_PLAN_ENDS, "(step 10 of 10, 4,300 of 5,000 sent): after this last step all quotas become unlimited"),
        (None, QuotaFinding.WARMUP_PLAN, "governs its quotas. Next"),
    ],
    ids=["in the middle", "in its last step", "progress not readable"],
)  # fmt: skip
def test_mailwizz_s_own_plan_is_told_with_its_step_and_before_it_ends_unlimited(
    progress: PlanProgress | None, finding: QuotaFinding, told: str
) -> None:
    found = plan(ServerLimits(plan=progress), setting=Setting(9, 9, "active"), warmup=Warmup.RUNNING)
    assert told in only(found, finding)
    assert not found.changes


@pytest.mark.parametrize(
    ("campaign", "told"),
    [
        (LiveCampaign(7, 1, frozenset({102})), "nothing, no campaign that sends now may use it, campaign_to_delivery_server, campaign 7"),
        (LiveCampaign(7, 1, frozenset({101}), time(9), time(11)), "2,000 a day, in 2 hours, send_between_start and send_between_end, campaign 7"),
        (LiveCampaign(7, 1, frozenset(), time(23), time(1, 30)), "2,500 a day, in 2.5 hours"),
    ],
    ids=["other servers", "two hours", "over midnight"],
)  # fmt: skip
def test_what_the_campaigns_of_now_leave_out_is_noted_and_calls_nobody(
    campaign: LiveCampaign, told: str
) -> None:
    found = plan(ServerLimits(), senders=replace(ALL_KNOWN, campaigns=(campaign,)))
    assert told in only(found, QuotaFinding.CAMPAIGNS)
    assert found.for_people == ()


@pytest.mark.parametrize(
    "campaigns",
    [
        (),
        (LiveCampaign(7, 1, frozenset({102})), LiveCampaign(8, 2)),
        (LiveCampaign(7, 1, frozenset(), time(0), time(12)), LiveCampaign(8, 1, frozenset(), time(12), time(0))),
        (LiveCampaign(7, 1, frozenset(), time(0), time(10)),),
        (LiveCampaign(7, 3, frozenset({102})),),
        None,
    ],
    ids=["no campaign", "one may use it", "hours that fill the day", "hours enough", "of a customer who is not active", "not readable"],
)  # fmt: skip
def test_campaigns_that_leave_enough_are_not_noted(campaigns: tuple[LiveCampaign, ...] | None) -> None:
    assert not plan(ServerLimits(), senders=replace(ALL_KNOWN, campaigns=campaigns)).refusals


@pytest.mark.parametrize(
    ("limits", "group_servers", "told"),
    [
        (ServerLimits(customer_id=3), {}, "no active customer may use it, customer 3 is not active"),
        (ServerLimits(customer_id=9), {}, "no active customer may use it, customer 9 is not active"),
        (ServerLimits(), {5: frozenset({102}), 6: frozenset({103})}, "no active customer may use it, delivery_server_to_customer_group"),
        (ServerLimits(), {5: frozenset({102})}, None),
        (ServerLimits(), {5: frozenset({101}), 6: frozenset({103})}, None),
        (ServerLimits(customer_id=1), {5: frozenset({102})}, None),
    ],
    ids=["owner inactive", "owner gone", "no group allows it", "a group without a list", "one group allows it", "owner needs no group"],
)  # fmt: skip
def test_a_server_that_no_customer_may_use_is_named(
    limits: ServerLimits, group_servers: Mapping[int, frozenset[int]], told: str | None
) -> None:
    found = plan(limits, senders=replace(ALL_KNOWN, group_servers=group_servers))
    if told is None:
        assert not found.refusals
    else:
        assert told in only(found, QuotaFinding.HANDS_LESS)


QUOTA = CustomerQuota(15_000, "sending.quota 450,000 a month")


@pytest.mark.parametrize(
    ("owner", "quotas", "told"),
    [
        (1, {1: QUOTA}, "of 20,000 a day: 15,000 a day for 2 servers with 20,000 in all, customer 1: sending.quota 450,000 a month"),
        (None, {1: QUOTA, 2: CustomerQuota(2_400, "hourly_quota 100")}, "17,400 a day for 2 servers with 20,000 in all, customers 1, 2"),
        (None, {1: QUOTA}, None),
        (1, {1: replace(QUOTA, per_day=20_000)}, None),
    ],
    ids=["the owner's quota", "both customers' quotas", "another customer has none", "enough"],
)  # fmt: skip
def test_customers_quotas_are_held_against_all_their_servers(
    owner: int | None, quotas: Mapping[int, CustomerQuota], told: str | None
) -> None:
    customers = {number: Customer(number, True, 5, quotas.get(number)) for number in (1, 2)}
    senders = Senders(customers, {}, ())
    limits = ServerLimits(customer_id=owner)
    records = [
        TEN_THOUSAND,
        replace(TEN_THOUSAND, ip_id=2, address=ip_address("198.51.100.2"), mailwizz_server_id=102),
    ]
    servers = {n: DeliveryServer(n, "", "smtp", "mta-1", SYNCED, (), limits=limits) for n in (101, 102)}
    found = judge_customers([*records, replace(PARKED, mailwizz_server_id=102)], servers, senders)
    if told is None:
        assert not found
    else:
        (refusal,) = found
        assert (refusal.server_id, refusal.finding) == (101, QuotaFinding.CUSTOMER_QUOTA)
        assert told in str(refusal)


def test_customers_that_share_some_servers_and_not_all_are_held_against_the_whole() -> None:
    """Each set of servers alone has room enough."""
    quota = CustomerQuota(10_000, "sending.quota 300,000 a month")
    senders = Senders({n: Customer(n, True, 5, quota) for n in (1, 2)}, {}, ())
    owned, shared = ServerLimits(customer_id=1), ServerLimits()
    servers = {
        101: DeliveryServer(101, "", "smtp", "mta-1", SYNCED, (), limits=owned),
        102: DeliveryServer(102, "", "smtp", "mta-1", SYNCED, (), limits=shared),
    }
    records = [
        replace(TEN_THOUSAND, allowance=9_000),
        replace(
            TEN_THOUSAND,
            ip_id=2,
            address=ip_address("198.51.100.2"),
            mailwizz_server_id=102,
            allowance=19_000,
        ),
    ]
    (refusal,) = judge_customers(records, servers, senders)
    assert "20,000 a day for 2 servers with 28,000 in all, customers 1, 2" in str(refusal)
    roomy = [replace(records[0], allowance=1_000), records[1]]
    assert judge_customers(roomy, servers, senders) == ()
    short = [replace(records[0], allowance=11_000), records[1]]
    (own,) = judge_customers(short, servers, senders)
    assert "10,000 a day for 1 server with 11,000 in all, customer 1" in str(own), "the smaller one first"
