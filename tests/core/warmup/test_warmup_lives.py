"""Whole lives under the shipped policy: good IPs warm up on time, bad ones never, whatever the dice say."""

import random
from datetime import date, timedelta

import pytest

from email_engine.fleet.traffic import DayCounts
from email_engine.warmup.observation import midnight
from email_engine.warmup.policy_file import load_policy
from tests.core.warmup.worlds import decide_day, observation

POLICY = load_policy()
BIRTH = date(2026, 9, 1)


def live(
    chance: random.Random, bounce_rate: float, complaint_rate: float, days: int = 50
) -> list[tuple[int, str]]:
    """(day, action) of one IP in six_week that is handed 92 to 100 % of its allowance each day, until it is active."""

    def some(messages: int, rate: float) -> int:
        return sum(chance.random() < rate for _ in range(messages))

    history: list[DayCounts] = []
    log: list[tuple[int, str]] = []
    phase, began, stopped, paused, allowance = 1, BIRTH, None, None, 50
    for number in range(days):
        day = BIRTH + timedelta(days=number)
        if allowance:
            sent = int(allowance * chance.uniform(0.92, 1))
            bounced = some(sent, bounce_rate)
            history.append(DayCounts(day, sent - bounced, bounced, 0, some(sent - bounced, complaint_rate)))
        following = day + timedelta(days=1)
        seen = observation(
            history[-30:],
            ip={"phase": phase, "pause": paused},
            given=allowance,
            standing=allowance,
            fresh_through=midnight(following),
            phase_started_on=began,
            last_stop_at=stopped,
        )
        chosen = decide_day(seen, POLICY, day, following)
        log.append((number + 1, str(chosen.action)))
        if chosen.action in ("graduate", "quarantine"):
            return log
        allowance, phase, paused = chosen.wanted, chosen.phase, chosen.pause
        began = following if chosen.new_phase else began
        stopped = midnight(following) if chosen.action == "pause" else stopped
    return log


def lives(bounce_rate: float, complaint_rate: float, count: int = 40) -> list[list[tuple[int, str]]]:
    chance = random.Random(42)
    return [live(chance, bounce_rate, complaint_rate) for _ in range(count)]


def test_a_good_ip_is_warm_after_six_weeks() -> None:
    ends = [life[-1] for life in lives(0.01, 0.0001)]
    assert sum(end == (42, "graduate") for end in ends) >= 38


@pytest.mark.parametrize(
    ("bounce_rate", "complaint_rate"),
    [(0.08, 0.0003), (0.02, 0.003)],
    ids=["8 % bounces", "0.3 % complaints"],
)
def test_a_bad_ip_never_gets_warm_and_is_stopped(bounce_rate: float, complaint_rate: float) -> None:
    found = lives(bounce_rate, complaint_rate, 100)
    assert not any(action == "graduate" for life in found for _, action in life)
    stopped = [life for life in found if {"pause", "quarantine"} & {action for _, action in life}]
    assert len(stopped) >= 0.8 * len(found)
