"""How old mail in a queue is at least: by what left since an earlier look, and by what the listings show."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from email_engine.health.queue_ages import NEWEST_KEPT, OLDEST_KEPT, Departures, Key, Look, QueueGroup, follow

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
BEHIND = timedelta(minutes=45)
LAG = timedelta(minutes=10)


def see(recipients: int, provider: str = "gmail") -> QueueGroup:
    return QueueGroup("v1", provider, 1, recipients, 0, 0)


def walk(counts: list[int], gone: dict[int, int] | None, provider: str = "gmail", to: str = "gmail") -> float:
    """Looks every 15 minutes from noon; `gone`: hour to what left in it, None: accounting is not known. Gives minutes."""
    before: dict[Key, tuple[Look, ...]] = {}
    group = see(0)
    for n, count in enumerate(counts):
        at = NOON + n * QUARTER
        hours = {NOON.replace(hour=hour): left for hour, left in (gone or {}).items() if hour <= at.hour}
        known = Departures(None if gone is None else at - LAG, frozenset({"v1"}), {"v1": {to: hours}})
        (group,) = follow([see(count, provider)], before, known, at, BEHIND)
        before = {group.key: group.looks}
    return group.age.total_seconds() / 60


CASES: list[tuple[str, list[int], dict[int, int] | None, float]] = [
    ("at the first look nothing is known", [100], {}, 0),
    ("nothing leaves", [100, 100, 100, 100, 100, 100], {}, 65),
    ("more comes and nothing leaves", [100, 150, 200, 300, 400, 500], {}, 65),
    ("half of it left", [100, 100, 100, 100, 100, 100], {12: 30, 13: 20}, 65),
    ("as much left as waited: it may be new mail", [100, 100, 100, 100, 100, 100], {12: 80, 13: 20}, 5),
    ("busy: much left, much came", [100, 120, 90, 130, 110, 140], {12: 400, 13: 100}, 5),
    ("the first mail left, the second stands", [100, 400, 400, 400, 400, 400, 400], {12: 150}, 65),
    ("it was empty in between", [100, 100, 0, 100, 100], {}, 5),
    ("without accounting: it stands", [100, 100, 100, 100, 100], None, 60),
    ("without accounting: it only grows", [100, 120, 120, 130, 200], None, 60),
    ("without accounting: it went down by all of it", [100, 50, 100, 50, 60], None, 30),
    ("without accounting: it went down by some of it", [100, 90, 100, 90, 95], None, 60),
]


@pytest.mark.parametrize(("counts", "gone", "minutes"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_an_age_is_what_can_be_shown(counts: list[int], gone: dict[int, int] | None, minutes: float) -> None:
    assert walk(counts, gone) == minutes


def test_accounting_may_know_the_provider_of_a_domain_that_the_queue_does_not() -> None:
    stands = [100] * 6
    assert walk(stands, {12: 200}, provider="other", to="gmail") == 5
    assert walk(stands, {12: 200}, provider="yahoo", to="gmail") == 65


def test_of_a_virtual_mta_that_is_not_in_the_fleet_only_the_listing_is_known() -> None:
    (first,) = follow([see(50)], {}, Departures(NOON), NOON, BEHIND)
    (second,) = follow(
        [see(50)], {first.key: first.looks}, Departures(NOON + QUARTER), NOON + QUARTER, BEHIND
    )
    assert (second.waiting_since, second.proven_at) == (NOON, NOON + QUARTER)


def test_accounting_that_is_behind_says_nothing() -> None:
    (first,) = follow([see(50)], {}, Departures(), NOON, BEHIND)
    old = Departures(NOON - timedelta(hours=3), frozenset({"v1"}), {"v1": {"gmail": {NOON: 500}}})
    (second,) = follow([see(50)], {first.key: first.looks}, old, NOON + QUARTER, BEHIND)
    assert second.age == QUARTER


def test_looking_twice_at_the_same_time_is_looking_once() -> None:
    (first,) = follow([see(50)], {}, Departures(), NOON, BEHIND)
    (again,) = follow([see(50)], {first.key: first.looks}, Departures(), NOON, BEHIND)
    assert again == replace(first)


def test_memory_is_bounded_and_keeps_the_oldest() -> None:
    before: dict[Key, tuple[Look, ...]] = {}
    group = see(0)
    for n in range(100):
        (group,) = follow([see(50)], before, Departures(), NOON + n * QUARTER, BEHIND)
        before = {group.key: group.looks}
    assert len(group.looks) == OLDEST_KEPT + NEWEST_KEPT
    assert group.age == 99 * QUARTER
