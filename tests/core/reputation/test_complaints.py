"""Complaints belong to the mail before them."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from email_engine.fleet.traffic import DayCounts, Days
from email_engine.reputation.complaints import astray, on_days_of_mail, reporting, stand_on_their_mail

MONDAY = date(2026, 11, 2)


def days(*counts: tuple[int, int, int]) -> Days:
    """(delivered, complained, undated of them) from Monday on."""
    return Days.of(
        DayCounts(MONDAY + timedelta(days=n), delivered, complained=complained, undated_complaints=undated)
        for n, (delivered, complained, undated) in enumerate(counts)
    )


def test_dated_complaints_stay_where_their_mail_is() -> None:
    assert list(on_days_of_mail(days((1000, 2, 0), (1000, 0, 0)), 7)) == [2, 0]


def test_reports_of_a_silent_weekend_are_about_the_week_before() -> None:
    week = [(1000, 0, 0)] * 5
    assert list(on_days_of_mail(days(*week, (0, 5, 5), (0, 5, 5)), 7)) == [2, 2, 2, 2, 2, 0, 0]


def test_what_a_day_cannot_have_brought_is_spread_too() -> None:
    assert list(on_days_of_mail(days((1000, 0, 0), (0, 3, 0)), 7)) == [3, 0]


def test_complaints_about_mail_that_nobody_knows_count_nowhere() -> None:
    assert list(on_days_of_mail(days((0, 3, 3), (1000, 0, 0)), 7)) == [0, 0]


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 40), st.integers(0, 40)), max_size=30))
def test_no_complaint_is_made_up_and_none_falls_on_a_day_without_mail(
    rows: list[tuple[int, int, int]],
) -> None:
    known = days(*((delivered, complained + undated, undated) for delivered, complained, undated in rows))
    found = on_days_of_mail(known, 7)
    assert sum(found) <= sum(known.complained)
    assert all(count <= delivered for count, delivered in zip(found, known.delivered, strict=True))


def test_a_silent_provider_counts_for_nothing() -> None:
    providers = {"gmail": days((1000, 0, 0)), "yahoo": days((100, 1, 0))}
    assert reporting(providers, None) == ["yahoo"]
    assert reporting(providers, {"gmail", "yahoo", "gmx"}) == ["gmail", "yahoo"]
    assert reporting(providers, ()) == []


def test_of_many_those_are_found_whose_complaints_do_not_stand_on_their_mail() -> None:
    first = date(2026, 11, 1)
    several = [
        Days.of([]),
        Days.of([DayCounts(first, 10, complained=2)]),
        Days.of([DayCounts(first, 10), DayCounts(first + timedelta(days=1), 0, complained=1)]),
        Days.of([]),
        Days.of([DayCounts(first, 10, complained=1, undated_complaints=1)]),
    ]
    assert astray(several) == [2, 4] == [n for n, days in enumerate(several) if not stand_on_their_mail(days)]
    assert astray(several[:2]) == astray([]) == []
