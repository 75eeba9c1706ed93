"""A provider that calls half of its users unknown within hours has an outage of its own: its answers are not believed then."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from email_engine.fleet.providers import OTHER
from email_engine.suppression.policy import OutagePolicy

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ProviderHour:
    """What all IPs met at one mailbox provider in an hour that begins at `hour` (aware UTC). `unknown`: recipients bounced because of
    their address; `settled`: recipients delivered or bounced."""

    provider: str
    hour: datetime
    unknown: int
    settled: int


@dataclass(frozen=True, slots=True)
class Outage:
    """From the first to the end of the last hour with false answers; `over`: no such hour followed for a whole window."""

    provider: str
    start: datetime
    end: datetime
    over: bool

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def covers(self, at: datetime) -> bool:
        return self.start <= at < self.end


class Belief(StrEnum):
    """What becomes of a hard bounce: it counts; it waits for the outage's end; or that outage excused it."""

    BELIEVED = "believed"
    HELD = "held"
    EXCUSED = "excused"


def find_outages(
    hours: Iterable[ProviderHour], policy: OutagePolicy, as_of: datetime
) -> Mapping[str, tuple[Outage, ...]]:
    """By provider, in order of time. Any `hours` or fewer hours on end tell one, where the share of unknown users is `unknown_rate` or
    more and their number `least`; those of them belong to it whose own share is as high. Unlike domains that no provider claims have none
    in common: `other` has no outage."""
    by_provider: dict[str, list[ProviderHour]] = {}
    for one in hours:
        if one.provider != OTHER:
            by_provider.setdefault(one.provider, []).append(one)
    return {
        provider: found
        for provider, rows in by_provider.items()
        if (found := _of_provider(provider, sorted(rows, key=lambda row: row.hour), policy, as_of))
    }


def _of_provider(
    provider: str, rows: Sequence[ProviderHour], policy: OutagePolicy, as_of: datetime
) -> tuple[Outage, ...]:
    window = policy.hours * HOUR
    bad: set[datetime] = set()
    for last, row in enumerate(rows):
        unknown = settled = 0
        for each in reversed(rows[: last + 1]):
            if each.hour <= row.hour - window:
                break
            unknown, settled = unknown + each.unknown, settled + each.settled
            if unknown >= policy.least and unknown >= policy.unknown_rate * settled:
                bad.update(
                    one.hour for one in rows if each.hour <= one.hour <= row.hour and _is_bad(one, policy)
                )
    found: list[Outage] = []
    for hour in sorted(bad):
        start = hour
        if found and hour - found[-1].end < window:
            start = found.pop().start
        end = hour + HOUR
        found.append(Outage(provider, start, end, as_of >= end + window))
    return tuple(found)


def _is_bad(row: ProviderHour, policy: OutagePolicy) -> bool:
    return row.unknown >= policy.unknown_rate * max(row.settled, 1)


def believe(
    at: datetime, outages: Sequence[Outage], policy: OutagePolicy, excused_at: datetime | None
) -> Belief:
    """Whether a hard bounce of the time `at` says something about its address.

    `excused_at`: when an outage excused the same address before: it does so once, so that a list of dead addresses, which looks alike,
    is found at its next mailing. What lasts longer than `longest_hours` is no outage."""
    outage = next((one for one in outages if one.covers(at)), None)
    if outage is None or outage.length > policy.longest_hours * HOUR:
        return Belief.BELIEVED
    if excused_at is not None and at - excused_at >= policy.hours * HOUR:
        return Belief.BELIEVED
    return Belief.EXCUSED if outage.over else Belief.HELD
