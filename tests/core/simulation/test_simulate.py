"""Whole simulations under the shipped policy, and the tally over days that are written by hand."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from email_engine.errors import InputError
from email_engine.fleet.model import IpState
from email_engine.fleet.traffic import DayCounts
from email_engine.reputation.score import NO_SCORE, Score
from email_engine.simulation.days import IpDay
from email_engine.simulation.run import FIRST, simulate
from email_engine.simulation.scenario import Demand, Fault, Happening, TrueRates
from email_engine.simulation.tally import tally
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.proposal import Action
from tests.core.simulation.worlds import GOOD, example, scenario, small

POLICY = load_policy()
LADDER = POLICY.schedules["six_week"].stages


def one_life(days: list[IpDay]) -> list[IpDay]:
    return [day for day in days if day.address == days[0].address]


def test_allowances_bind_and_decisions_are_fed_back() -> None:
    days = one_life(list(simulate(small(1), POLICY, scenario(TrueRates()), 44, seed=1)))
    assert [day.allowance for day in days[:42]] == [stage for stage in LADDER for _ in range(7)]
    assert all(day.counts.sent == day.allowance for day in days)
    assert [day.day for day in days if day.action is Action.GRADUATE] == [FIRST + timedelta(days=41)]
    assert (days[42].state, days[42].allowance) == (IpState.ACTIVE, 4_000)


def test_an_active_ip_doubles_each_sent_week_until_its_target() -> None:
    days = one_life(list(simulate(small(1), POLICY, scenario(TrueRates()), 75, seed=1)))
    assert [day.allowance for day in days[42:70:7]] == [4_000, 8_000, 10_000, 10_000]
    assert {day.allowance for day in days[42:49]} == {4_000}


def test_days_without_enough_demand_do_not_count() -> None:
    lean = scenario(TrueRates(), demand=Demand(44, weekend_rate=1.0))
    days = one_life(list(simulate(small(1), POLICY, lean, 20, seed=1)))
    assert {day.allowance for day in days} == {50}


def test_the_same_seed_gives_the_same_days_and_another_gives_others() -> None:
    runs = [simulate(small(3), POLICY, scenario(), 20, seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_a_bad_ip_is_paused_then_quarantined_and_never_sends_meanwhile() -> None:
    turn = Happening("the turn", Fault.IP, 1, 60, share=0.2, rates=TrueRates(bounce=0.2))
    fleet = list(simulate(small(5), POLICY, scenario(TrueRates(), happenings=(turn,)), 60, seed=1))
    (bad,) = {day.address for day in fleet if day.bad}
    days = [day for day in fleet if day.address == bad]
    stops = [day.action for day in days if day.action in (Action.PAUSE, Action.QUARANTINE)]
    assert stops == [Action.PAUSE, Action.PAUSE, Action.QUARANTINE]
    assert not any(day.counts.sent for day in days if not day.allowance)
    paused = next(n for n, day in enumerate(days) if day.action is Action.PAUSE)
    assert [day.allowance for day in days[paused + 1 : paused + 8]] == [0] * 7
    assert days[paused + 8].allowance == 50


def test_an_ip_that_is_alone_is_not_blamed_for_its_recipient_list() -> None:
    days = one_life(list(simulate(small(1), POLICY, scenario(TrueRates(bounce=0.2)), 40, seed=1)))
    stops = [day for day in days if day.action in (Action.PAUSE, Action.QUARANTINE)]
    assert [day.action for day in stops] == [Action.PAUSE, Action.PAUSE]
    assert not any(day.blames for day in stops)
    assert "A recipient list problem of the only IP of stream" in stops[0].reason
    assert "until a person resumes it" in stops[1].reason
    assert not any(day.counts.sent for day in days if day.day > stops[1].day)


def test_a_trap_lists_the_ip_which_rests_after_the_list_let_go() -> None:
    trap = Happening("trap", Fault.IP, 5, 1, share=0.5, listed_days=12)
    days = simulate(small(2), POLICY, scenario(happenings=(trap,)), 25, seed=1)
    (hit,) = {day.address for day in days if day.listed}
    states = [day.state for day in days if day.address == hit]
    assert states == ["warming"] * 5 + ["quarantine"] * 13 + ["resting"] * 7
    assert tally(days, 0.9).stop_days == (1,)


def test_a_schedule_that_the_policy_does_not_know_is_an_input_error() -> None:
    with pytest.raises(InputError, match="schedule nine_weeks"):
        simulate(small(1, schedule="nine_weeks"), POLICY, scenario(), 2, seed=1)


def test_the_tenants_quota_is_never_exceeded() -> None:
    fleet = replace(
        example(), tenants=tuple(replace(tenant, daily_quota=30_000) for tenant in example().tenants)
    )
    days = simulate(fleet, POLICY, scenario(GOOD), 5, seed=1)
    by_day: dict[tuple[str, date], int] = {}
    for one in days:
        by_day[one.tenant, one.day] = by_day.get((one.tenant, one.day), 0) + one.counts.sent
    assert 29_000 < max(by_day.values()) <= 30_000


def day(number: int, **changes: Any) -> IpDay:
    fields: dict[str, Any] = {
        "day": FIRST + timedelta(days=number - 1),
        "address": "10.0.0.1",
        "tenant": "aurora",
        "state": "warming",
        "stage": 1,
        "allowance": 50,
        "counts": DayCounts(FIRST, 48, 2),
        "action": Action.STAY,
        "verdict": None,
        "reason": "",
        "demand": 1_000,
    }
    return IpDay(**fields | changes)


IDLE: dict[str, Any] = {"allowance": 0, "counts": DayCounts(FIRST)}


def test_a_false_stop_costs_what_the_ip_would_have_carried() -> None:
    counted = tally([day(1, action=Action.PAUSE), day(2, **IDLE), day(3, **IDLE), day(4)], 0.9)
    assert (counted.false_stops, counted.false_stopped, counted.withheld) == (1, 1, 100)
    assert (counted.healthy, counted.bad, counted.stop_days) == (1, 0, ())


@pytest.mark.parametrize(
    ("days", "stop_days", "false_stops"),
    [
        ([day(1, bad=True), day(2, bad=True, action=Action.PAUSE)], (2,), 0),
        ([day(1), day(2, bad=True), day(3, bad=True, listed=True)], (2,), 0),
        ([day(1, bad=True), day(2), day(3)], (), 0),
        ([day(1, bad=True), day(2), day(20, action=Action.PAUSE)], (20,), 0),
        ([day(1, bad=True, **IDLE), day(2, **IDLE)], (), 0),
        ([day(1, action=Action.PAUSE), day(2, bad=True), day(3, bad=True, action=Action.QUARANTINE)], (2,), 1),
    ],
    ids=["stopped", "listed", "missed", "late, but for cause", "never sent", "too early, then right"],
)  # fmt: skip
def test_days_to_stop_count_from_the_first_bad_mail(
    days: list[IpDay], stop_days: tuple[int, ...], false_stops: int
) -> None:
    counted = tally(days, 0.9)
    assert (counted.stop_days, counted.false_stops) == (stop_days, false_stops)


def test_a_bad_lists_pause_is_no_false_stop() -> None:
    counted = tally([day(1, action=Action.PAUSE, blames=False), day(2, **IDLE)], 0.9)
    assert (counted.false_stops, counted.list_stopped, counted.withheld) == (0, 1, 0)


def test_slowed_ips_count_by_what_slowed_them() -> None:
    days = [
        day(1, throttle_factors={"*": 0.5}),
        day(2, address="10.0.0.2", throttle_factors={"microsoft": 0.5}),
        day(3, bad=True),
    ]
    counted = tally([*days, day(4, throttle_factors={"*": 0.5}, address="10.0.0.3", bad=True)], 0.9)
    assert (counted.slowed, counted.false_slowed, counted.provider_slowed) == (2, 1, 1)


def test_scores_are_those_before_the_first_stop() -> None:
    def scored(value: int) -> Score:
        return replace(NO_SCORE, value=value)

    days = [
        day(1, score=scored(90)), day(2, score=scored(80)),
        day(1, address="10.0.0.2", score=scored(40), bad=True, action=Action.PAUSE),
        day(2, address="10.0.0.2", score=scored(70), bad=True),
    ]  # fmt: skip
    counted = tally(days, 0.9)
    assert (counted.good_scores, counted.bad_scores) == ((80,), (40,))


LISTED_STREAM = Happening("bad week", Fault.LIST, 10, 4, rates=TrueRates(bounce=0.2))


def test_a_list_that_stays_bad_pauses_the_stream_and_blames_nobody() -> None:
    fleet = small(10, IpState.ACTIVE, daily_target=500)
    days = simulate(fleet, POLICY, scenario(happenings=(LISTED_STREAM,)), 25, seed=1)
    counted = tally(days, 0.9)
    assert (counted.false_stops, counted.list_stopped) == (0, 10)
    first = [one for one in days if one.day == FIRST + timedelta(days=9)]
    assert all(one.reason.startswith("A recipient list problem") for one in first)
    assert {one.allowance for one in days if one.day == FIRST + timedelta(days=24)} == {500}


def test_a_provider_that_presses_everybody_is_slowed_and_earns_its_speed_back() -> None:
    press = Happening("press", Fault.PROVIDER, 10, 3, provider="gmail", rates=TrueRates(pressure=0.5))
    fleet = small(5, IpState.ACTIVE, daily_target=500)
    days = one_life(list(simulate(fleet, POLICY, scenario(happenings=(press,)), 30, seed=1)))
    assert days[9].throttle_factors == {"gmail": 0.5}
    slowest = min(one.throttle_factors.get("gmail", 1.0) for one in days)
    assert slowest < 0.5
    assert (days[-1].throttle_factors, days[-1].allowance) == ({}, 500)
    assert not [one for one in days if one.action in (Action.PAUSE, Action.QUARANTINE)]


def test_only_days_on_which_the_stage_was_sent_count_to_graduation() -> None:
    lean = DayCounts(FIRST, 40)
    days = [
        day(1),
        day(2, counts=lean),
        day(3, **IDLE),
        day(4, action=Action.GRADUATE),
        day(5, state="active"),
    ]
    assert tally(days, 0.9).sent_days == (2,)
