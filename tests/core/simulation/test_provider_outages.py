"""Outages of mailbox providers, played: the provider waits, its mail counts against nobody, and it is back step by step."""

import pytest

from email_engine.simulation.run import simulate
from email_engine.simulation.scenario import Demand, Fault, Happening, TrueRates
from email_engine.warmup.proposal import Action
from tests.core.simulation.test_unfair_truths import FOUR, GOOD, POLICY, STOPS, active
from tests.core.simulation.worlds import scenario


def outage(day: int, days: int, *providers: str, rate: float = 0.55) -> tuple[Happening, ...]:
    return tuple(
        Happening(f"{name} {day}", Fault.PROVIDER, day, days, provider=name, rates=TrueRates(bounce=rate))
        for name in providers
    )


@pytest.mark.parametrize(
    ("pool", "target", "happenings", "weekend"),
    [
        (5, 5_000, outage(10, 1, "gmail"), 1.0),
        (1, 1_000, outage(10, 5, "microsoft"), 1.0),
        (2, 5_000, outage(10, 3, "gmail", "yahoo"), 1.0),
        (3, 2_000, outage(12, 3, "gmail"), 0.0),
        (2, 2_000, outage(10, 2, "gmail") + outage(20, 2, "gmail"), 1.0),
    ],
    ids=["a day", "one IP, five days", "two providers at once", "over a silent weekend", "a second one"],
)
def test_an_outage_costs_the_providers_part_alone(
    pool: int, target: int, happenings: tuple[Happening, ...], weekend: float
) -> None:
    world = scenario(GOOD, happenings=happenings, providers=FOUR, demand=Demand(20_000, weekend_rate=weekend))
    days = simulate(active(pool, target), POLICY, world, 50, seed=1)
    assert not [day for day in days if day.action in (*STOPS, Action.STEP_BACK)]
    down = {name for one in happenings for name in [one.provider]}
    assert {name for day in days for name in day.throttle_factors} == down
    least = target * (1 - sum(FOUR[str(name)] for name in down))
    assert min(day.allowance for day in days if day.day > days[0].day and day.allowance) >= 0.98 * least
    assert 0.0 in {day.throttle_factors.get(str(happenings[0].provider)) for day in days}
    after = [day for day in days if (day.day - days[0].day).days > 35]
    assert {day.allowance for day in days[-pool:]} == {target}
    assert all(day.throttle_factors.get(name, 1) > 0.2 for day in after for name in down)


@pytest.mark.parametrize("pool", [1, 3])
def test_a_bought_list_stays_the_streams_fault(pool: int) -> None:
    """Unknown users at every provider."""
    bought = Happening("a bought list", Fault.LIST, 10, 4, rates=TrueRates(bounce=0.6))
    days = simulate(active(pool), POLICY, scenario(GOOD, happenings=(bought,), providers=FOUR), 20, seed=1)
    paused = [day for day in days if day.action is Action.PAUSE]
    assert len({day.address for day in paused}) == pool
    assert all("list problem" in day.reason for day in paused)
    assert not any(day.throttle_factors for day in days)
