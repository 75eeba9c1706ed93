"""Judgements by provider: columns of a fleet, values of one IP."""

from datetime import date

import numpy as np
import pytest

from email_engine.fleet.traffic import DayCounts, Days
from email_engine.reputation.evidence import judge_table
from email_engine.reputation.provider_days import ProviderDays
from email_engine.reputation.provider_judgements import NOTHING, FleetJudgements

DAY = date(2026, 11, 20)


def judged(*fleet: dict[str, tuple[int, int]]) -> FleetJudgements:
    """`fleet`: by IP and provider the bad of so many messages."""
    rows = ProviderDays(
        [
            {name: Days.of([DayCounts(DAY, sent - bad, bad)]) for name, (bad, sent) in providers.items()}
            for providers in fleet
        ]
    )
    answers = judge_table(rows.table("bounced"), rows.table("sent"), 0.05, 100, 0.95)
    return FleetJudgements(rows, np.arange(len(rows.name)), answers)


def test_each_ip_has_its_own_providers() -> None:
    first, none, last = judged({"yahoo": (90, 200), "gmail": (0, 300)}, {}, {"gmail": (2, 100)}).by_ip()
    assert {name: (str(one.verdict), one.bad, one.messages) for name, one in first.items()} == {
        "gmail": ("pass", 0, 300),
        "yahoo": ("regress", 90, 200),
    }
    assert (dict(none), last["gmail"].bad) == ({}, 2)
    with pytest.raises(KeyError):
        last["yahoo"]


def test_those_that_refuse_are_named_by_ip() -> None:
    fleet = judged({"gmail": (0, 300)}, {"yahoo": (90, 200), "gmail": (90, 200), "other": (0, 9)})
    assert fleet.refusing() == {1: ("gmail", "yahoo")}


def test_the_worst_has_more_than_a_small_part_of_the_mail() -> None:
    small = {"yahoo": (9, 10), "gmail": (20, 900), "other": (40, 900)}
    alike = {"yahoo": (5, 100), "gmail": (5, 100)}
    scattered = {f"p{n:02}": (5, 10) for n in range(21)}
    worst = judged(small, alike, {}, scattered).worst()
    assert [name for name, _ in worst] == ["other", "gmail", None, None]
    assert (worst[0][1].bad, worst[0][1].messages) == (40, 900)
    assert worst[2][1] == worst[3][1] == NOTHING
