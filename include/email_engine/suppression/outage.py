"""A provider that calls half of its users unknown within hours has an outage of its own: its answers are not believed then."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from email_engine.fleet.providers import OTHER
from email_engine.suppression.policy import OutagePolicy

HOUR = timedelta(hours=1)
EXCUSED_FOR = timedelta(days=45)
"""A provider may have another outage later. A list of dead addresses that is mailed less often is told by the mail of others, which the provider
takes meanwhile (`takes_others_mail`)."""


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
    """From the first to the end of the last hour with false answers, which are `hours`; `over`: no such hour followed for a whole window."""

    provider: str
    start: datetime
    end: datetime
    over: bool
    hours: tuple[datetime, ...] = ()

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def covers(self, at: datetime) -> bool:
        return self.start <= at < self.end


Outages = Mapping[str, tuple[Outage, ...]]
"""By provider, in order of time."""


@dataclass(frozen=True, slots=True)
class SenderMail:
    """What one IP met at one mailbox provider in some hours; counts as in `ProviderHour`."""

    tenant: str
    stream: str
    ip: str
    unknown: int
    settled: int


@dataclass(frozen=True, slots=True)
class FoundOutages:
    """`disproved`: half of the users were unknown, and the provider took other senders' mail meanwhile: bad recipient lists."""

    outages: Outages
    disproved: Outages


class Belief(StrEnum):
    """What becomes of a hard bounce: it counts; it waits for the outage's end; or that outage excused it."""

    BELIEVED = "believed"
    HELD = "held"
    EXCUSED = "excused"


def find_outages(hours: Iterable[ProviderHour], policy: OutagePolicy, as_of: datetime) -> Outages:
    """Any `hours` or fewer hours on end tell one, where the share of unknown users is `unknown_rate` or
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
    found: list[list[datetime]] = []
    for hour in sorted(bad):
        if found and hour - found[-1][-1] < window + HOUR:
            found[-1].append(hour)
        else:
            found.append([hour])
    return tuple(
        Outage(provider, some[0], some[-1] + HOUR, as_of >= some[-1] + HOUR + window, tuple(some))
        for some in found
    )


def _is_bad(row: ProviderHour, policy: OutagePolicy) -> bool:
    return row.unknown >= policy.unknown_rate * max(row.settled, 1)


def tell_apart(
    outages: Outages, mail_of: Callable[[Outage], Iterable[SenderMail]], policy: OutagePolicy, limit: float
) -> FoundOutages:
    """Outages, and those that the mail of the same hours disproves. `limit`: see `takes_others_mail`."""
    kept: dict[str, tuple[Outage, ...]] = {}
    disproved: dict[str, tuple[Outage, ...]] = {}
    for provider, some in outages.items():
        for outage in some:
            into = disproved if takes_others_mail(mail_of(outage), policy, limit) else kept
            into[provider] = (*into.get(provider, ()), outage)
    return FoundOutages(kept, disproved)


def takes_others_mail(mail: Iterable[SenderMail], policy: OutagePolicy, limit: float) -> bool:
    """Whether a provider knows the recipients of others than those who meet so many unknown users: it has no outage then.

    Others are all tenants, all streams, or all IPs but the one with the most unknown users, and but those whose own mail looks like an
    outage: together they have `least` messages or more, and a share of unknown users up to `limit` (0..1), which is usual."""
    by_tenant: dict[object, list[int]] = {}
    by_stream: dict[object, list[int]] = {}
    by_ip: dict[object, list[int]] = {}
    for one in mail:
        for by, who in (
            (by_tenant, one.tenant),
            (by_stream, (one.tenant, one.stream)),
            (by_ip, one.ip),
        ):
            counts = by.setdefault(who, [0, 0])
            counts[0] += one.unknown
            counts[1] += one.settled
    return any(_others_fine(list(by.values()), policy, limit) for by in (by_tenant, by_stream, by_ip))


def _others_fine(counts: Sequence[list[int]], policy: OutagePolicy, limit: float) -> bool:
    others = [
        (unknown, settled)
        for unknown, settled in sorted(counts)[:-1]
        if unknown < policy.least or unknown < policy.unknown_rate * settled
    ]
    settled = sum(each[1] for each in others)
    return settled >= policy.least and sum(each[0] for each in others) <= limit * settled


def believe(
    at: datetime, outages: Sequence[Outage], policy: OutagePolicy, excused_at: datetime | None
) -> Belief:
    """Whether a hard bounce of the time `at` says something about its address.

    `excused_at`: when an outage excused the same address before: it does so once in `EXCUSED_FOR`, so that a list of dead addresses,
    which looks alike, is found at its next mailing. What lasts longer than `longest_hours` is no outage."""
    outage = next((one for one in outages if one.covers(at)), None)
    if outage is None or outage.length > policy.longest_hours * HOUR:
        return Belief.BELIEVED
    if excused_at is not None and policy.hours * HOUR <= at - excused_at <= EXCUSED_FOR:
        return Belief.BELIEVED
    return Belief.EXCUSED if outage.over else Belief.HELD
