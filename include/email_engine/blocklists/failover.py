"""May a standby IP start by itself because another was listed? Only after one isolated listing with clean traffic."""

from collections.abc import Sequence
from dataclasses import dataclass

from email_engine.blocklists.likely_causes import ProviderTraffic, traffic_causes


@dataclass(frozen=True, slots=True)
class ListedIp:
    """One IP that a sweep stopped, and its pool.

    `breaker`: the pool's breaker opened. `listed_lately`: other IPs of the pool that were on a list that stops an IP within 30 days, or
    this one on another. `traffic`: what the pool sent in the last 14 days. `stopped_lately`: IPs of the pool that their rates stopped
    within 30 days. `first_sweep`: block lists were asked about it for the first time."""

    address: str
    breaker: bool
    listed_lately: int
    traffic: Sequence[ProviderTraffic]
    stopped_lately: int
    first_sweep: bool


def why_no_failover(listed: ListedIp) -> str | None:
    """Why a person decides instead, in a few words; None where a standby IP may start at its own first phase. Unknown traffic is not
    clean traffic."""
    if listed.first_sweep:
        return "lists were asked about it for the first time, so nobody knows how long it is listed and what its mail did"
    if listed.breaker:
        return "the breaker of its pool is open"
    if listed.listed_lately:
        return "it is not the only listing of its pool within 30 days"
    if listed.stopped_lately:
        return "rates stopped IPs of its pool within 30 days"
    return next(iter(traffic_causes(listed.traffic)), None)
