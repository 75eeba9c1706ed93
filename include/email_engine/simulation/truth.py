"""What is really true of every IP on every day, and the mail that it makes of it: the engine sees only the counts."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from email_engine.fleet.traffic import DayCounts
from email_engine.simulation.chance import binomial
from email_engine.simulation.scenario import Demand, Fault, Happening, Kind, Scenario, TrueRates

WEEKEND = frozenset({5, 6})


@dataclass(frozen=True, slots=True)
class Truth:
    """One IP's kind, and which happenings befall it."""

    kind: Kind
    happenings: tuple[Happening, ...]
    scenario: Scenario

    def _rates(self, number: int, provider: str | None, faults: frozenset[Fault]) -> TrueRates:
        rates = self.kind.on(number)
        for one in self.happenings:
            if one.fault in faults and one.on(number) and one.provider in (None, provider):
                rates = rates.worse_of(one.rates)
        return rates

    def by_provider(self, number: int) -> Mapping[TrueRates, float]:
        """Shares of the day's mail by what happens to it; providers that treat it alike are one."""
        found: dict[TrueRates, float] = {}
        for provider, share in self.scenario.providers.items():
            rates = self._rates(number, provider, frozenset(Fault))
            found[rates] = found.get(rates, 0.0) + share
        return found

    def is_bad(self, number: int) -> bool:
        """Is the IP itself, over all its mail, above a limit of the scenario on this day?"""
        failure = complaint = 0.0
        for provider, share in self.scenario.providers.items():
            rates = self._rates(number, provider, frozenset({Fault.IP}))
            failure += share * rates.failure
            complaint += share * rates.complaint
        trapped = any(one.listed_days and one.on(number) for one in self.happenings)
        return (
            failure > self.scenario.bounce_limit + 1e-9
            or complaint > self.scenario.complaint_limit + 1e-9
            or trapped
        )

    def trap(self, number: int) -> int:
        """Days for which a block list will hold the IP because of today; 0 for none."""
        return max((one.listed_days for one in self.happenings if one.day == number), default=0)


def assign(scenario: Scenario, subjects: Sequence[str], seed: int) -> dict[str, Truth]:
    """Deals kinds and happenings among the IPs; the same seed deals the same."""
    order = list(subjects)
    random.Random(f"{seed}/kinds").shuffle(order)  # noqa: S311 - dice, not secrets
    kinds: dict[str, Kind] = {}
    begun = 0.0
    for kind in scenario.kinds:
        first, begun = round(begun * len(order)), begun + kind.share
        kinds |= dict.fromkeys(order[first : round(begun * len(order))], kind)
    befallen: dict[str, list[Happening]] = {subject: [] for subject in subjects}
    for number, one in enumerate(scenario.happenings):
        dice = random.Random(f"{seed}/event {number}")  # noqa: S311
        for subject in dice.sample(sorted(subjects), max(round(one.share * len(order)), 1)):
            befallen[subject].append(one)
    return {
        subject: Truth(kinds.get(subject, scenario.kinds[-1]), tuple(befallen[subject]), scenario)
        for subject in subjects
    }


@dataclass(frozen=True, slots=True)
class Mail:
    """One IP's day: what waited (`demand`), what was sent of it and how it ended."""

    demand: int
    counts: DayCounts
    blocked: int = 0


@dataclass(slots=True)
class World:
    """The mail of every IP and day. An IP's dice depend on seed, subject and day alone, never on the policy, so that
    policies are compared on the same luck."""

    truths: Mapping[str, Truth]
    seed: int
    first: date
    demand: Demand = field(default_factory=Demand)

    def number(self, day: date) -> int:
        return (day - self.first).days + 1

    def mail(self, subject: str, day: date, allowance: int) -> Mail:
        """What happens when `allowance` messages may leave the IP on the UTC day."""
        dice = random.Random(f"{self.seed}/{subject}/{day.toordinal()}")  # noqa: S311
        waiting = self.demand.messages * (1 - self.demand.spread_rate * dice.random())
        if day.weekday() in WEEKEND:
            waiting *= self.demand.weekend_rate
        demand = int(waiting)
        sent = left = min(allowance, demand)
        blocked = bounced = deferred = complained = 0
        shared = 1.0
        groups = self.truths[subject].by_provider(self.number(day)) if sent else {}
        for rates, share in groups.items():
            part = binomial(dice, left, min(share / shared, 1.0)) if share < shared - 1e-9 else left
            left, shared = left - part, shared - share
            refused = binomial(dice, part, rates.block)
            unknown = binomial(dice, part - refused, rates.bounce)
            blocked, bounced = blocked + refused, bounced + refused + unknown
            deferred += binomial(dice, part, rates.deferral)
            complained += binomial(dice, part - refused - unknown, rates.complaint)
        return Mail(demand, DayCounts(day, sent - bounced, bounced, deferred, complained), blocked)
