"""A small fleet and scenarios for tests of simulation and replay."""

from dataclasses import replace
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from email_engine.fleet.model import Fleet, IpState
from email_engine.fleet.read import read_fleet
from email_engine.simulation.scenario import Begin, IpKind, Scenario, TrueRates

EXAMPLE = Path(__file__).resolve().parents[3] / "include/config/fleet.yaml"
GOOD = TrueRates(bounce=0.02, complaint=0.0002, deferral=0.03)


@cache
def example() -> Fleet:
    return read_fleet(EXAMPLE)


def small(count: int = 4, state: IpState = IpState.WARMING, quota: int = 10_000_000, **ip: Any) -> Fleet:
    """The first IPs of the example's first tenant, all alike, with a quota that nobody feels."""
    fleet = example()
    first = next(one for one in fleet.ips if one.tenant == "aurora")
    ips = tuple(
        replace(
            first,
            address=ip_address("10.0.0.0") + n,
            vmta=f"vmta-{n}",
            initial_state=state,
            initial_phase=6 if state is IpState.ACTIVE else 1,
            **ip,
        )
        for n in range(1, count + 1)
    )
    tenant = replace(next(one for one in fleet.tenants if one.name == "aurora"), daily_quota=quota)
    return replace(fleet, tenants=(tenant,), ips=ips)


def scenario(rates: TrueRates = GOOD, **changes: Any) -> Scenario:
    """All IPs of one kind with `rates`."""
    return replace(
        Scenario("test", Begin.FLEET, {"gmail": 0.5, "yahoo": 0.5}, (IpKind("all", 1.0, rates),)), **changes
    )
