"""Small numbers, judged exactly; the numbers of the fact page are the expectation."""

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest

from email_engine.fleet.traffic import column
from email_engine.reputation.evidence import (
    TELLS_NOTHING,
    GateJudgement,
    GateVerdict,
    chance_of_so_few,
    detector,
    judge,
    log_beta_survival,
    log_evalue,
)
from email_engine.simulation.chance import binomial

Day = tuple[int, int]
"""Bad ones and messages."""


def judged(
    days: Sequence[Day], limit: float = 0.05, bearable: Sequence[float] | None = None
) -> GateJudgement:
    (answer,) = together([days], limit, {0: bearable} if bearable else {})
    return answer


def together(
    rows: Sequence[Sequence[Day]], limit: float, bearable: dict[int, Sequence[float]]
) -> list[GateJudgement]:
    bad = [column(bad for bad, _ in days) for days in rows]
    messages = [column(messages for _, messages in days) for days in rows]
    return judge(bad, messages, limit, 100, 0.95, bearable)


def evidence(days: Sequence[Day], limit: float = 0.05) -> float:
    """Of the days alone, whether or not one was above the limit."""
    bad, messages = np.array(days).T
    return float(detector(bad[None], messages[None], np.full((1, len(days)), limit))[0])


def exactly(bad: int, messages: int, rate: float) -> float:
    return sum(math.comb(messages, k) * rate**k * (1 - rate) ** (messages - k) for k in range(bad + 1))


@pytest.mark.parametrize(
    ("bad", "messages", "rate"),
    [
        (0, 1, 0.05),
        (0, 59, 0.05),
        (3, 50, 0.05),
        (17, 500, 0.05),
        (0, 2995, 0.001),
        (9, 10, 0.5),
        (300, 900, 0.3),
    ],
    ids=str,
)
def test_the_binomial_tail_is_exact(bad: int, messages: int, rate: float) -> None:
    assert chance_of_so_few(bad, messages, rate) == pytest.approx(exactly(bad, messages, rate), rel=1e-10)


def test_the_tail_of_everything_is_one_and_huge_counts_stay_finite() -> None:
    assert chance_of_so_few(10, 10, 0.05) == 1.0
    assert 0 <= chance_of_so_few(6_000, 300_000, 0.05) < 1e-300
    assert math.isfinite(log_evalue(6_000, 300_000, 0.05))
    assert log_evalue(30_000, 300_000, 0.05) > 1000


@pytest.mark.parametrize(("a", "b", "x"), [(1.0, 1.0, 0.3), (2.0, 1.0, 0.3), (1.0, 18.0, 0.05)], ids=str)
def test_the_beta_survival_matches_its_closed_forms(a: float, b: float, x: float) -> None:
    closed = {(1.0, 1.0): 1 - x, (2.0, 1.0): 1 - x * x, (1.0, 18.0): (1 - x) ** 18}[(a, b)]
    assert math.exp(log_beta_survival(a, b, x)) == pytest.approx(closed, rel=1e-12)


@pytest.mark.parametrize("messages", [1, 7, 30], ids=lambda n: f"{n} messages")
@pytest.mark.parametrize("rate", [0.001, 0.02, 0.05], ids=str)
def test_an_evalue_is_worth_at_most_one_while_the_rate_is_within_the_limit(
    messages: int, rate: float
) -> None:
    mean = sum(
        math.comb(messages, k)
        * rate**k
        * (1 - rate) ** (messages - k)
        * math.exp(log_evalue(k, messages, 0.05))
        for k in range(messages + 1)
    )
    assert mean <= 1 + 1e-9


@pytest.mark.parametrize(
    ("bad", "messages", "expected"),
    [
        (0, 0, GateVerdict.INSUFFICIENT),
        (0, 58, GateVerdict.INSUFFICIENT),
        (0, 59, GateVerdict.PASS),
        (1, 100, GateVerdict.PASS),
        (2, 100, GateVerdict.INSUFFICIENT),
        (4, 200, GateVerdict.PASS),
        (5, 200, GateVerdict.INSUFFICIENT),
        (16, 500, GateVerdict.PASS),
        (17, 500, GateVerdict.INSUFFICIENT),
        (3, 50, GateVerdict.INSUFFICIENT),
        (5, 100, GateVerdict.HOLD),
        (30, 500, GateVerdict.HOLD),
        (20, 50, GateVerdict.REGRESS),
    ],
    ids=lambda value: str(value),
)
def test_verdicts_on_bounces_are_those_of_the_fact_page(
    bad: int, messages: int, expected: GateVerdict
) -> None:
    assert judged([(bad, messages)]).verdict is expected


@pytest.mark.parametrize(("messages", "expected"), [(2994, "insufficient"), (2995, "pass")], ids=str)
def test_no_complaint_proves_a_tenth_of_a_percent_only_after_about_3000_messages(
    messages: int, expected: str
) -> None:
    assert judged([(0, messages)], 0.001).verdict == expected


def test_more_bad_than_messages_counts_as_all_bad() -> None:
    assert judged([(5, 2)], 0.001).bad == 2


def flagged(
    rate: float, messages: int, days: int, runs: int, turn: tuple[int, float] | None = None
) -> list[int]:
    """The day on which each of the runs that were stopped was stopped."""
    chance, found = random.Random(20261121), []
    for _ in range(runs):
        history: list[tuple[int, int]] = []
        for day in range(1, days + 1):
            now = turn[1] if turn and day > turn[0] else rate
            history.append((sum(chance.random() < now for _ in range(messages)), messages))
            if evidence(history[-30:]) >= 100:
                found.append(day)
                break
    return found


