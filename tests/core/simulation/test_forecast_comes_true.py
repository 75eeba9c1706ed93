"""What is forecast on the eve, and what a whole simulation then does."""

from datetime import date, timedelta
from statistics import median

import pytest

from email_engine.simulation.days import close_day
from email_engine.simulation.life import begin
from email_engine.simulation.run import FIRST, simulate
from email_engine.simulation.scenario import TrueRates
from email_engine.warmup.forecast import forecast
from email_engine.warmup.observation import midnight
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.proposal import Action
from tests.core.simulation.worlds import GOOD, scenario, small

POLICY = load_policy()


def told_and_came(rates: TrueRates, **ip) -> list[tuple[date, date]]:
    fleet, eve = small(12, **ip), FIRST - timedelta(days=1)
    closed = close_day(
        begin(fleet, FIRST), fleet, POLICY, eve, {h.name: midnight(FIRST) for h in fleet.mta_hosts}
    )
    told = {
        str(ip_decision.observation.ip.address): forecast(ip_decision, POLICY, eve, FIRST).graduates_on
        for _, ip_decision in closed
    }
    came = {
        day.address: day.day + timedelta(days=1)
        for day in simulate(fleet, POLICY, scenario(rates), 90, seed=5)
        if day.action is Action.GRADUATE
    }
    return [(told[address], came[address]) for address in told]  # type: ignore[misc]


@pytest.mark.parametrize("schedule", list(POLICY.schedules))
def test_ips_whose_mail_all_arrives_graduate_on_the_day_that_was_told(schedule: str) -> None:
    assert all(told == came for told, came in told_and_came(TrueRates(), schedule=schedule))


def test_healthy_ips_graduate_then_or_soon_after_and_never_before() -> None:
    late = [(came - told).days for told, came in told_and_came(GOOD)]
    assert min(late) >= 0
    assert median(late) <= 7
