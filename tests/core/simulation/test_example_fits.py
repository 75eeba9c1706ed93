"""The shipped example: its quota carries its IPs, from the first day on until all of them are warm."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from email_engine.fleet.model import Fleet, IpState
from email_engine.simulation.days import close_day
from email_engine.simulation.life import begin, quotas, sent_on
from email_engine.simulation.run import FIRST
from email_engine.simulation.truth import World, assign
from email_engine.warmup.capacity import plan_capacity
from email_engine.warmup.capacity_plan import AllocationKind, CapacityPlan
from email_engine.warmup.observation import midnight
from email_engine.warmup.policy_file import load_policy
from tests.core.simulation.worlds import example, scenario

DAYS = 60


def one_tenant(name: str, **changes: object) -> Fleet:
    fleet = example()
    tenants = tuple(replace(t, **changes) for t in fleet.tenants if t.name == name)  # type: ignore[arg-type]
    return replace(fleet, tenants=tenants, ips=tuple(ip for ip in fleet.ips if ip.tenant == name))


def capacity_of_days(fleet: Fleet, days: int) -> Iterator[CapacityPlan]:
    """As a run of `warmup_advance` plans it each day, while healthy IPs send all that they may."""
    policy, hosts = replace(load_policy(), auto_start_standby=True), [host.name for host in fleet.mta_hosts]
    shares = quotas(fleet, fleet.tenants[0].name)
    lives = begin(fleet, FIRST)
    world = World(
        assign(scenario(), [str(life.ip.address) for life in lives], 1), 1, FIRST, scenario().demand
    )
    for number in range(days + 1):
        day = FIRST + timedelta(days=number - 1)
        if number:
            mails = [world.mail(str(life.ip.address), day, life.may_send, life.bounds) for life in lives]
            lives = tuple(
                sent_on(life, mail.counts, mail.providers) for life, mail in zip(lives, mails, strict=True)
            )
        fresh = dict.fromkeys(hosts, midnight(day + timedelta(days=1)))
        closed = close_day(lives, fleet, policy, day, fresh)
        lives = tuple(life for life, _ in closed)
        ip_decisions = [ip_decision for _, ip_decision in closed]
        yield plan_capacity(ip_decisions, policy, shares, day, day + timedelta(days=1))


def findings(plan: CapacityPlan) -> list[str]:
    return [
        allocation.ip
        for allocation in plan.allocations
        if allocation.kind is AllocationKind.SHORT or allocation.quota_short
    ]


@pytest.mark.parametrize("tenant", [tenant.name for tenant in example().tenants])
def test_the_quota_of_the_example_is_never_too_small(tenant: str) -> None:
    plans = list(capacity_of_days(one_tenant(tenant), DAYS))
    assert [(plan.effective, found) for plan in plans if (found := findings(plan))] == []
    last = plans[-1]
    assert sum(allocation.state is IpState.ACTIVE for allocation in last.allocations) >= 47
    assert last.dealt <= last.quota


def test_a_quota_that_is_too_small_would_have_been_found() -> None:
    (plan,) = capacity_of_days(one_tenant("aurora", daily_quota=30_000), 0)
    assert len(findings(plan)) == 3
