"""When an IP will be active, and its domain's own warm-up over, where both have a ladder: the lesser of both is sent each day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

from email_engine.fleet.model import IpRecord
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import DomainStep


@dataclass(frozen=True, slots=True)
class Climb:
    """Where an IP goes on: its first day to be sent, the phase then, and days of it that were sent before."""

    start: date
    phase: int
    sent_days: int = 0
    slowed: bool = False
    """Did the days before `start` go at a lower speed? Then the phase may end with the last of them."""


@dataclass(frozen=True, slots=True)
class DomainForecast:
    """`graduates_on`: the first UTC day on which the IP will be active, None if it does not warm; `words`: that its domain binds it
    now, and until when at the earliest, a clause; None where it does not."""

    graduates_on: date | None
    words: str | None


def domain_forecast(
    ip: IpRecord,
    step: DomainStep,
    volumes: Sequence[int],
    climb: Climb | None,
    policy: Policy,
    effective: date,
) -> DomainForecast:
    """If every day from now on is sent in full and nothing stops. `volumes`: messages a UTC day of each phase; `climb`: None for an
    IP that is active. Raises ValueError for a domain without a warm-up of its own."""
    if step.after is None:
        raise ValueError(f"{ip.domain} has no warm-up of its own")
    asked = max(policy.schedules[ip.schedule].sent_days, 1)
    domain = _Ladder(min(step.after.phase, len(volumes)), step.sent_days)
    own = _Ladder(min(climb.phase, len(volumes)), climb.sent_days) if climb else _Ladder(len(volumes) + 1)
    day = climb.start if climb else effective
    graduates = ends = None
    while ends is None or (climb and graduates is None):
        most = min(ladder.volume(volumes) for ladder in (own, domain))
        day += timedelta(days=1)
        for ladder in (own, domain):
            ladder.send(most, volumes, policy.sent_day_rate, asked)
        graduates = graduates or (day if own.phase > len(volumes) else None)
        ends = ends or (day if domain.phase > len(volumes) else None)
    words = (
        f"its domain {ip.domain} binds it to {step.volume} a day, in phase {step.after.phase} of its own warm-up, "
        f"which may end on {ends}"
    )
    return DomainForecast(graduates if climb else None, words if step.binds else None)


@dataclass(slots=True)
class _Ladder:
    """A warm-up in the days to come."""

    phase: int
    sent_days: int = 0

    def volume(self, volumes: Sequence[int]) -> int:
        """What is over bounds nothing, so the last phase stands for it."""
        return volumes[min(self.phase, len(volumes)) - 1]

    def send(self, messages: int, volumes: Sequence[int], rate: float, asked: int) -> None:
        """A day on which so many messages were sent."""
        if self.phase > len(volumes):
            return
        self.sent_days += messages >= ceil(rate * self.volume(volumes))
        if self.sent_days >= asked:
            self.phase, self.sent_days = self.phase + 1, 0
