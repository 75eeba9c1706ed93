"""The error rates that the project states, held with a fixed seed (docs/simulation.md; the goals stand in tests/bench/judgement.py)."""

from statistics import median

import pytest

from email_engine.fleet.model import IpState
from email_engine.simulation.run import simulate
from email_engine.simulation.scenario import Fault, Happening, TrueRates
from email_engine.simulation.tally import tally
from email_engine.warmup.policy_file import load_policy
from tests.bench.judgement import (
    CASES,
    COMPLAINT_VOLUMES,
    HATED,
    HEALTHY,
    LIKED,
    TURN,
    complaint_goals,
    each,
    engine,
    goals,
    measure,
    raw,
)
from tests.core.simulation.worlds import scenario, small

pytestmark = pytest.mark.slow

POLICY = load_policy()
DECIDE = engine(POLICY)


@pytest.mark.parametrize(("volume", "runs"), [(50, 200), (500, 150), (5_000, 80)], ids=lambda n: f"{n:,}")
def test_the_whole_decision_holds_its_error_rates(volume: int, runs: int) -> None:
    found = {case.name: measure(DECIDE, case, volume, runs) for case in CASES}
    assert [goal for goal, met in goals(volume, found).items() if not met] == []


@pytest.mark.parametrize("volume", COMPLAINT_VOLUMES, ids=lambda n: f"{n:,}")
def test_complaints_hold_theirs(volume: int) -> None:
    runs = 150 if volume < 500 else 60
    liked, hated = measure(DECIDE, LIKED, volume, runs), measure(DECIDE, HATED, volume, 100)
    assert [goal for goal, met in complaint_goals(liked, hated, volume).items() if not met] == []


def bad_list_days(rates: TrueRates) -> Happening:
    return Happening("a bad list", Fault.LIST, 20, 1, rates=rates)


def test_a_bad_list_for_a_day_stops_no_ip_of_its_stream() -> None:
    """10 streams of 10 IPs at 500 a day."""
    stopped = 0
    for seed in range(1, 11):
        world = scenario(happenings=(bad_list_days(TrueRates(bounce=0.12)),))
        days = simulate(small(10, IpState.ACTIVE, daily_target=500), POLICY, world, 40, seed)
        stopped += tally(days, POLICY.sent_day_rate).false_stops
    assert stopped == 0


@pytest.mark.parametrize("count", [2, 3, 10], ids=lambda n: f"of {n}")
def test_one_bad_ip_is_stopped_and_the_others_of_its_stream_are_not(count: int) -> None:
    """10 streams in which one IP turns to 10 %."""
    turn = Happening("the turn", Fault.IP, 11, 60, share=0.01, rates=TrueRates(bounce=0.1))
    late = []
    for seed in range(1, 11):
        days = simulate(
            small(count, IpState.ACTIVE, daily_target=500), POLICY, scenario(happenings=(turn,)), 25, seed
        )
        counted = tally(days, POLICY.sent_day_rate)
        assert (counted.false_stops, counted.bad) == (0, 1)
        late += counted.stop_days
    assert len(late) == 10
    assert median(late) == 1


def test_a_healthy_ip_graduates_from_six_week_on_time() -> None:
    days = simulate(small(100), POLICY, scenario(TrueRates(0.02, 0.0002, 0.03)), 60, seed=1)
    counted = tally(days, POLICY.sent_day_rate)
    assert counted.median_sent_days == 42
    assert sum(number <= 49 for number in counted.sent_days) >= 0.95 * counted.warming
    assert counted.false_stops == 0


def test_the_raw_rule_of_the_notes_does_not_hold_them() -> None:
    assert measure(each(raw), HEALTHY, 50, 100).stopped > 0.9
    assert measure(each(raw), TURN, 50, 100).early > 0.8
