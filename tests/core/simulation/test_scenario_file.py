"""Scenario files: what is shipped is right, and every mistake has its line."""

import pytest

from email_engine.errors import EngineError, InputError
from email_engine.simulation.scenario import Begin, Demand, Fault, TrueRates
from email_engine.simulation.scenario_file import load_scenario, parse_scenario, shipped_names

WHOLE = """\
title: A test
begin: warming
providers: { gmail: 0.6, other: 0.4 }
demand: { messages: 1000, weekend_rate: 0.5, spread_rate: 0.1 }
kinds:
  - { name: good, share: 0.75, bounce_rate: 0.02 }
  - { name: worse, share: 0.25, bounce_rate: 0.02, bounce_rate_daily: 0.01 }
events:
  - { name: a turn, fault: provider, day: 5, days: 2, provider: gmail, deferral_rate: 0.5 }
"""


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_scenarios_are_right(name: str) -> None:
    assert load_scenario(name).kinds


def test_a_whole_scenario_is_read() -> None:
    read = parse_scenario(WHOLE, "s.yaml")
    assert (read.begin, read.demand) == (Begin.WARMING, Demand(1000, 0.5, 0.1))
    assert read.kinds[1].on(4) == TrueRates(bounce=pytest.approx(0.05))
    (turn,) = read.happenings
    assert (turn.fault, turn.provider, turn.share) == (Fault.PROVIDER, "gmail", 1.0)
    assert [turn.on(day) for day in (4, 5, 6, 7)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("share: 0.75", "share: 0.5", "s.yaml:5: kinds: shares of 0.75 in all"),
        ("gmail: 0.6", "gmail: 0.7", "s.yaml:3: providers: shares of 1.1 in all"),
        ("bounce_rate: 0.02 }", "bounce_rate: 2 }", "s.yaml:6: kinds[0].bounce_rate: '2'"),
        ("provider: gmail", "provider: aol", "s.yaml:9: events[0].provider: 'aol'"),
        ("fault: provider", "fault: nobody", "s.yaml:9: events[0].fault: 'nobody'"),
        ("begin: warming", "begin: now", "s.yaml:2: begin: 'now'"),
        ("title: A test", "tittle: A test", "s.yaml:1: tittle: unknown key"),
        (
            "day: 5",
            "same_as: another, day: 5",
            "s.yaml:9: events[0].same_as: 'another'; allowed: an earlier event, one of none yet",
        ),
        ("day: 5", "day: 0", "s.yaml:9: events[0].day: 0"),
    ],
    ids=[
        "kinds",
        "providers",
        "a rate",
        "an unknown provider",
        "a fault",
        "begin",
        "a key",
        "an unknown event",
        "a day",
    ],
)
def test_a_mistake_is_told_with_its_line(old: str, new: str, told: str) -> None:
    with pytest.raises(EngineError) as raised:
        parse_scenario(WHOLE.replace(old, new), "s.yaml")
    assert told in str(raised.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="mixed"):
        load_scenario("nowhere")
