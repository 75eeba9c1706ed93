"""What a mail administrator would call unfair or blind, played on fleets with known truth."""

from collections import Counter
from collections.abc import Sequence

import pytest

from email_engine.fleet.model import IpState
from email_engine.simulation.days import IpDay
from email_engine.simulation.run import simulate
from email_engine.simulation.scenario import Demand, Fault, Happening, Reports, TrueRates
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.proposal import Action
from tests.core.simulation.worlds import scenario, small

pytestmark = pytest.mark.slow
POLICY = load_policy()
FOUR = {"gmail": 0.45, "microsoft": 0.25, "yahoo": 0.15, "other": 0.15}
GOOD = TrueRates(0.015, 0.0002, 0.03)
STOPS = (Action.PAUSE, Action.QUARANTINE)


def stopped(days: Sequence[IpDay]) -> Counter[str]:
    """IPs by what stopped them."""
    return Counter(
        str(action) for _, action in {(day.address, day.action) for day in days if day.action in STOPS}
    )


def active(count: int, target: int = 5_000):
    return small(count, IpState.ACTIVE, daily_target=target)


@pytest.mark.parametrize("target", [500, 5_000, 10_000])
def test_undated_late_reports_over_silent_weekends_stop_nobody(target: int) -> None:
    world = scenario(
        TrueRates(0.015, 0.0003, 0.03), demand=Demand(20_000, weekend_rate=0.0),
        reports=Reports(late_days=3, undated_rate=1.0),
    )  # fmt: skip
    days = simulate(active(20, target), POLICY, world, 60, seed=1)
    assert not stopped(days)


@pytest.mark.parametrize("rate", [0.003, 0.01])
def test_one_provider_that_complains_is_slowed_and_then_stopped(rate: float) -> None:
    """Gmail never reports."""
    complaints = Happening(
        "hated at yahoo", Fault.IP, 5, 60, provider="yahoo", rates=TrueRates(complaint=rate)
    )
    world = scenario(
        GOOD, happenings=(complaints,), providers=FOUR, reports=Reports(1, 0.5, frozenset({"gmail"}))
    )
    days = simulate(active(20), POLICY, world, 40, seed=1)
    touched = {day.address for day in days if "yahoo" in day.throttle_factors}
    suspended = {day.address for day in days if day.throttle_factors.get("yahoo") == 0}
    assert len(touched) >= 19
    assert len(suspended) >= 19
    assert not stopped(days)
    first = min(day.day for day in days if "yahoo" in day.throttle_factors)
    assert {day.throttle_factors["yahoo"] for day in days if day.day == first and day.throttle_factors} == {
        0.5
    }


@pytest.mark.parametrize("block", [0.1, 0.4])
@pytest.mark.parametrize("pool", [1, 2, 5])
def test_a_provider_that_refuses_is_suspended_and_probed_while_the_rest_goes_on(
    block: float, pool: int
) -> None:
    refuses = Happening(
        "microsoft refuses", Fault.PROVIDER, 5, 30, provider="microsoft", rates=TrueRates(block=block)
    )
    world = scenario(GOOD, happenings=(refuses,), providers=FOUR)
    days = simulate(active(pool), POLICY, world, 60, seed=1)
    assert not stopped(days)
    during = [day for day in days if 7 <= (day.day - days[0].day).days < 33]
    assert max(day.throttle_factors.get("microsoft", 1.0) for day in during) < 0.4
    assert {0.0, 0.01} <= {day.throttle_factors.get("microsoft") for day in during}
    assert sum(day.counts.sent for day in during) >= 0.7 * sum(day.demand and 5_000 for day in during)
    assert sum(day.counts.blocked for day in during) < 0.02 * sum(day.counts.sent for day in during)
    assert {day.allowance for day in days[-pool:]} == {5_000}


def test_an_ip_stops_when_providers_with_most_of_its_mail_refuse() -> None:
    refuse = tuple(
        Happening(f"{name} refuses", Fault.IP, 5, 60, share=0.2, same_as=None if name == "gmail" else "gmail refuses",
                  provider=name, rates=TrueRates(block=0.4))
        for name in ("gmail", "microsoft")
    )  # fmt: skip
    days = simulate(active(5), POLICY, scenario(GOOD, happenings=refuse, providers=FOUR), 20, seed=1)
    assert len({day.address for day in days if day.action in STOPS and day.blames}) == 1


