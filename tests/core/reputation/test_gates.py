"""The gates: which mail counts for what, and what the neighbours excuse."""

from datetime import date, timedelta

import pytest

from email_engine.fleet.traffic import DayCounts, Days
from email_engine.reputation.counted import Basis
from email_engine.reputation.gates import Judged, judge_gates
from email_engine.warmup.policy_file import load_policy

LAST = date(2026, 11, 20)
POLICY = load_policy().gates


def days(count: int = 7, delivered: int = 500, **counts: int) -> tuple[DayCounts, ...]:
    return tuple(DayCounts(LAST - timedelta(days=n), delivered, **counts) for n in reversed(range(count)))


def judged(
    own: tuple[DayCounts, ...],
    peers: tuple[DayCounts, ...] = (),
    providers: dict[str, tuple[DayCounts, ...]] | None = None,
) -> Judged:
    mine = Days.of(own)
    by_provider = {name: Days.of(some) for name, some in (providers or {}).items()}
    first = LAST - timedelta(days=29)
    basis = Basis(first, mine, first, mine, by_provider or {"other": mine}, None, Days.of(peers))
    (judged,) = judge_gates([basis], POLICY, LAST)
    return judged


@pytest.mark.parametrize(
    ("counts", "gate", "verdict"),
    [
        ({"bounced": 5}, "bounces", "pass"),
        ({"bounced": 60}, "bounces", "regress"),
        ({"complained": 10}, "complaints", "regress"),
        ({"complained": 0}, "complaints", "insufficient"),
        ({"bounced": 25, "blocked": 25}, "blocks", "regress"),
        ({"bounced": 25, "blocked": 2}, "blocks", "pass"),
    ],
    ids=[
        "bounces",
        "too many",
        "complaints",
        "who never reports proves nothing",
        "blocks",
        "bounces for other reasons",
    ],
)
def test_each_signal_has_its_gate(counts: dict[str, int], gate: str, verdict: str) -> None:
    assert judged(days(**counts)).gates[gate].verdict == verdict


def test_deferrals_are_judged_by_provider_and_by_what_they_say() -> None:
    pressing = days(3, 100, deferred=60, throttling_deferrals=60)
    greylisting = days(3, 100, deferred=60)
    found = judged(days(), providers={"gmail": greylisting, "microsoft": pressing})
    assert {name: str(one.verdict) for name, one in found.providers["deferrals"].items()} == {
        "gmail": "pass",
        "microsoft": "regress",
    }
    assert (found.worst_provider, found.gates["deferrals"].verdict) == ("microsoft", "regress")


def test_deferrals_of_last_week_are_forgotten() -> None:
    old = tuple(
        DayCounts(c.day - timedelta(days=3), 100, deferred=60, throttling_deferrals=60) for c in days(3)
    )
    assert judged(days(), providers={"yahoo": old}).providers["deferrals"]["yahoo"].messages == 0


def test_a_provider_with_hardly_any_mail_is_not_the_worst() -> None:
    tiny = days(3, 2, deferred=4, throttling_deferrals=4)
    found = judged(days(), providers={"gmail": days(3, 500), "gmx": tiny})
    assert found.worst_provider == "gmail"


def test_a_day_that_the_neighbours_bounce_too_is_the_lists() -> None:
    own, peers = days(7, 400, bounced=100), days(7, 4000, bounced=1000)
    assert judged(own).gates["bounces"].verdict == "regress"
    among = judged(own, peers)
    assert among.gates["bounces"].verdict != "regress"
    assert among.excused.keys() == {c.day for c in own}
    assert among.recipient_list_days == tuple(c.day for c in own[-POLICY.stream_days :])


def test_what_goes_beyond_the_neighbours_is_its_own() -> None:
    own, peers = days(7, 300, bounced=200), days(7, 4500, bounced=500)
    assert judged(own, peers).gates["bounces"].verdict == "regress"


def test_good_neighbours_excuse_nothing() -> None:
    own, peers = days(7, 450, bounced=50), days(7, 4900, bounced=100)
    found = judged(own, peers)
    assert (found.gates["bounces"].verdict, found.excused, found.recipient_list_days) == (
        "regress",
        {},
        (),
    )


def test_few_neighbours_prove_nothing() -> None:
    own, peers = days(7, 450, bounced=50), days(7, 9, bounced=1)
    assert judged(own, peers).excused == {}
