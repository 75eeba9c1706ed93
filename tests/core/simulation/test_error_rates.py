"""The error rates that the project states, held with a fixed seed (docs/simulation.md; the goals stand in tests/bench/judgement.py)."""

import pytest

from email_engine.reputation.evidence import detector
from email_engine.simulation.run import simulate
from email_engine.simulation.scenario import TrueRates
from email_engine.simulation.tally import tally
from email_engine.warmup.observation import WINDOW_DAYS
from email_engine.warmup.policy_file import load_policy
from tests.bench.judgement import CASES, HEALTHY, TURN, Days, engine, goals, histories, measure, raw
from tests.core.simulation.worlds import scenario, small

POLICY = load_policy()


def bounce_detector(days: Days) -> int | None:
    """The engine's stop by bounces alone, as quick as a thousand IPs need it."""
    for number in range(1, len(days) + 1):
        window = days[max(number - WINDOW_DAYS, 0) : number]
        if detector(window, POLICY.gates.bounces.limit) >= POLICY.gates.bounces.stop:
            return number
    return None


@pytest.mark.parametrize(("volume", "runs"), [(50, 1_000), (500, 400), (5_000, 200)], ids=lambda n: f"{n:,}")
def test_the_gate_holds_its_error_rates(volume: int, runs: int) -> None:
    found = {case.name: measure(bounce_detector, case, volume, runs) for case in CASES}
    assert [goal for goal, met in goals(volume, found).items() if not met] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_whole_decision_stops_on_the_day_on_which_the_detector_does(case: object) -> None:
    decided = engine(POLICY)
    for days in histories(case, 50, runs=4):  # type: ignore[arg-type]
        assert decided(days) == bounce_detector(days)


def test_a_healthy_ip_graduates_from_six_week_on_time() -> None:
    days = simulate(small(200), POLICY, scenario(TrueRates(0.02, 0.0002, 0.03)), 60, seed=1)
    counted = tally(days, POLICY.sent_day_rate)
    assert counted.median_sent_days == 42
    assert sum(number <= 49 for number in counted.sent_days) >= 0.95 * counted.warming
    assert counted.false_stops == 0


def test_the_raw_rule_of_the_notes_does_not_hold_them() -> None:
    assert measure(raw, HEALTHY, 50, 100).stopped > 0.9
    assert measure(raw, TURN, 50, 100).early > 0.9
