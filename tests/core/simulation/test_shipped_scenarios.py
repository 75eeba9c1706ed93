"""Each shipped scenario of uneven reality, played to the expectation that stands in its file, and what its decisions say."""

import re
from collections.abc import Callable, Sequence
from functools import cache

import pytest

from email_engine.fleet.model import IpState
from email_engine.simulation.days import IpDay
from email_engine.simulation.run import simulate
from email_engine.simulation.scenario_file import load_scenario
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.proposal import Action
from tests.core.simulation.worlds import small
from tests.core.warmup.reading import mistakes_of

POLICY = load_policy()
STOPS = (Action.PAUSE, Action.QUARANTINE)
Days = Sequence[IpDay]
PLAYED = {
    "late_reports": (8, 35), "undated_reports": (8, 35), "silent_weekends": (8, 42), "varying_days": (20, 45),
    "refusing_provider": (5, 45), "pressing_provider": (5, 30), "hated_campaign": (5, 35),
    "pool_of_1": (9, 80), "pool_of_2": (9, 80), "pool_of_5": (9, 80),
    "new_domain": (8, 65),
}  # fmt: skip
"""IPs of the fleet and days."""


@cache
def played(name: str) -> Days:
    ips, days = PLAYED[name]
    return simulate(small(ips, IpState.ACTIVE, daily_target=5_000), POLICY, load_scenario(name), days, seed=1)


def on(days: Days, *numbers: int) -> list[IpDay]:
    return [day for day in days if (day.day - days[0].day).days + 1 in numbers]


def stops(days: Days, blames: bool | None = None) -> set[str]:
    return {day.address for day in days if day.action in STOPS and blames in (None, day.blames)}


def nobody_is_touched(days: Days) -> None:
    assert not stops(days)
    assert not any(day.throttle_factors for day in days)
    assert {day.allowance for day in days if day.day > days[0].day} == {5_000}


def weekends_do_no_harm(days: Days) -> None:
    nobody_is_touched(days)
    assert {day.counts.sent for day in on(days, 6, 7, 13, 14)} == {0}
    assert not any(day.action in (Action.HOLD, Action.IDLE) for day in days)


def only_the_new_domains_climb(days: Days) -> None:
    assert not stops(days)
    climbs = {day.address for day in on(days, 11) if day.allowance < 5_000}
    assert len(climbs) == 2
    volumes = [day.allowance for day in days if day.address in climbs and day.day > on(days, 10)[0].day]
    assert set(volumes) == {50, 100, 250, 500, 1000, 2000, 4000, 5000}
    assert {day.allowance for day in on(days, 65)} == {5_000}
    assert {d.allowance for d in days if d.address not in climbs and d.day > days[0].day} == {5_000}
    assert {d.address for d in on(days, 12) if "binds it to 50 messages a day" in d.reason} == climbs


def single_bad_days_hold(days: Days) -> None:
    assert len(stops(days)) <= 1
    assert any(day.action is Action.HOLD and "on one day alone" in day.reason for day in days)
    assert not any(day.action is Action.QUARANTINE for day in days)


def one_provider_is_suspended(days: Days) -> None:
    assert not stops(days)
    during = on(days, *range(7, 19))
    assert {0.0, 0.01} <= {day.throttle_factors.get("microsoft") for day in during}
    assert sum(day.counts.sent for day in during) >= 0.6 * 5_000 * len(during)
    assert {name for day in days for name in day.throttle_factors} == {"microsoft"}
    assert {day.allowance for day in on(days, 45)} == {5_000}


def one_provider_gets_less(days: Days) -> None:
    assert not stops(days)
    assert {name for day in days for name in day.throttle_factors} == {"microsoft"}
    assert min(day.allowance for day in days) >= 0.75 * 5_000
    assert all(day.throttle_factors.get("microsoft", 1.0) >= 0.5 for day in on(days, 13 + 8))


def the_stream_stops(days: Days) -> None:
    assert stops(days, blames=False) == {day.address for day in days}
    assert not stops(days, blames=True)
    assert {day.day for day in days if day.action is Action.PAUSE} == {day.day for day in on(days, 11)}
    assert all(day.counts.sent for day in on(days, 25))


def a_list_blames_nobody_and_a_bad_ip_is_found(days: Days) -> None:
    early, late = on(days, *range(1, 60)), on(days, *range(60, 81))
    every = {day.address for day in days}
    assert not stops(early, blames=True)
    assert stops(early, blames=False) == every
    assert all(day.counts.sent for day in on(days, 40))
    bad = {day.address for day in late if day.bad}
    assert len(bad) == 1
    assert stops(late) == bad
    assert bool(stops(late, blames=True)) == (len(every) > 1)


EXPECTED: dict[str, Callable[[Days], None]] = {
    "late_reports": nobody_is_touched, "undated_reports": nobody_is_touched, "silent_weekends": weekends_do_no_harm,
    "varying_days": single_bad_days_hold, "refusing_provider": one_provider_is_suspended,
    "pressing_provider": one_provider_gets_less, "hated_campaign": the_stream_stops,
    "pool_of_1": a_list_blames_nobody_and_a_bad_ip_is_found, "pool_of_2": a_list_blames_nobody_and_a_bad_ip_is_found,
    "pool_of_5": a_list_blames_nobody_and_a_bad_ip_is_found,
    "new_domain": only_the_new_domains_climb,
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_a_shipped_scenario_ends_as_its_file_expects(name: str) -> None:
    assert load_scenario(name).expects
    EXPECTED[name](played(name))


@pytest.mark.parametrize("name", ["pool_of_1", "pool_of_2", "pool_of_5"])
def test_a_pool_has_so_many_ips(name: str) -> None:
    assert len({day.address for day in played(name)}) == int(re.sub(r"\D", "", name))


@pytest.mark.parametrize("name", EXPECTED)
def test_every_decision_reads_well(name: str) -> None:
    found = {mistake: day.reason for day in played(name) for mistake in mistakes_of(day.state, day.reason)}
    assert not found


@pytest.mark.parametrize("name", ["refusing_provider", "hated_campaign", "pool_of_5"])
def test_a_stop_or_a_slow_down_by_counts_names_days_and_numbers_and_what_to_do(name: str) -> None:
    by_counts = [
        day
        for day in played(name)
        if day.action in STOPS or (day.throttle_factors and "for reputation" in day.reason)
    ]
    assert by_counts
    for day in by_counts:
        assert re.search(r"\d+ [a-z ]*of \d+ messages (at \w+ )?on 2026-\d\d-\d\d", day.reason), day.reason
        assert re.search(r"\. Next: [a-z][^.]+\.$", day.reason), day.reason