def test_a_healthy_ip_is_not_stopped_in_90_days() -> None:
    assert flagged(0.02, 50, 90, runs=40) == []


def test_an_ip_at_the_limit_is_rarely_stopped() -> None:
    assert len(flagged(0.05, 50, 30, runs=100)) <= 15


def test_a_bad_ip_is_stopped_within_days_even_at_50_a_day() -> None:
    days = flagged(0.10, 50, 30, runs=60)
    assert len(days) == 60
    assert sorted(days)[30] <= 7


def test_months_of_good_mail_do_not_hide_a_turn_for_the_worse() -> None:
    days = flagged(0.015, 200, 75, runs=20, turn=(60, 0.10))
    assert len(days) == 20
    assert max(days) <= 66


def test_where_no_day_was_above_the_limit_there_is_no_evidence_however_little_mail_there_was() -> None:
    little = judged([(0, 1)] * 30, 0.02)
    assert (little.verdict, little.evidence) == (GateVerdict.INSUFFICIENT, 0.0)
    assert evidence([(0, 1)] * 30, 0.001) > 20
    assert judged([(1, 50)] * 29 + [(3, 50)]).evidence > judged([(1, 50)] * 30).evidence == 0


def test_days_long_forgotten_change_nothing() -> None:
    late = [(100, 5_000)] * 20 + [(9, 50)]
    assert evidence([(500, 5_000)] * 9 + late) == pytest.approx(evidence(late), abs=1e-3)


@pytest.mark.parametrize("messages", [129, 501, 1_999, 5_001], ids=str)
def test_large_days_are_rounded_so_that_they_are_worth_hardly_less_and_never_more(messages: int) -> None:
    bad = messages // 8
    exact = min(math.exp(min(float(log_evalue(bad, messages, 0.05)), 50.0)), 1e12)
    assert exact * 0.2 < evidence([(bad, messages)]) <= exact


def one_by_one(days: Sequence[Day], limit: float, bearable: Sequence[float]) -> float:
    """M = (M + 1) * e, as the fact page writes it."""
    value = 0.0
    for (bad, messages), most in zip(days, bearable, strict=True):
        if messages and most < TELLS_NOTHING:
            value = min((value + 1) * math.exp(min(float(log_evalue(bad, messages, most)), 50.0)), 1e12)
    return value


@pytest.mark.parametrize("limit", [0.05, 0.001, 0.02, 0.1], ids=str)
def test_many_are_judged_together_as_each_would_be_alone(limit: float) -> None:
    dice, rows = random.Random(5), []
    bearable: dict[int, Sequence[float]] = {}
    for place in range(200):
        rate, days = limit * dice.choice([0.3, 2]), []
        for _ in range(dice.randrange(31)):
            messages = dice.randrange(round(6 / limit))
            days.append((binomial(dice, messages, rate), messages))
        if dice.random() < 0.3:
            bearable[place] = [dice.choice([limit, 0.12, 0.31]) for _ in days]
        rows.append(days)
    found = together(rows, limit, bearable)
    assert found == [judged(days, limit, bearable.get(place)) for place, days in enumerate(rows)]
    assert {one.verdict for one in found} == set(GateVerdict)
    for place, (days, answer) in enumerate(zip(rows, found, strict=True)):
        above = any(bad > limit * messages for bad, messages in days)
        expected = one_by_one(days, limit, bearable.get(place, [limit] * len(days))) if above else 0.0
        assert 1 / 2 * expected <= answer.evidence <= expected * (1 + 1e-5)


def test_volumes_whose_chances_are_too_small_to_write_are_judged_too() -> None:
    assert 0 < evidence([(100, 60_000)]) < 1e-3 < 1e3 < evidence([(3_600, 60_000)])
    below, above = (float(log_evalue(300, messages, 0.05)) for messages in (13_000, 14_000))
    assert below - 0.2 < above < below < 0


def test_many_large_volumes_take_hardly_more_steps_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = np.arange(500_000, 1_500_000, 1_000)
    monkeypatch.setattr("email_engine.reputation.evidence._MOST_STEPS", 40)
    bounded = log_evalue(messages // 10_000, messages, 0.001)
    monkeypatch.undo()
    assert log_evalue(messages // 10_000, messages, 0.001) == pytest.approx(bounded, rel=1e-12)
    alone = [float(log_evalue(int(n) // 10_000, int(n), 0.001)) for n in messages[:20]]
    assert bounded[:20] == pytest.approx(alone, rel=1e-9)


def test_the_verdict_is_that_of_the_evidence_that_is_told() -> None:
    for days in ([(88, 1_000)], [(100, 1_000)], [(40, 300)] * 3):
        told = judged(days).evidence
        bad, messages = column(bad for bad, _ in days), column(messages for _, messages in days)
        (found,) = judge([bad], [messages], 0.05, told, 0.95)
        assert (found.verdict, found.evidence) == (GateVerdict.REGRESS, told)


def test_impossible_volumes_are_judged_by_their_rate() -> None:
    assert judged([(3 * 10**9, 4 * 10**9), (5, 6)]).verdict is GateVerdict.REGRESS
    assert judged([(10**9, 10**12), (1, 6)]).evidence < 2


def test_nobody_asks_nothing() -> None:
    assert judge([], [], 0.05, 100, 0.95) == []
