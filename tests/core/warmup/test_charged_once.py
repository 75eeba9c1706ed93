"""What a provider did is charged to that provider alone, also when it is over; who is bad on a day of each week does not escape."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from email_engine.fleet.model import IpState
from email_engine.fleet.traffic import DayCounts, Days
from email_engine.reputation.named import NamedList
from email_engine.warmup.observation import IpObservation
from email_engine.warmup.plan import IpDecision
from email_engine.warmup.policy_file import load_policy
from tests.core.warmup.worlds import DAY, NEXT, a_life, decide_day, live_through, observation, sent

POLICY = load_policy()
ACTIVE: dict[str, Any] = {"state": IpState.ACTIVE, "phase": 6}
WARMING: dict[str, Any] = {"phase": 6}
PARTS = {"gmail": 0.4, "microsoft": 0.3, "yahoo": 0.15, "other": 0.15}
REFUSES = 7
"""The day on which one provider refuses."""


def evening(told: Sequence[Sequence[IpDecision]], day: int) -> IpDecision:
    return told[day][0]


def mixed(allowed: int, refused: float = 0.0) -> dict[str, DayCounts]:
    found = {}
    for name, part in PARTS.items():
        messages = round(allowed * part)
        blocked = round(messages * refused) if name == "microsoft" else 0
        bounced = round((messages - blocked) * 0.015)
        found[name] = DayCounts(DAY, messages - blocked - bounced, blocked + bounced, blocked=blocked)
    return found


def of_the_rest(allowed: int) -> dict[str, DayCounts]:
    """A day on which the suspended provider's mail waits in its queue."""
    return {name: counts for name, counts in mixed(allowed).items() if name != "microsoft"}


def taken(allowed: int, bounds: int) -> dict[str, DayCounts]:
    return of_the_rest(allowed) | {"microsoft": DayCounts(DAY, bounds)}


@pytest.mark.parametrize("state", [ACTIVE, WARMING], ids=["active", "warming"])
def test_a_provider_that_refused_for_a_day_costs_nothing_when_it_takes_mail_again(
    state: dict[str, Any],
) -> None:
    """Microsoft refuses 40 % for a day, is suspended, tried with a few messages, and slowly comes back."""

    def traffic(_: int, day: int, allowed: int) -> dict[str, DayCounts]:
        if day < REFUSES:
            return mixed(allowed)
        if day == REFUSES:
            return mixed(allowed, refused=0.4)
        return of_the_rest(allowed) if day == REFUSES + 1 else taken(allowed, 20 + 5 * (day - REFUSES))

    told = live_through([a_life(1, 2_000, **state, daily_target=5_000)], traffic, 40, POLICY)
    after = [evening(told, day) for day in range(REFUSES, 40)]
    assert "microsoft" in after[0].proposal.throttle_factors
    assert {str(one.proposal.action) for one in after}.isdisjoint({"step_back", "pause", "quarantine"})
    blamed = [
        one.reason for one in after[1:] if "speak against it" in one.reason or "prove a rate" in one.reason
    ]
    assert blamed == []


def test_what_other_providers_refuse_at_the_same_time_is_still_the_ips() -> None:
    """Microsoft is slowed already; that excuses nothing of what gmail refuses."""
    days = {
        "microsoft": [replace(c, blocked=0) for c in sent(14, 300)],
        "gmail": [DayCounts(c.day, 300, 100, blocked=100) for c in sent(14, 400)],
    }
    whole = [DayCounts(c.day, 600, 100, blocked=100) for c in sent(14, 700)]
    seen = observation(
        whole, ip=ACTIVE, providers=days, throttle_factors={"microsoft": 0.5}, slowed_on={"microsoft": DAY - timedelta(days=5)},
    )  # fmt: skip
    assert str(decide_day(seen, POLICY, DAY, NEXT).action) in ("pause", "quarantine")


def weekly(day: int, bad: float, blast: int, trickle: int) -> dict[str, DayCounts]:
    """150 good messages a day, and each seventh day a list that is bad, short of an extreme day."""
    messages, rate = (blast, bad) if day % 7 == 2 else (trickle, 0.015)
    wrong = round(messages * rate)
    return {"gmail": DayCounts(DAY, messages - wrong, wrong)}


def test_who_mails_a_bad_list_each_week_is_paused_on_the_third_day_of_it() -> None:
    told = live_through(
        [a_life(1, 3_000, **ACTIVE)], lambda _, day, __: weekly(day, 0.08, 1_000, 150), 17, POLICY
    )
    seen = {day: str(evening(told, day).proposal.action) for day in (2, 9, 16)}
    assert seen == {2: "hold", 9: "hold", 16: "pause"}
    for day in (2, 9, 16):
        assert str(DAY + timedelta(days=day)) in evening(told, 16).reason
    assert "another such day within 3 days pauses it" in evening(told, 2).reason


