"""Days as columns, against the same days one by one."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_engine.fleet.traffic import COUNTED, NO_DAYS, DayCounts, Days, by_day, sums, without

FIRST = date(2026, 11, 1)
numbers = st.integers(0, 10**12)


@st.composite
def some_days(draw: st.DrawFn) -> list[DayCounts]:
    """Some of twenty days."""
    offsets = sorted(draw(st.sets(st.integers(0, 19), max_size=8)))
    return [DayCounts(FIRST + timedelta(days=n), *draw(st.tuples(*[numbers] * 8))) for n in offsets]


def of_each(several: list[list[DayCounts]]) -> dict[date, Counter[str]]:
    """Sums by day, added one by one."""
    found: dict[date, Counter[str]] = {}
    for days in several:
        for counts in days:
            one = found.setdefault(counts.day, Counter())
            for name in COUNTED:
                one[name] += getattr(counts, name)
    return found


@given(some_days(), st.integers(-1, 20), st.integers(-1, 20))
def test_days_are_a_sequence_and_columns_of_the_same_counts(
    plain: list[DayCounts], start: int, end: int
) -> None:
    days = Days.of(plain)
    assert (list(days), len(days), bool(days)) == (plain, len(plain), bool(plain))
    assert days == tuple(plain)
    assert list(days.sent) == [counts.sent for counts in plain]
    assert list(days.attempts) == [counts.sent + counts.deferred for counts in plain]
    assert list(days.pressure) == [counts.throttling_deferrals + counts.blocked for counts in plain]
    first, last = FIRST + timedelta(days=start), FIRST + timedelta(days=end)
    assert list(days.between(first, last)) == [c for c in plain if first <= c.day <= last]
    assert list(days[days.since(first) :]) == [c for c in plain if c.day >= first]
    known = {counts.day: counts for counts in plain}
    assert days.on(first) == known.get(first, DayCounts(first))
    assert days.sent_on(first) == days.on(first).sent
    later = DayCounts(FIRST + timedelta(days=30), 7, 1)
    assert list(days.then(later)) == [*plain, later]
    assert_derived(days.then(replace(later, bounced=3, blocked=2, deferred=5, throttling_deferrals=4)))


def assert_derived(days: Days) -> None:
    again = Days(days.day, days.columns)
    assert (days.sent, days.attempts, days.pressure, days.failed) == (
        again.sent,
        again.attempts,
        again.pressure,
        again.failed,
    )


@given(some_days(), st.integers(-1, 20), st.tuples(numbers, numbers))
def test_complaints_that_come_later_are_added_to_their_day(
    plain: list[DayCounts], offset: int, more: tuple[int, int]
) -> None:
    day, before = FIRST + timedelta(days=offset), Days.of(plain)
    told = before.complained_on(day, *more)
    assert told == by_day([before, Days.of([DayCounts(day, complained=more[0], undated_complaints=more[1])])])
    assert_derived(told)
    assert list(before) == plain, "it is shared"


@given(st.lists(some_days(), max_size=5))
def test_sums_by_day_are_those_of_every_day(several: list[list[DayCounts]]) -> None:
    found = by_day(Days.of(days) for days in several)
    assert {c.day: Counter({name: getattr(c, name) for name in COUNTED}) for c in found} == of_each(several)
    assert list(found.day) == sorted(found.day)


@given(st.lists(some_days(), min_size=1, max_size=4))
def test_all_without_one_is_all_the_others(several: list[list[DayCounts]]) -> None:
    whole = by_day(Days.of(days) for days in several)
    others = by_day(Days.of(days) for days in several[1:])
    expected = [counts for counts in others if any(getattr(counts, name) for name in COUNTED)]
    assert list(without(whole, Days.of(several[0]))) == expected


@given(st.lists(some_days(), max_size=5))
def test_columns_of_any_length_are_summed_each(several: list[list[DayCounts]]) -> None:
    columns = [Days.of(days).delivered for days in several]
    assert sums(columns).tolist() == [sum(counts.delivered for counts in days) for days in several]


def test_no_days_are_no_days() -> None:
    assert (list(NO_DAYS), NO_DAYS.on(FIRST), NO_DAYS == ()) == ([], DayCounts(FIRST), True)
    assert without(NO_DAYS, NO_DAYS) == NO_DAYS == by_day([])


def test_a_day_and_its_counts_belong_together() -> None:
    with pytest.raises(ValueError, match="argument 2"):
        Days.rows([(FIRST, *range(8)), (FIRST, 1)])


@pytest.mark.parametrize("offsets", [(1, 0), (0, 0)], ids=["backwards", "twice"])
def test_days_come_in_order(offsets: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="out of order"):
        Days.of(DayCounts(FIRST + timedelta(days=n)) for n in offsets)


def test_days_are_days_alone() -> None:
    assert NO_DAYS != ""
    assert NO_DAYS != []
    days = (DayCounts(FIRST, 1), DayCounts(FIRST + timedelta(days=1), 2))
    assert {Days.of(days), days} == {days}
