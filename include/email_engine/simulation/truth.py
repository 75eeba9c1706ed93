"""What is really true of every IP on every day, and the mail that it makes of it: the engine sees only the counts."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from email_engine.fleet.traffic import DayCounts, total
from email_engine.simulation.chance import binomial
from email_engine.simulation.scenario import Demand, Fault, Happening, IpKind, Reports, Scenario, TrueRates

WEEKEND = frozenset({5, 6})


def new_domains(scenario: Scenario, subjects: Sequence[str], seed: int) -> dict[int, frozenset[str]]:
    """By number of the day: the IPs that get another domain; the same seed takes the same."""
    taken: dict[int, frozenset[str]] = {}
    for number, change in enumerate(scenario.domain_changes):
        dice = random.Random(f"{seed}/domain {number}")  # noqa: S311 - dice, not secrets
        met = dice.sample(sorted(subjects), max(round(change.share * len(subjects)), 1))
        taken[change.day] = taken.get(change.day, frozenset()) | frozenset(met)
    return taken


@dataclass(frozen=True, slots=True)
class Truth:
    """One IP's kind, and which happenings befall it."""

    kind: IpKind
    happenings: tuple[Happening, ...]
    scenario: Scenario

    def _rates(self, number: int, provider: str | None, faults: frozenset[Fault]) -> TrueRates:
        rates = self.kind.on(number)
        for one in self.happenings:
            if one.fault in faults and one.on(number) and one.provider in (None, provider):
                rates = rates.worse_of(one.rates)
        return rates

    def by_provider(self, number: int) -> Iterator[tuple[str, float, TrueRates]]:
        """Each mailbox provider with its share of the mail and what happens to it on the day."""
        for provider, share in self.scenario.providers.items():
            yield provider, share, self._rates(number, provider, frozenset(Fault))

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
    kinds: dict[str, IpKind] = {}
    begun = 0.0
    for kind in scenario.kinds:
        first, begun = round(begun * len(order)), begun + kind.share
        kinds |= dict.fromkeys(order[first : round(begun * len(order))], kind)
    befallen: dict[str, list[Happening]] = {subject: [] for subject in subjects}
    by_name: dict[str, list[str]] = {}
    for number, one in enumerate(scenario.happenings):
        dice = random.Random(f"{seed}/event {number}")  # noqa: S311
        met = by_name.get(one.same_as or "")
        if met is None:
            met = dice.sample(sorted(subjects), max(round(one.share * len(order)), 1))
        by_name[one.name] = met
        for subject in met:
            befallen[subject].append(one)
    return {
        subject: Truth(kinds.get(subject, scenario.kinds[-1]), tuple(befallen[subject]), scenario)
        for subject in subjects
    }


@dataclass(frozen=True, slots=True)
class Report:
    """So many complaints about mail that was sent to `provider` on the UTC day `sent`, known from the day `known` on; `dated`: do the
    reports tell when it was sent?"""

    provider: str
    sent: date
    known: date
    complaints: int
    dated: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """One IP's day: what waited (`demand`), what was sent of it and how it ended, in all and by mailbox provider; `named`: refusals by
    provider that named a block list; `reports`: complaints about it, which become known later."""

    demand: int
    counts: DayCounts
    providers: Mapping[str, DayCounts]
    named: Mapping[str, int] = field(default_factory=dict)
    reports: tuple[Report, ...] = ()


@dataclass(slots=True)
class World:
    """The mail of every IP and day. An IP's dice depend on seed, subject and day alone, never on the policy, so that
    policies are compared on the same luck."""

    truths: Mapping[str, Truth]
    seed: int
    first: date
    demand: Demand = field(default_factory=Demand)
    reports: Reports = field(default_factory=Reports)
    bounce_deviation: float = 0.0

    def number(self, day: date) -> int:
        return (day - self.first).days + 1

    def mail(self, subject: str, day: date, allowance: int, bounds: Mapping[str, int] | None = None) -> Mail:
        """What happens when `allowance` messages may leave the IP on the UTC day, at most `bounds` of them to a provider."""
        dice = random.Random(f"{self.seed}/{subject}/{day.toordinal()}")  # noqa: S311
        waiting = self.demand.messages * (1 - self.demand.spread_rate * dice.random())
        if day.weekday() in WEEKEND:
            waiting *= self.demand.weekend_rate
        demand = int(waiting)
        left, rest, factor = min(allowance, demand), 1.0, self._day_factor(subject, day)
        found: dict[str, DayCounts] = {}
        named: dict[str, int] = {}
        for provider, share, rates in self.truths[subject].by_provider(self.number(day)) if left else ():
            if factor != 1.0:
                rates = replace(rates, bounce=min(rates.bounce * factor, 1.0))
            part = binomial(dice, left, min(share / rest, 1.0)) if share < rest - 1e-9 else left
            left, rest = left - part, rest - share
            if sent := min(part, (bounds or {}).get(provider, part)):
                found[provider] = _fate(dice, day, sent, rates)
                if count := binomial(dice, found[provider].blocked, rates.named):
                    named[provider] = count
        reports = tuple(self._reports(dice, day, found))
        found = {
            name: replace(counts, complained=0) if counts.complained else counts
            for name, counts in found.items()
        }
        return Mail(demand, total(found.values(), day, day), found, named, reports)

    def _day_factor(self, subject: str, day: date) -> float:
        """What the day makes of the IP's own bounce rate: 1 on average."""
        mean = self.truths[subject].kind.on(self.number(day)).bounce
        if not self.bounce_deviation or not mean:
            return 1.0
        shape = (mean / self.bounce_deviation) ** 2
        dice = random.Random(f"{self.seed}/{subject}/{day.toordinal()}/rate")  # noqa: S311
        return dice.gammavariate(shape, 1 / shape)

    def _reports(self, dice: random.Random, day: date, found: Mapping[str, DayCounts]) -> Iterator[Report]:
        """When the complaints of a day become known, and how."""
        late = self.reports.late_days
        for provider, counts in found.items():
            left = 0 if provider in self.reports.silent else counts.complained
            for days in range(late + 1):
                some = binomial(dice, left, 1 / (late + 1 - days)) if days < late else left
                undated = binomial(dice, some, self.reports.undated_rate)
                left -= some
                known = day + timedelta(days=days)
                for count, dated in ((some - undated, True), (undated, False)):
                    if count:
                        yield Report(provider, day, known, count, dated)


def _fate(dice: random.Random, day: date, sent: int, rates: TrueRates) -> DayCounts:
    blocked = binomial(dice, sent, rates.block)
    failed = binomial(dice, sent - blocked, rates.bounce)
    throttling_deferrals = binomial(dice, sent, rates.pressure)
    return DayCounts(
        day=day,
        delivered=sent - blocked - failed,
        bounced=blocked + failed,
        deferred=throttling_deferrals + binomial(dice, sent, rates.deferral),
        complained=binomial(dice, sent - blocked - failed, rates.complaint),
        blocked=blocked,
        throttling_deferrals=throttling_deferrals,
        unknown_users=failed,
    )