def test_every_provider_presses_for_some_days_and_speed_is_back_after_eight_good_ones() -> None:
    press = tuple(
        Happening(f"{name} presses", Fault.PROVIDER, 10, 4, provider=name, rates=TrueRates(pressure=0.4))
        for name in FOUR
    )
    days = simulate(active(5, 10_000), POLICY, scenario(GOOD, happenings=press, providers=FOUR), 40, seed=1)
    assert not stopped(days)
    assert min(day.allowance for day in days) >= 1_000
    eight_later = [day for day in days if (day.day - days[0].day).days == 13 + 8]
    assert all(day.allowance >= 5_000 for day in eight_later)


@pytest.mark.parametrize("pool", [1, 2, 5])
def test_a_bad_recipient_list_blames_no_ip_of_any_pool(pool: int) -> None:
    bad = Happening("a bad list", Fault.LIST, 10, 10, rates=TrueRates(bounce=0.15))
    days = simulate(active(pool), POLICY, scenario(GOOD, happenings=(bad,), providers=FOUR), 60, seed=1)
    assert not [day for day in days if day.action in STOPS and day.blames]
    paused = {day.address for day in days if day.action is Action.PAUSE}
    assert len(paused) == pool
    assert all("list problem" in day.reason for day in days if day.action is Action.PAUSE)
    assert not any(day.state == IpState.QUARANTINE for day in days)


@pytest.mark.parametrize("pool", [1, 2, 5])
@pytest.mark.parametrize(
    "rates", [TrueRates(complaint=0.006), TrueRates(block=0.15)], ids=["hated", "blocked"]
)
def test_a_hated_campaign_stops_the_stream_and_blames_no_ip(pool: int, rates: TrueRates) -> None:
    campaign = Happening("a campaign", Fault.LIST, 10, 4, rates=rates)
    days = simulate(active(pool), POLICY, scenario(GOOD, happenings=(campaign,), providers=FOUR), 40, seed=1)
    assert not [day for day in days if day.action in STOPS and day.blames]
    assert len({day.address for day in days if day.action is Action.PAUSE}) == pool
    assert not any(day.state == IpState.QUARANTINE for day in days)


@pytest.mark.parametrize(
    ("deviation", "volume", "most"),
    [(0.006, 5_000, 0.02), (0.01, 5_000, 0.05), (0.015, 5_000, 0.2), (0.015, 500, 0.2)],
)
def test_days_that_vary_stop_few(deviation: float, volume: int, most: float) -> None:
    """Mean 2 %."""
    world = scenario(TrueRates(0.02, 0.0002, 0.03), bounce_deviation=deviation)
    days = simulate(active(50, volume), POLICY, world, 90, seed=1)
    assert len({day.address for day in days if day.action in STOPS}) <= most * 50
    assert len({day.address for day in days if day.action is Action.QUARANTINE}) <= 0.02 * 50


def test_one_reply_in_a_thousand_that_names_a_list_is_asked_about_and_stops_nobody() -> None:
    named = Happening(
        "a rumour", Fault.IP, 10, 1, provider="microsoft", rates=TrueRates(block=0.004, named=1.0)
    )
    days = simulate(active(20), POLICY, scenario(GOOD, happenings=(named,), providers=FOUR), 40, seed=1)
    assert not stopped(days)


@pytest.mark.parametrize("pool", [1, 2, 5])
@pytest.mark.parametrize(
    ("rates", "reports"),
    [
        (TrueRates(complaint=0.006), Reports()),
        (TrueRates(complaint=0.02), Reports()),
        (TrueRates(complaint=0.006), Reports(2, 0.3, frozenset({"gmail"}))),
        (TrueRates(bounce=0.15), Reports()),
        (TrueRates(block=0.1), Reports()),
    ],
    ids=["hated", "very hated", "hated, told late", "a bad list", "blocked"],
)
def test_a_bad_campaign_a_week_pauses_nobody_on_the_clean_days_after_it(
    pool: int, rates: TrueRates, reports: Reports
) -> None:
    campaigns = tuple(Happening(f"{day}", Fault.LIST, day, 1, rates=rates) for day in range(10, 45, 7))
    world = scenario(GOOD, happenings=campaigns, providers=FOUR, reports=reports)
    days = simulate(active(pool), POLICY, world, 45, seed=1)
    assert not [day for day in days if day.action in STOPS and ((day.day - days[0].day).days + 1 - 10) % 7]
    bad = [day for day in days if (day.day - days[0].day).days + 1 == 10]
    assert reports.late_days or all(day.action is Action.HOLD for day in bad), "the bad day itself holds"
