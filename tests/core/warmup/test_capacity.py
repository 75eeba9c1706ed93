"""The capacity plan: who has a seat in the quota, who waits, why and until when."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from email_engine.fleet.model import IpState, Pause
from email_engine.warmup.capacity import plan_capacity
from email_engine.warmup.capacity_plan import AllocationKind, CapacityPlan, capacity_words
from email_engine.warmup.observation import IpObservation, midnight
from email_engine.warmup.plan import Quotas, plan_tenant
from email_engine.warmup.policy_file import load_policy
from tests.core.warmup.worlds import DAY, NEXT, observation, sent
from tests.work import calls

POLICY = replace(load_policy(), providers={})
AUTOMATIC = replace(POLICY, auto_start_standby=True)


def planned(*seen: IpObservation, quota: int, policy=POLICY, streams=None) -> CapacityPlan:
    quotas = Quotas(quota, streams or {})
    ip_decisions = plan_tenant(seen, policy, quotas, DAY, NEXT)
    return plan_capacity(ip_decisions, policy, quotas, DAY, NEXT)


def active(number: int, target: int = 10_000, **ip) -> IpObservation:
    return observation(
        sent(10, 100), number=number, given=100, standing=100,
        ip={"state": IpState.ACTIVE, "daily_target": target, "phase": 6} | ip,
    )  # fmt: skip


def grown(number: int) -> IpObservation:
    return replace(active(number), standing=10_000)


def standby(number: int, target: int = 10_000, **ip) -> IpObservation:
    return observation(
        number=number, given=0, standing=0, ip={"state": IpState.STANDBY, "daily_target": target} | ip
    )


def warming(number: int, phase: int = 1, days: int = 3, **changes) -> IpObservation:
    volume = POLICY.schedules["six_week"].stages[phase - 1]
    more = {"given": volume, "standing": volume, "phase_started_on": DAY - timedelta(days=days - 1)} | changes
    return observation(sent(days, volume), number=number, ip={"phase": phase}, **more)


def test_each_ip_has_its_place() -> None:
    plan = planned(
        warming(1), active(2), standby(3),
        observation(number=4, ip={"state": IpState.RETIRING, "state_since": midnight(DAY)}),
        observation(number=5, ip={"pause": Pause(midnight(NEXT + timedelta(days=4)))}),
        observation(number=6, given=0, ip={"state": IpState.QUARANTINE, "state_since": midnight(DAY)}),
        observation(number=7, given=0, ip={"state": IpState.ABANDONED}),
        quota=100_000,
    )  # fmt: skip
    assert [allocation.kind for allocation in plan.allocations] == [
        AllocationKind.WARMS, AllocationKind.ACTIVE, AllocationKind.WAITS, AllocationKind.RETIRES, AllocationKind.PAUSED, AllocationKind.RESTS, AllocationKind.GONE,
    ]  # fmt: skip
    assert plan.allocations[0].sent == 150 // 7
    assert plan.allocations[4].until == NEXT + timedelta(days=4)


def test_a_standby_ip_waits_until_the_quota_grows_by_what_it_needs() -> None:
    plan = planned(active(1), standby(2), quota=15_000, policy=AUTOMATIC)
    allocation = plan.allocations[1]
    assert (allocation.kind, allocation.until) == (AllocationKind.WAITS, None)
    assert allocation.why == "the quota of 15000 messages a day cannot keep another IP warm"
    assert allocation.quota_short == 7_223
    assert capacity_words(plan)[-1] == (
        "198.51.100.2 waits: the quota of 15000 messages a day cannot keep another IP warm; "
        "there is no room before the quota grows by 7223 a day"
    )
    grown = planned(active(1), standby(2), quota=15_000 + 7_223, policy=AUTOMATIC)
    assert grown.allocations[1].kind is AllocationKind.WARMS
    almost = planned(active(1), standby(2), quota=15_000 + 7_222, policy=AUTOMATIC)
    assert almost.allocations[1].kind is AllocationKind.WAITS


def test_it_waits_until_a_retiring_ip_leaves_its_room() -> None:
    retiring = observation(
        number=1, standing=5_000, given=5_000, ip={"state": IpState.RETIRING, "state_since": midnight(DAY)}
    )
    plan = planned(retiring, standby(2), standby(3), quota=15_000, policy=AUTOMATIC)
    drained = DAY + timedelta(days=len(POLICY.retiring_parts) * POLICY.retiring_days_each)
    assert (plan.allocations[1].until, plan.allocations[2].until) == (drained, None)
    assert plan.allocations[2].quota_short == 7_223


def test_where_a_person_starts_ips_the_plan_says_for_which_there_is_room() -> None:
    plan = planned(active(1), standby(2), standby(3), quota=23_000)
    first, second = plan.allocations[1:]
    assert (first.why, first.until) == ("until a person starts it", NEXT + timedelta(days=1))
    assert (second.until, second.quota_short) == (None, 10_334)


def test_an_ip_that_is_not_clean_yet_waits_for_that_day() -> None:
    plan = planned(standby(1, state_since=midnight(DAY)), quota=50_000)
    assert plan.allocations[0].until == DAY + timedelta(days=7)


def test_a_warming_ip_without_its_stage_is_named_with_the_day_of_its_turn() -> None:
    plan = planned(warming(1, phase=6, days=4), warming(2), quota=2_010)
    short = plan.allocations[1]
    assert (short.kind, short.why) == (AllocationKind.SHORT, "the quota leaves it 10 of 50 a day")
    assert short.until == NEXT + timedelta(days=3)
    assert (
        "198.51.100.2 cannot progress: the quota leaves it 10 of 50 a day; there is room for it on"
        in "\n".join(capacity_words(plan))
    )


def test_a_stage_that_the_quota_never_reaches_says_how_much_it_lacks() -> None:
    plan = planned(warming(1, phase=6), quota=1_500)
    assert (plan.allocations[0].kind, plan.allocations[0].until, plan.allocations[0].quota_short) == (
        AllocationKind.SHORT,
        None,
        500,
    )


def test_an_ip_that_gets_no_mail_for_its_stage_is_named() -> None:
    seen = replace(observation(sent(9, 12)), given=50)
    (allocation,) = planned(seen, quota=10_000).allocations
    assert (allocation.kind, allocation.why) == (
        AllocationKind.SHORT,
        "it was handed 12 a day of the 50 that it may send, for 7 days",
    )
    assert (allocation.until, allocation.quota_short) == (None, None)


def test_streams_with_a_quota_of_their_own_have_rooms_of_their_own() -> None:
    plan = planned(
        warming(1), standby(2, stream="receipts"), quota=50_000, streams={"receipts": 5_000}, policy=AUTOMATIC
    )
    assert plan.allocations[0].kind is AllocationKind.WARMS
    assert plan.allocations[1].quota_short == 6_112


def test_active_ips_that_share_too_little_are_told_as_one() -> None:
    words = capacity_words(planned(grown(1), grown(2), quota=5_000))
    assert words[1] == "aurora: 2 active IPs share 5000 a day, 25% of their targets"


def test_words_are_few_and_the_json_is_plain() -> None:
    plan = planned(*(standby(n) for n in range(1, 40)), quota=100, policy=AUTOMATIC)
    words = capacity_words(plan)
    assert len(words) == 12
    assert words[0].startswith(
        "aurora: 0 of 100 a day are dealt on 2026-11-21; 39 waiting in standby; 0 a day were sent"
    )
    assert words[2].endswith("grows by 22123 a day")
    assert words[-1] == "... and 29 more that wait"
    assert plan.as_json()["ips"][0]["quota_short"] == 11_012


def test_nobody_is_an_empty_plan() -> None:
    assert capacity_words(plan_capacity((), POLICY, Quotas(10), DAY, NEXT))[0].startswith(": 0 of 10")


def test_a_big_tenant_is_no_more_work_for_each_of_its_ips() -> None:
    def work(count: int) -> int:
        seen = [replace(warming(1), ip=replace(warming(1).ip, ip_id=n)) for n in range(count)]
        quotas = Quotas(count * 40)
        ip_decisions = plan_tenant(seen, POLICY, quotas, DAY, NEXT)
        return calls(lambda: plan_capacity(ip_decisions, POLICY, quotas, DAY, NEXT))

    assert work(1_600) < 8.8 * work(200), "a call for each pair of IPs would make it more than 20 times"


kinds = st.sampled_from([warming, active, standby])


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(kinds, st.sampled_from([0.1, 0.5, 1.0]), st.booleans()), min_size=1, max_size=12),
    st.integers(1, 60_000),
    st.sampled_from([0, 500, 3_000]),
    st.booleans(),
)
def test_the_tenants_quota_is_never_exceeded(kinds, quota: int, receipts: int, bounded: bool) -> None:
    policy = load_policy() if bounded else POLICY
    seen = []
    for n, (make, pace, other) in enumerate(kinds, 1):
        one = make(n)
        throttle_factors = {"*": pace, "microsoft": pace} if pace < 1 and make is not standby else {}
        stream = "receipts" if other else "newsletter"
        seen.append(replace(one, throttle_factors=throttle_factors, ip=replace(one.ip, stream=stream)))
    quotas = Quotas(quota, {"receipts": min(receipts, quota)} if receipts else {})
    ip_decisions = plan_tenant(seen, policy, quotas, DAY, NEXT)
    assert sum(ip_decision.allowance for ip_decision in ip_decisions) <= quota
    for quota_pool in {quotas.quota_pool(one.ip.stream) for one in seen}:
        mine = [o for o in ip_decisions if quotas.quota_pool(o.observation.ip.stream) == quota_pool]
        assert sum(o.allowance for o in mine) <= quotas.size(quota_pool)
    assert all(
        bound < ip_decision.allowance for ip_decision in ip_decisions for bound in ip_decision.bounds.values()
    )
    plan = plan_capacity(ip_decisions, policy, quotas, DAY, NEXT)
    assert plan.dealt <= quota
    assert len(plan.allocations) == len(seen)
