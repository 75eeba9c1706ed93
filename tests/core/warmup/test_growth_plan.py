"""So many IPs a month: never more than schedule and quota allow, and what is unknown is promised to nobody."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from email_engine.cli import main
from email_engine.fleet.model import IpState
from email_engine.fleet.traffic import DayCounts
from email_engine.warmup.growth_plan import GrowthPlan, growth_words, plan_growth
from email_engine.warmup.observation import DnsHealth, midnight
from email_engine.warmup.plan import Quotas, plan_tenant
from email_engine.warmup.policy import CycleStart
from email_engine.warmup.policy_file import load_policy
from tests.core.warmup.worlds import DAY, NEXT, a_life, live_through, observation, sent

BY_HAND = replace(load_policy(), providers={}, cycle_start=CycleStart.NEVER, auto_start_standby=False)
POLICY = replace(BY_HAND, auto_start_standby=True)


def standby(number: int, **changes):
    ip = {"state": IpState.STANDBY, "daily_target": 10_000} | changes.pop("ip", {})
    return observation(number=number, ip=ip, given=0, standing=0, phase_started_on=None, **changes)


def active(number: int):
    return observation(
        sent(14, 10_000), number=number, ip={"state": IpState.ACTIVE, "phase": 6}, standing=10_000
    )


def planned(seen, quota: int, ips_a_month: int = 2, months: int = 3, policy=BY_HAND) -> GrowthPlan:
    quotas = Quotas(quota)
    ip_decisions = plan_tenant(seen, policy, quotas, DAY, NEXT)
    return plan_growth(ip_decisions, policy, quotas, DAY, NEXT, ips_a_month, months)


def counts(plan: GrowthPlan) -> list[int]:
    return [len(month.starts) for month in plan.months]


def test_no_month_starts_more_than_was_asked_for() -> None:
    plan = planned([standby(n) for n in range(1, 6)], 1_000_000)
    assert counts(plan) == [2, 2, 1]
    first, second = plan.months[:2]
    assert all(second.begins <= one.on < second.begins + timedelta(days=30) for one in second.starts)
    assert {one.ip for one in first.starts} == {"198.51.100.1", "198.51.100.2"}
    assert plan.missing == 1
    assert "1 IP more must be onboarded" in "\n".join(growth_words(plan))


def test_the_quota_says_who_waits_and_how_much_it_lacks() -> None:
    plan = planned([active(1), *(standby(n) for n in (2, 3, 4))], 40_000)
    started = sum(counts(plan))
    room = int(40_000 * (1 - POLICY.head_room_rate)) // 10_000 - 1
    assert started == room < 3
    assert len(plan.waits) == 3 - room
    assert all(one.quota_short for one in plan.waits)
    assert "before it grows by" in plan.waits[0].why


@pytest.mark.parametrize(
    "changes",
    [
        {"dns": DnsHealth.BROKEN, "dns_broken": ("spf",)},
        {"ip": {"blacklisted_on": ("zen",)}},
        {"held_by": "a person (looks at it)"},
    ],
    ids=["broken DNS", "listed", "held"],
)
def test_a_listed_or_broken_ip_in_the_middle_is_not_promised(changes) -> None:
    plan = planned([standby(1), standby(2, **changes), standby(3)], 1_000_000)
    assert {one.ip for month in plan.months for one in month.starts} == {"198.51.100.1", "198.51.100.3"}
    assert [one.ip for one in plan.waits] == ["198.51.100.2"]


def test_unknown_dns_is_not_promised_where_the_engine_starts() -> None:
    plan = planned([standby(1, dns=DnsHealth.UNKNOWN)], 1_000_000, policy=POLICY)
    assert counts(plan) == [0, 0, 0]
    assert "its DNS was not checked lately" in plan.waits[0].why


def test_nobody_starts_before_its_clean_days() -> None:
    late = standby(1, ip={"state_since": midnight(DAY + timedelta(days=40))})
    (start,) = planned([late], 1_000_000).months[1].starts
    assert start.on >= DAY + timedelta(days=40 + POLICY.clean_days)


def test_the_promised_volume_is_what_a_warm_up_really_gives() -> None:
    """Played day by day with every day sent in full, it is reached and never exceeded."""
    plan = planned([standby(1)], 1_000_000, ips_a_month=1, months=4)
    (start,) = plan.months[0].starts
    life = replace(a_life(), phase_started_on=DAY)
    told = live_through([life], lambda _ip, _day, n: {"gmail": DayCounts(DAY, n)} if n else {}, 125, BY_HAND)
    shift = (start.on - DAY).days
    for month in plan.months:
        last = (month.begins - DAY).days + 29 - shift
        assert month.volume == told[last - 1][0].allowance


def test_never_more_than_the_quota() -> None:
    plan = planned([standby(n) for n in range(1, 5)], 45_000, ips_a_month=9, months=8)
    assert max(month.volume for month in plan.months) <= 45_000


def test_the_command_speaks_of_both_tenants(capsys) -> None:
    code = main(
        ["fleet", "growth", "--ips-a-month", "10", "--months", "2", "--json", "include/config/fleet.yaml"]
    )
    told = json.loads(capsys.readouterr().out)["tenants"]
    assert [one["tenant"] for one in told] == ["aurora", "borealis"]
    assert code == 1
    assert all(len(one["months"]) == 2 for one in told)
    assert main(["fleet", "growth", "--ips-a-month", "0", "include/config/fleet.yaml"]) == 2
