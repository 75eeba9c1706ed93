"""What a simulation is told of the world: the true rates of each kind of IP, the demand, and what happens when."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum


class Fault(StrEnum):
    """Whose doing an event is. Only `ip` makes an IP truly bad: stopping one for a list or a provider is a false stop."""

    IP = "ip"
    LIST = "list"
    PROVIDER = "provider"


class Begin(StrEnum):
    """`fleet`: in the states of the fleet file; `warming`: every IP in phase 1 of its schedule."""

    FLEET = "fleet"
    WARMING = "warming"


@dataclass(frozen=True, slots=True)
class TrueRates:
    """What really happens to a message (ratios): a hard bounce that means the address, a block (a bounce too, that means the
    IP's reputation), a complaint about a delivered one, a deferral before its end, and `pressure`: a deferral that speaks of
    rate or reputation. `named`: part of the blocks whose text names a block list."""

    bounce: float = 0.0
    complaint: float = 0.0
    deferral: float = 0.0
    block: float = 0.0
    pressure: float = 0.0
    named: float = 0.0

    def worse_of(self, other: "TrueRates") -> "TrueRates":
        return TrueRates(*(max(getattr(self, name), getattr(other, name)) for name in RATES))

    @property
    def failure(self) -> float:
        """Share of messages that accounting calls bounced."""
        return self.block + (1 - self.block) * self.bounce


RATES = tuple(field.name for field in fields(TrueRates))


@dataclass(frozen=True, slots=True)
class IpKind:
    """A part of the fleet (`share` 0..1) with rates on day 1 and what each day adds to them."""

    name: str
    share: float
    rates: TrueRates
    daily: TrueRates = TrueRates()

    def on(self, number: int) -> TrueRates:
        """Rates on the day `number` of the simulation, 1 first."""
        if self.daily == TrueRates():
            return self.rates
        days = number - 1
        return TrueRates(
            *(min(getattr(self.rates, name) + days * getattr(self.daily, name), 1.0) for name in RATES)
        )


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that befalls a `share` of the IPs (at least one) for `days` days from day `day` on.

    `same_as`: an earlier one, whose IPs it befalls. `provider`: only mail to it. `rates`: at least so bad. `listed_days`: a trap was hit on the first day, a block list
    holds the IP for so long; 0 for none."""

    name: str
    fault: Fault
    day: int
    days: int
    share: float = 1.0
    provider: str | None = None
    rates: TrueRates = TrueRates()
    listed_days: int = 0
    same_as: str | None = None

    def on(self, number: int) -> bool:
        return self.day <= number < self.day + self.days


@dataclass(frozen=True, slots=True)
class DomainChange:
    """On the morning of the day `day` a `share` of the IPs (at least one) get another domain."""

    day: int
    share: float


@dataclass(frozen=True, slots=True)
class Demand:
    """Messages a UTC day that wait for each IP. `weekend_rate`: part of it on Saturday and Sunday; `spread_rate`: a day
    brings up to this part less, by chance."""

    messages: int = 20_000
    weekend_rate: float = 1.0
    spread_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Reports:
    """How complaints become known: up to `late_days` days after the mail, each as likely; `undated_rate` (0..1) of the reports do not
    tell when it was sent. `silent`: providers that never report."""

    late_days: int = 0
    undated_rate: float = 0.0
    silent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Scenario:
    """`providers`: shares of the mail, 1 in all. `bounce_deviation`: standard deviation of the day's bounce rate around an IP's own
    (Gamma; a ratio). `expects`: what a careful administrator would want to see, "" where nobody says; `pool`: so many sending IPs of each
    stream are played, 0 for the whole fleet. `bounce_limit`, `complaint_limit`: above them an IP is truly bad, whatever a
    policy believes."""

    title: str
    begin: Begin
    providers: Mapping[str, float]
    kinds: tuple[IpKind, ...]
    demand: Demand = Demand()
    happenings: tuple[Happening, ...] = ()
    reports: Reports = Reports()
    bounce_deviation: float = 0.0
    expects: str = ""
    pool: int = 0
    domain_changes: tuple[DomainChange, ...] = ()
    bounce_limit: float = 0.05
    complaint_limit: float = 0.001
