"""A new domain on a warm IP has its own ladder: the lesser of both allowances is sent, and sentences and forecast say which binds."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from email_engine.fleet.model import DomainWarmup, IpState
from email_engine.fleet.traffic import DayCounts
from email_engine.simulation.life import Life, with_new_domain
from email_engine.warmup.capacity import plan_capacity
from email_engine.warmup.domain_warmup import domain_changed
from email_engine.warmup.forecast import forecast
from email_engine.warmup.guard import guard_ip
from email_engine.warmup.plan import IpDecision, Quotas, plan_tenant
from email_engine.warmup.policy import CycleStart
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.proposal import Action
from email_engine.warmup.snapshot import observation_document, observation_of
from tests.core.warmup.worlds import DAY, NEXT, a_life, live_through, observation, sent

POLICY = replace(load_policy(), providers={}, cycle_start=CycleStart.NEVER)
STAGES = POLICY.schedules["six_week"].stages
CAME = DomainWarmup(DAY - timedelta(days=1), 1, DAY)


def good(_ip: int, _day: int, allowed: int) -> dict[str, DayCounts]:
    return {"gmail": DayCounts(DAY, allowed)} if allowed else {}


def bad_from(first: int):
    def traffic(_ip: int, day: int, allowed: int) -> dict[str, DayCounts]:
        bounced = allowed // 4 if day >= first else 0
        return {"gmail": DayCounts(DAY, allowed - bounced, bounced=bounced)} if allowed else {}

    return traffic


def warm(**ip) -> Life:
    """Active at 10,000 a day for a month."""
    life = a_life(state=IpState.ACTIVE, phase=6, allowance=10_000, **ip)
    history = sent(29, 10_000, until=DAY - timedelta(days=1))
    return replace(
        life,
        days=history,
        providers={"gmail": history},
        allowance=10_000,
        phase_started_on=DAY - timedelta(days=90),
    )


def changed(life: Life) -> Life:
    return with_new_domain(life, DAY, POLICY)


def decided(seen, quota: int = 1_000_000) -> IpDecision:
    (ip_decision,) = plan_tenant([seen], POLICY, Quotas(quota), DAY, NEXT)
    return ip_decision


def test_the_day_on_which_the_domain_comes_has_the_first_phase_at_once() -> None:
    assert changed(warm()).allowance == STAGES[0]
    assert changed(replace(warm(), allowance=20)).allowance == 20


def test_a_warm_ip_climbs_the_whole_ladder_of_its_new_domain_and_then_doubles() -> None:
    told = live_through([changed(warm())], good, 70, POLICY)
    allowed = [one.allowance for (one,) in told]
    assert [n for n, before in zip(allowed, [0, *allowed], strict=False) if n != before][:8] == [
        50, 100, 250, 500, 1000, 2000, 4000, 8000,
    ]  # fmt: skip
    assert allowed.index(100) == POLICY.schedules["six_week"].sent_days - 1
    assert all(after <= 2 * before or after in STAGES for before, after in pairwise(allowed))
    assert {one.observation.ip.state for (one,) in told} == {IpState.ACTIVE}
    over = next(one for (one,) in told if "is over" in one.reason)
    assert over.proposal.domain_step is not None
    assert over.proposal.domain_step.after is None


@pytest.mark.parametrize("target", [40, 900, 10_000])
@pytest.mark.parametrize("phase", [1, 2, 6])
def test_the_lesser_of_both_is_sent_and_the_forecast_comes_true(phase: int, target: int) -> None:
    life = replace(changed(a_life(phase=phase, daily_target=target)), allowance=50)
    told = live_through([life], good, 130, POLICY)
    for (one,) in told:
        step = one.proposal.domain_step
        assert step is None or one.allowance <= step.volume
    first = forecast(told[0][0], POLICY, DAY, NEXT).graduates_on
    came = next(n for n, (one,) in enumerate(told) if one.proposal.action is Action.GRADUATE)
    assert first == DAY + timedelta(days=came + 1)


def test_an_ip_whose_domain_binds_does_not_advance_on_mail_that_it_did_not_send() -> None:
    told = live_through([replace(changed(a_life(phase=5)), allowance=50)], good, 27, POLICY)
    assert {one.proposal.phase for (one,) in told} == {5}


def test_the_sentence_says_which_of_both_binds() -> None:
    ip = {"state": IpState.ACTIVE, "phase": 6, "domain_warmup": CAME}
    bound = decided(observation(sent(1, 50), ip=ip, standing=50))
    assert (
        "its domain news1.aurora-mail.example binds it to 50 messages a day (phase 1 of its own warm-up, 1 of 7 days sent)"
        in bound.reason
    )
    ahead = replace(CAME, phase=4)
    own = decided(observation(sent(1, 50), ip={"phase": 1, "domain_warmup": ahead}, standing=50))
    assert own.allowance == 50
    assert "its domain news1.aurora-mail.example would allow 500 messages a day" in own.reason


def test_the_forecast_says_that_the_domain_binds_and_until_when() -> None:
    ip = {"state": IpState.ACTIVE, "phase": 6, "domain_warmup": CAME}
    found = forecast(decided(observation(sent(1, 50), ip=ip, standing=50)), POLICY, DAY, NEXT)
    ends = NEXT + timedelta(days=6 * 7 - 1)
    assert found.graduates_on is None
    assert found.blocked_by == (
        "its domain news1.aurora-mail.example binds it to 50 a day, in phase 1 of its own warm-up, "
        f"which may end on {ends}"
    )


def test_only_mail_since_the_domain_came_speaks_for_it() -> None:
    """A month of good mail under the old domain does not make a day of the new one."""
    history = sent(29, 10_000, until=DAY - timedelta(days=1))
    ip = {"state": IpState.ACTIVE, "phase": 6, "domain_warmup": CAME}
    step = decided(observation(history, ip=ip, standing=50)).proposal.domain_step
    assert step is not None
    assert step.after == CAME
    assert step.sent_days == 0


def test_bad_mail_since_then_counts_against_both() -> None:
    told = live_through([changed(warm())], bad_from(20), 40, POLICY)
    phases = [one.proposal.domain_step.after.phase for (one,) in told if one.proposal.domain_step]
    assert max(phases) == phases[19] == 3
    assert phases[-1] < 3
    assert any(one.stops for (one,) in told)


def test_bad_mail_of_before_is_not_forgotten_with_the_domain() -> None:
    bad = sent(2, 6_000, until=DAY, bounced=4_000)
    before = decided(observation(bad, ip={"state": IpState.ACTIVE, "phase": 6}, standing=10_000))
    ip = {"state": IpState.ACTIVE, "phase": 6, "domain_warmup": DomainWarmup(DAY, 1, NEXT)}
    assert before.stops
    assert decided(observation(bad, ip=ip, standing=50)).proposal.action is before.proposal.action


def test_unknown_signals_keep_the_domain_where_it_is() -> None:
    ip = {
        "state": IpState.ACTIVE,
        "phase": 6,
        "domain_warmup": DomainWarmup(DAY - timedelta(days=10), 1, DAY - timedelta(days=9)),
    }
    known = observation(sent(9, 50), ip=ip, standing=50)
    assert decided(known).proposal.domain_step.after.phase == 2
    blind = decided(replace(known, fresh_through=None))
    assert blind.proposal.domain_step.after.phase == 1
    assert blind.allowance == 50


def test_the_running_day_leaves_the_ladder_alone() -> None:
    ip = {"state": IpState.ACTIVE, "phase": 6, "domain_warmup": CAME}
    seen = observation(sent(2, 200, bounced=400), ip=ip, standing=600)
    found = guard_ip(seen, POLICY, DAY)
    assert found is not None
    assert found.proposal.domain_step is None


@pytest.mark.parametrize(("state", "kept"), [
    (IpState.STANDBY, False), (IpState.RESTING, True), (IpState.QUARANTINE, True), (IpState.ACTIVE, True),
    (IpState.RETIRING, True), (IpState.WARMING, True), (IpState.ABANDONED, False),
])  # fmt: skip
def test_in_standby_both_begin_together(state: IpState, kept: bool) -> None:
    ip = domain_changed(a_life(state=state).ip, DAY)
    assert (ip.domain_warmup is not None) is kept


def test_an_ip_that_starts_anew_needs_no_second_ladder() -> None:
    policy = replace(POLICY, auto_start_standby=True)
    ip = {"state": IpState.STANDBY, "domain_warmup": CAME}
    (one,) = plan_tenant([observation(ip=ip, given=0, standing=0)], policy, Quotas(1_000_000), DAY, NEXT)
    assert one.proposal.action is Action.START
    assert one.proposal.domain_step.after is None


def test_the_capacity_plan_shows_what_is_really_sent() -> None:
    ip = {"state": IpState.ACTIVE, "phase": 6, "domain_warmup": CAME}
    one = decided(observation(sent(1, 50), ip=ip, standing=50))
    plan = plan_capacity([one], POLICY, Quotas(1_000_000), DAY, NEXT)
    assert plan.dealt == 50


def test_a_decision_is_made_again_from_what_was_stored_with_it() -> None:
    ip = {"state": IpState.ACTIVE, "phase": 6, "domain_warmup": CAME}
    seen = observation(sent(1, 50), ip=ip, standing=50)
    again = observation_of(observation_document(seen))
    assert decided(again).reason == decided(seen).reason
