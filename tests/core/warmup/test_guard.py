"""The guard on the running day: it stops and slows, and gives nothing."""

from datetime import timedelta
from typing import Any

import pytest

from email_engine.fleet.model import IpState, Pause
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
        (DayCounts(DAY, 30, 20), "pause", "20 bounces of 50 messages on 2026-11-20 prove a rate above 5.0%, so it pauses until 2026-11-28"),
        (DayCounts(DAY, 50, complained=3), "pause", "3 complaints on 2026-11-20 about only 50 messages, too few to tell a rate, so it pauses"),
        (DayCounts(DAY, 940, 60, blocked=60), "pause", "60 blocks of 1000 messages on 2026-11-20 prove a rate above 2.0%"),
    ],
    ids=["bounces", "complaints", "blocks"],
)  # fmt: skip
@pytest.mark.parametrize("ip", [{}, ACTIVE], ids=["warming", "active"])
def test_it_stops_as_the_end_of_the_day_would(
    day: DayCounts, action: str, words: str, ip: dict[str, Any]
) -> None:
    ip_decision = guarded((day,), ip=ip, given=100_000, standing=100_000)
    assert (ip_decision.proposal.action, ip_decision.allowance, ip_decision.stops) == (action, 0, True)
    assert words in ip_decision.reason
    if action == "pause":
        assert ip_decision.proposal.pause == Pause(midnight(NEXT) + timedelta(days=7))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ip": {"pause": Pause(midnight(NEXT))}},
        {"ip": {"state": IpState.QUARANTINE}},
        {"ip": {"state": IpState.STANDBY}},
        {"fresh_through": None},
        {"throttle_factors": {"*": 0.5}, "standing": 25},
    ],
    ids=["all is well", "paused", "in quarantine", "standing by", "stale accounting", "slow, and well again"],
)
def test_it_does_nothing_else(changes: dict[str, Any]) -> None:
    assert guarded(sent(7), **changes) is None


def throttling_deferrals(*, throttling_deferrals: int, **changes: Any) -> Any:
    day = DayCounts(DAY, 400, deferred=throttling_deferrals, throttling_deferrals=throttling_deferrals)
    providers = {
        "microsoft": (
            DayCounts(DAY, 100, deferred=throttling_deferrals, throttling_deferrals=throttling_deferrals),
        ),
        "gmail": (DayCounts(DAY, 300),),
    }
    return guarded((day,), ip=ACTIVE, given=1000, standing=1000, providers=providers, **changes)


def test_a_provider_that_defers_for_rate_gets_half_of_its_part_and_others_nothing_more() -> None:
    ip_decision = throttling_deferrals(throttling_deferrals=60)
    assert (ip_decision.proposal.action, ip_decision.stops, ip_decision.changes) == ("slow", False, True)
    assert ip_decision.proposal.throttle_factors == {"microsoft": 0.5}
    assert (ip_decision.allowance, ip_decision.bounds) == (875, {"microsoft": 125})
    assert ip_decision.reason == (
        "Microsoft deferred or blocked 60 of 160 attempts on 2026-11-20 for rate or reputation, so it is slowed from 1000 to 875 "
        "messages a day. Next: wait, or send less to microsoft: each good day gives some of the speed back."
    )


@pytest.mark.parametrize(
    "throttle_factors", [{"microsoft": 0.5}, {"microsoft": 0.1}], ids=["slowed today", "slowed more"]
)
def test_it_slows_a_provider_once_and_leaves_the_rest_to_the_end_of_the_day(
    throttle_factors: dict[str, float],
) -> None:
    assert throttling_deferrals(throttling_deferrals=60, throttle_factors=throttle_factors) is None


def test_deferrals_that_speak_of_other_things_slow_nothing() -> None:
    day = DayCounts(DAY, 400, deferred=300)
    assert guarded((day,), ip=ACTIVE, given=1000, standing=1000, providers={"microsoft": (day,)}) is None


def test_a_score_that_is_surely_low_halves_the_speed() -> None:
    days = tuple(
        DayCounts(DAY - timedelta(days=n), 964, 36, complained=0, blocked=12) for n in reversed(range(10))
    )
    ip_decision = guarded(days, ip=ACTIVE | {"blacklisted_on": ("minor.example",)}, given=1000, standing=1000)
    assert (ip_decision.proposal.action, ip_decision.allowance) == ("slow", 500)
    assert ip_decision.proposal.score.high < 70
    assert "is below 70, most by 120 blocks of 10000 messages since 2026-11-11 (" in ip_decision.reason


def test_only_those_to_whom_something_happens_are_told() -> None:
    bad = observation((DayCounts(DAY, 30, 20),), number=2)
    parked = observation((), number=3, ip={"state": IpState.STANDBY})
    ip_decisions, cases = guard_tenant([observation(sent(3)), bad, parked], POLICY, DAY)
    assert [ip_decision.observation.ip.ip_id for ip_decision in ip_decisions] == [2]
    assert sorted(cases) == [1, 2]


def test_a_lesser_bad_day_stops_the_rest_of_it_and_blames_nobody() -> None:
    bad = DayCounts(DAY, 4_650, 350)
    ip_decision = guarded(
        (*sent(9, 5_000, until=DAY - timedelta(days=1)), bad), ip=ACTIVE, given=5_000, standing=5_000
    )
    proposal = ip_decision.proposal
    assert (proposal.action, proposal.blames, proposal.cause) == ("pause", False, "bad day")
    assert proposal.pause == Pause(midnight(NEXT))
    assert (
        "350 bounces of 5000 messages on 2026-11-20 (350 of 50000 since 2026-11-11) prove"
        in ip_decision.reason
    )
    assert "so the rest of 2026-11-20 stops" in ip_decision.reason


def test_ips_of_a_stream_that_bounce_alike_stop_for_the_rest_of_the_day() -> None:
    """So much that each excuses the other, and nothing is proven against either."""
    bad = DayCounts(DAY, 400, 600, unknown_users=600)
    earlier = sent(9, 1_000, until=DAY - timedelta(days=1))
    ip_decision = guarded((*earlier, bad), peers=(*earlier, bad), ip=ACTIVE, given=5_000, standing=5_000)
    proposal = ip_decision.proposal
    assert (proposal.action, proposal.blames, proposal.pause) == ("pause", False, Pause(midnight(NEXT)))
    assert "A recipient list problem: 600 bounces of 1000 messages on 2026-11-20" in ip_decision.reason


def test_a_bad_day_that_is_over_stops_nothing_today() -> None:
    yesterday = DayCounts(DAY - timedelta(days=1), 4_650, 350)
    assert guarded((yesterday, DayCounts(DAY, 50)), ip=ACTIVE, given=5_000, standing=5_000) is None


def test_a_provider_that_refuses_is_suspended_at_once() -> None:
    refused, fine = DayCounts(DAY, 60, 40, blocked=40), DayCounts(DAY, 300)
    day = DayCounts(DAY, 360, 40, blocked=40)
    ip_decision = guarded(
        (day,), ip=ACTIVE, given=1_000, standing=1_000, providers={"microsoft": (refused,), "gmail": (fine,)}
    )
    assert (ip_decision.proposal.action, ip_decision.stops) == ("slow", False)
    assert ip_decision.proposal.throttle_factors == {"microsoft": 0.0}
    assert (ip_decision.allowance, ip_decision.bounds["microsoft"]) == (750, 0)
    assert ip_decision.reason.startswith(
        "Microsoft refused 40 of 100 messages on 2026-11-20 for reputation, so it is suspended"
    )
