"""The tenant's quota, dealt."""

import gc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from email_engine.errors import InputError
from email_engine.fleet.model import IpState
from email_engine.warmup.observation import DnsHealth
from email_engine.warmup.plan import Quotas, plan_tenant
from email_engine.warmup.policy_file import load_policy
from tests.core.warmup.worlds import DAY, NEXT, observation, sent

POLICY = load_policy()
ACTIVE = {"state": IpState.ACTIVE, "phase": 6}


def active(number: int, target: int = 10_000, **changes: Any) -> Any:
    """It has grown to its target already."""
    ip = ACTIVE | {"daily_target": target}
    return observation(sent(7, 500), number=number, ip=ip, **{"given": 500, "standing": target} | changes)


def warming(number: int, phase: int = 1, **changes: Any) -> Any:
    return observation((), number=number, ip={"phase": phase}, **{"phase_started_on": DAY} | changes)


def plan(observations: list[Any], quota: int, **kwargs: Any) -> list[int]:
    return [
        ip_decision.allowance
        for ip_decision in plan_tenant(observations, POLICY, Quotas(quota), DAY, NEXT, **kwargs)
    ]


@pytest.mark.parametrize(
    ("observations", "quota", "expected"),
    [
        ([warming(1), active(2), active(3)], 30_000, [50, 10_000, 10_000]),
        ([warming(1), active(2), active(3)], 5_050, [50, 2_500, 2_500]),
        ([warming(1), active(2), active(3)], 5_075, [50, 2_510, 2_510]),
        ([active(1, 300), active(2), active(3)], 5_000, [300, 2_350, 2_350]),
        ([warming(1), warming(2, phase=4), active(3)], 520, [20, 500, 0]),
        ([active(1), active(2)], 0, [0, 0]),
        ([active(1, dns=DnsHealth.BROKEN, standing=500), active(2)], 30_000, [500, 10_000]),
    ],
    ids=[
        "enough for all", "active ones share evenly", "rounded down", "never above a target", "the furthest warms first",
        "no quota", "one that holds does not grow",
    ],
)  # fmt: skip
def test_warming_ips_come_first_and_active_ones_share_the_rest(
    observations: list[Any], quota: int, expected: list[int]
) -> None:
    assert plan(observations, quota) == expected


def test_what_could_not_be_given_is_said() -> None:
    ip_decision = plan_tenant([active(1), active(2)], POLICY, Quotas(5_000), DAY, NEXT)[0]
    assert ip_decision.reason == (
        "Nothing is proven against it at a score of 100, so it keeps its share of the quota; 2500 of 10000 messages a day are dealt to it, "
        "because sending IPs share a quota of 5000."
    )


def test_a_quarantined_ips_volume_is_not_moved_beyond_the_targets_of_the_others() -> None:
    stopped = observation(sent(1, 30, bounced=20), ip=ACTIVE, number=1)
    assert plan([stopped, active(2), active(3)], 30_000) == [0, 10_000, 10_000]


def test_streams_with_a_share_of_their_own_draw_from_it_and_the_others_from_the_rest() -> None:
    own = replace(active(1), ip=replace(active(1).ip, stream="transactional"))
    ip_decisions = plan_tenant([own, active(2)], POLICY, Quotas(3_000, {"transactional": 1_000}), DAY, NEXT)
    assert [ip_decision.allowance for ip_decision in ip_decisions] == [1_000, 2_000]


def test_what_other_ips_were_promised_already_is_not_dealt_again() -> None:
    assert plan([active(2)], 3_000, promised={"newsletter": 2_500}) == [500]


def test_outcomes_change_nothing_when_the_allowance_stands_and_nothing_happens() -> None:
    bounds = {"microsoft": 25}
    seen = [warming(1, bounds=bounds), warming(2, standing=0, bounds=bounds), warming(3)]
    ip_decisions = plan_tenant(seen, POLICY, Quotas(1_000), DAY, NEXT)
    assert [ip_decision.changes for ip_decision in ip_decisions] == [False, True, True]
    assert [ip_decision.bounds for ip_decision in ip_decisions] == [bounds] * 3


def standby(number: int) -> Any:
    return observation((), number=number, ip={"state": IpState.STANDBY}, given=0, standing=0)


def test_standby_ips_start_by_themselves_only_while_the_quota_can_keep_them_warm() -> None:
    automatic = replace(POLICY, auto_start_standby=True)
    observations = [active(1), standby(2), standby(3)]
    ip_decisions = plan_tenant(observations, automatic, Quotas(25_000), DAY, NEXT)
    assert [ip_decision.proposal.action for ip_decision in ip_decisions] == ["stay", "start", "stay"]
    assert [ip_decision.allowance for ip_decision in ip_decisions] == [10_000, 50, 0]
    assert (
        ip_decisions[2].reason
        == "It stands by, because the quota of 25000 messages a day cannot keep another IP warm."
    )
    by_hand = plan_tenant(observations, POLICY, Quotas(25_000), DAY, NEXT)
    assert by_hand[1].reason == "It stands by, clean and ready, until a person starts it."


def test_inputs_and_verdicts_are_plain_values() -> None:
    ip_decision = plan_tenant([observation(sent(3))], POLICY, Quotas(1_000), DAY, NEXT)[0]
    assert ip_decision.inputs["sent"] == 50
    assert ip_decision.inputs["accounting_until"] == "2026-11-21T00:04:00+00:00"
    assert ip_decision.verdicts["bounces"] == {
        "verdict": "pass",
        "bad": 0,
        "messages": 150,
        "evidence": pytest.approx(0.0, abs=2),
    }


@settings(max_examples=60, deadline=None)
@given(
    quota=st.integers(0, 60_000),
    phases=st.lists(st.integers(1, 6), max_size=6),
    targets=st.lists(st.integers(1, 10_000), max_size=8),
)
def test_nobody_gets_more_than_wanted_and_all_together_no_more_than_the_quota(
    quota: int, phases: list[int], targets: list[int]
) -> None:
    observations = [warming(n, phase) for n, phase in enumerate(phases, 1)]
    observations += [active(len(phases) + n, target) for n, target in enumerate(targets, 1)]
    ip_decisions = plan_tenant(observations, POLICY, Quotas(quota), DAY, NEXT)
    assert sum(ip_decision.allowance for ip_decision in ip_decisions) <= quota
    assert all(0 <= ip_decision.allowance <= ip_decision.proposal.wanted for ip_decision in ip_decisions)
    whole = {
        ip_decision.allowance
        for ip_decision in ip_decisions[len(phases) :]
        if ip_decision.allowance < ip_decision.proposal.wanted
    }
    assert len(whole) <= 1


def test_searching_for_cycles_goes_on_after_the_decisions_and_after_a_failure() -> None:
    plan_tenant([observation()], POLICY, Quotas(100), DAY, NEXT)
    assert gc.isenabled()
    with pytest.raises(InputError):
        plan_tenant([observation(ip={"schedule": "none such"})], POLICY, Quotas(100), DAY, NEXT)
    assert gc.isenabled()
