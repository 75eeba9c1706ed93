"""The notes' open rate: off as it ships; switched on it holds, and does nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from email_engine.fleet.mistakes import FileInvalid
from email_engine.paths import CONFIG
from email_engine.warmup.observation import IpObservation, Opens
from email_engine.warmup.policy import OpenRate, Policy
from email_engine.warmup.policy_file import load_policy, parse_policy
from email_engine.warmup.snapshot import observation_document, observation_of, policy_document, policy_of
from tests.core.warmup.worlds import DAY, NEXT, decide_day, observation, sent

OFF = load_policy()
ON = replace(OFF, open_rate=replace(OFF.open_rate, hold=True))
FEW, MANY = Opens(350, 10, 200), Opens(350, 100, 50)
WORDS = "10 of 350 messages delivered were opened by people, 200 more by machines alone, less than 10%"


def decided(policy: Policy, opens: Opens | None, *days: Any, **seen: Any) -> Any:
    return decide_day(observation(*days or (sent(7),), opens=opens, **seen), policy, DAY, NEXT)


def test_it_ships_switched_off_with_the_reason_beside_it() -> None:
    assert OFF.open_rate == OpenRate(hold=False, least=0.1, days=7, min_messages=200)
    text = (CONFIG / "policy.yaml").read_text()
    assert "an open proves nobody" in text
    assert "machine opens" in text
    without = text[: text.index("open_rate:")]
    assert parse_policy(without, "policy.yaml") == OFF


@pytest.mark.parametrize("opens", [None, FEW, MANY], ids=["unknown", "few", "many"])
def test_off_it_changes_nothing(opens: Opens | None) -> None:
    assert decided(OFF, opens) == decided(OFF, None)
    assert decided(OFF, opens).action == "advance"


@pytest.mark.parametrize(
    ("opens", "action", "reason"),
    [
        (MANY, "advance", "so it moves to phase 2"),
        (Opens(350, 35), "advance", "so it moves to phase 2"),
        (Opens(199, 0), "advance", "so it moves to phase 2"),
        (FEW, "hold", WORDS),
        (None, "hold", "nobody knows what was opened of its mail of the last 7 days"),
    ],
    ids=["opened", "just enough", "too few to tell", "not opened", "not known"],
)
def test_on_it_holds_what_would_advance(opens: Opens | None, action: str, reason: str) -> None:
    chosen = decided(ON, opens)
    assert chosen.action == action
    assert reason in chosen.reason


def test_on_it_holds_a_graduation_too() -> None:
    chosen = decided(ON, FEW, sent(7, 2000), ip={"phase": 6})
    assert (chosen.action, chosen.wanted) == ("hold", 50)


@pytest.mark.parametrize(
    "days", [(), sent(3), sent(9, 44)], ids=["nothing sent", "3 of 7 days", "too little"]
)
def test_on_many_opens_advance_nothing_that_would_not_by_itself(days: Any) -> None:
    assert decided(ON, Opens(10_000, 10_000), days) == decided(OFF, None, days)


def test_on_it_stops_and_slows_nothing() -> None:
    seen = {"ip": {"state": "active", "phase": 6}, "standing": 700}
    assert decided(ON, FEW, sent(30, 10_000), **seen) == decided(OFF, None, sent(30, 10_000), **seen)


def test_decisions_of_before_can_be_made_again() -> None:
    """An earlier release wrote neither the opens nor the policy."""
    document = observation_document(observation(sent(7)))
    del document["opens"]
    assert observation_of(document) == observation(sent(7))
    policy = policy_document(OFF)
    del policy["open_rate"]
    assert policy_of(policy) == OFF


def test_what_was_opened_stands_in_the_decision() -> None:
    seen: IpObservation = observation(sent(7), opens=FEW)
    assert observation_of(observation_document(seen)).opens == FEW


@pytest.mark.parametrize(
    ("slip", "told"),
    [
        ("hold: maybe", "open_rate.hold: 'maybe'; allowed: true or false"),
        ("least: 10", "open_rate.least: '10'; allowed: a rate between 0 and 1"),
        ("days: 0", "open_rate.days: 0; allowed: a whole number from 1 to 30"),
        ("stop: true", "open_rate.stop: unknown key"),
    ],
)
def test_a_slip_in_it_is_told_with_its_place(slip: str, told: str) -> None:
    text = (CONFIG / "policy.yaml").read_text()
    text = text[: text.index("open_rate:")] + f"open_rate: {{ {slip} }}\n"
    with pytest.raises(FileInvalid) as caught:
        parse_policy(text, "policy.yaml")
    assert told in str(caught.value)
