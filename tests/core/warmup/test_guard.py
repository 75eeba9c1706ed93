"""The guard on the running day: it stops and slows, and gives nothing."""

from datetime import timedelta
from typing import Any

import pytest

from email_engine.fleet.model import IpState
from email_engine.fleet.traffic import DayCounts
from email_engine.warmup.guard import guard_ip, guard_tenant
from email_engine.warmup.observation import midnight
from email_engine.warmup.policy_file import load_policy
from tests.core.warmup.worlds import DAY, NEXT, observation, sent

POLICY = load_policy()
ACTIVE: dict[str, Any] = {"state": IpState.ACTIVE, "phase": 6}


def guarded(days: Any, **changes: Any) -> Any:
    return guard_ip(observation(days, **changes), POLICY, DAY)


@pytest.mark.parametrize(
    ("day", "action", "words"),
    [
        (DayCounts(DAY, 30, 20), "pause", "20 bounces of 50 prove a rate above 5.0%, so it pauses until 2026-11-28"),
        (DayCounts(DAY, 50, complained=3), "quarantine", "3 complaints about only 50 messages tripped the wire"),
        (DayCounts(DAY, 900, blocked=0, named=1), "quarantine", "1 of only 900 messages was refused by a block list"),
        (DayCounts(DAY, 90_000, named=1, named_grave=1), "quarantine", "by a block list that matters"),
        (DayCounts(DAY, 940, 60, blocked=60), "pause", "60 blocks of 1000 prove a rate above 2.0%"),
    ],
    ids=["bounces", "complaints", "a list is named", "a grave list at any volume", "blocks"],
)  # fmt: skip
@pytest.mark.parametrize("ip", [{}, ACTIVE], ids=["warming", "active"])
def test_it_stops_as_the_end_of_the_day_would(
    day: DayCounts, action: str, words: str, ip: dict[str, Any]
) -> None:
    outcome = guarded((day,), ip=ip, given=100_000, standing=100_000)
    assert (outcome.choice.action, outcome.allowance, outcome.stops) == (action, 0, True)
    assert words in outcome.reason
    if action == "pause":
        assert outcome.choice.paused_until == midnight(NEXT) + timedelta(days=7)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ip": {"paused_until": midnight(NEXT)}},
        {"ip": {"state": IpState.QUARANTINE}},
        {"ip": {"state": IpState.STANDBY}},
        {"fresh_through": None},
        {"paces": {"*": 0.5}, "standing": 25},
    ],
    ids=["all is well", "paused", "in quarantine", "standing by", "stale accounting", "slow, and well again"],
)
def test_it_does_nothing_else(changes: dict[str, Any]) -> None:
    assert guarded(sent(7), **changes) is None


def pressed(*, pressed: int, **changes: Any) -> Any:
    day = DayCounts(DAY, 400, deferred=pressed, pressed=pressed)
    providers = {
        "microsoft": (DayCounts(DAY, 100, deferred=pressed, pressed=pressed),),
        "gmail": (DayCounts(DAY, 300),),
    }
    return guarded((day,), ip=ACTIVE, given=1000, standing=1000, providers=providers, **changes)


def test_a_provider_that_defers_for_rate_gets_half_of_its_part_and_others_nothing_more() -> None:
    outcome = pressed(pressed=60)
    assert (outcome.choice.action, outcome.stops, outcome.changes) == ("slow", False, True)
    assert outcome.choice.paces == {"microsoft": 0.5}
    assert (outcome.allowance, outcome.bounds) == (875, {"microsoft": 125})
    assert outcome.reason == (
        "Microsoft deferred or blocked 60 of 160 attempts for rate or reputation, so it is slowed from 1000 to 875 a day."
    )


@pytest.mark.parametrize(
    "paces", [{"microsoft": 0.5}, {"microsoft": 0.1}], ids=["slowed today", "slowed more"]
)
def test_it_slows_a_provider_once_and_leaves_the_rest_to_the_end_of_the_day(paces: dict[str, float]) -> None:
    assert pressed(pressed=60, paces=paces) is None


def test_deferrals_that_speak_of_other_things_slow_nothing() -> None:
    day = DayCounts(DAY, 400, deferred=300)
    assert guarded((day,), ip=ACTIVE, given=1000, standing=1000, providers={"microsoft": (day,)}) is None


def test_a_score_that_is_surely_low_halves_the_speed() -> None:
    days = tuple(
        DayCounts(DAY - timedelta(days=n), 964, 36, complained=0, blocked=12) for n in reversed(range(10))
    )
    outcome = guarded(days, ip=ACTIVE | {"blacklisted_on": ("minor.example",)}, given=1000, standing=1000)
    assert (outcome.choice.action, outcome.allowance) == ("slow", 500)
    assert outcome.choice.score.high < 70
    assert "is below 70, so it is slowed from 1000 to 500 a day" in outcome.reason


def test_only_those_to_whom_something_happens_are_told() -> None:
    bad = observation((DayCounts(DAY, 30, 20),), number=2)
    parked = observation((), number=3, ip={"state": IpState.STANDBY})
    outcomes, cases = guard_tenant([observation(sent(3)), bad, parked], POLICY, DAY)
    assert [outcome.observation.ip.ip_id for outcome in outcomes] == [2]
    assert sorted(cases) == [1, 2]