def test_who_sends_enough_good_mail_between_is_not() -> None:
    """240 of 6,000: 4 % in all."""
    told = live_through(
        [a_life(1, 3_000, **ACTIVE)], lambda _, day, __: weekly(day, 0.08, 1_000, 700), 40, POLICY
    )
    assert "pause" not in {str(day[0].proposal.action) for day in told}


def test_a_providers_own_list_that_it_alone_names_is_its_refusal_and_no_suspicion() -> None:
    named = NamedList("microsoft", DAY, {"microsoft": 60}, 1_000)
    fine = observation(sent(10, 1_000), ip=ACTIVE, given=1_000, standing=1_000)
    assert str(decide_day(replace(fine, named=(named,)), POLICY, DAY, NEXT).action) == "stay"
    others = replace(named, refused={"microsoft": 30, "gmail": 4})
    assert str(decide_day(replace(fine, named=(others,)), POLICY, DAY, NEXT).action) == "hold"


def test_a_bad_day_is_told_also_where_something_else_holds() -> None:
    days = [*sent(9, 1_000, until=DAY - timedelta(days=1)), DayCounts(DAY, 920, 80)]
    seen = observation(days, ip=ACTIVE, given=1_000, standing=1_000, trouble="the clock of mta-1 is off")
    held = decide_day(seen, POLICY, DAY, NEXT)
    assert (str(held.action), held.cause) == ("hold", "bad signals")
    assert "the clock of mta-1 is off; 80 bounces of 1000 messages" in held.reason
    assert held.evidence


def pressed(gmail: int) -> IpObservation:
    """yahoo has 4 % of the mail, is slowed already and presses on; `gmail` of its 96 messages a day are deferred."""
    days = [DAY - timedelta(days=n) for n in reversed(range(10))]
    providers = {
        "gmail": [DayCounts(day, 96, deferred=gmail, throttling_deferrals=gmail) for day in days],
        "yahoo": [DayCounts(day, 4, deferred=40, throttling_deferrals=40) for day in days],
    }
    whole = [DayCounts(day, 100, deferred=40 + gmail, throttling_deferrals=40 + gmail) for day in days]
    return observation(
        whole, ip={"phase": 2, "daily_target": 2_000}, providers=providers, given=100, standing=100,
        phase_started_on=DAY - timedelta(days=10), throttle_factors={"yahoo": 0.1}, slowed_on={"yahoo": DAY - timedelta(days=2)},
    )  # fmt: skip


@pytest.mark.parametrize("gmail", [11, 14, 18])
def test_a_small_provider_that_is_slowed_hides_no_large_one(gmail: int) -> None:
    assert str(decide_day(pressed(gmail), POLICY, DAY, NEXT).action) == "hold"


def test_a_provider_that_is_slowed_for_deferrals_is_not_excused_of_new_complaints() -> None:
    days = [DAY - timedelta(days=n) for n in reversed(range(20))]
    providers = {
        "gmail": [DayCounts(day, 1_000, complained=2) for day in days],
        "yahoo": [DayCounts(day, 1_000) for day in days],
    }
    whole = [DayCounts(day, 2_000, complained=2) for day in days]
    seen = observation(
        whole, ip={"phase": 6, "daily_target": 10_000}, providers=providers, given=2_000, standing=2_000,
        phase_started_on=DAY - timedelta(days=25), throttle_factors={"gmail": 0.5}, slowed_on={"gmail": DAY - timedelta(days=5)},
    )  # fmt: skip
    paid = replace(seen, throttle_factors={}, slowed_on={})
    assert decide_day(seen, POLICY, DAY, NEXT).action == decide_day(paid, POLICY, DAY, NEXT).action


@pytest.mark.parametrize("old", [0, 80, 120])
def test_an_old_bad_day_of_the_stream_excuses_no_new_one_of_the_ip(old: int) -> None:
    own, others = [], []
    for n in reversed(range(25)):
        bad = old if n == 20 else 80 if n < 2 else 0
        own.append(DayCounts(DAY - timedelta(days=n), 1_000 - bad, bad, blocked=bad))
        theirs = 8 * old if n == 20 else 0
        others.append(DayCounts(DAY - timedelta(days=n), 5_000 - theirs, theirs, blocked=theirs))
    seen = observation(
        own, ip=ACTIVE, providers={"gmail": own}, given=1_000, standing=1_000, phase_started_on=None, peers=others,
        risen={"blocks": Days.of(others)},
    )  # fmt: skip
    decided = decide_day(seen, POLICY, DAY, NEXT)
    assert (str(decided.action), decided.blames) == ("pause", True)
