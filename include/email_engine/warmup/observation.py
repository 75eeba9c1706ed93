"""What is known about one IP at the end of a UTC day: everything that a decision may look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import ClassVar

from email_engine.fleet.model import IpRecord, IpState
from email_engine.fleet.traffic import NO_DAYS, Days
from email_engine.reputation.named import NamedList

WINDOW_DAYS = 30
"""Mailbox providers remember about 30 days: older mail neither proves nor warms."""
PROVIDER_DAYS = 14
EARLIER_DAYS = 7
"""So many days before those are known where reports must be spread over them."""
"""How far back days are known by provider."""


class DnsHealth(StrEnum):
    """`unknown`: never checked, or too long ago."""

    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RateStop:
    """An earlier stop by rates: the UTC day from which on it stood still, and what stopped it (a gate, or `score`)."""

    day: date
    kind: str


@dataclass(frozen=True, slots=True)
class WorstMail:
    """What weighs most of an IP's bad mail by one gate, on the days that convince: `campaign` as its sender named it, with
    `campaign_bad` messages; `reply` in its normal form, with `reply_bad`, 0 where replies are not counted by IP. "" where nobody knows.
    Both are stored with the decision, so they hold only what may be shown (`quoted.harmless`)."""

    gate: str
    campaign: str = ""
    campaign_bad: int = 0
    reply: str = ""
    reply_bad: int = 0


@dataclass(frozen=True, slots=True)
class Opens:
    """Of the mail of some days: delivered, opened by a person, opened by machines alone; each recipient once."""

    delivered: int = 0
    opened: int = 0
    machine_opened: int = 0


@dataclass(frozen=True, slots=True)
class IpObservation:
    """One IP at the end of a day.

    `days`: its last 30 days of accounting up to the day, oldest first, days without any left out.
    `given`: the allowance in force on the day; `standing`: the one that would be in force on the day that is planned,
    if nothing were decided; both as last set, pauses and brakes aside.
    `fresh_through`: up to when the accounting of its host is known; None if it never was.
    `last_listed_at`: when a block list was last seen to hold it.
    `blocklists_known`: did block lists answer about it lately?
    `held_by`: who else holds its brake, None if nobody does or release was asked for.
    `quarantined_from`: in quarantine, the state in which it was stopped; `minor_listing`: was that one listing of little
    weight, alone in its pool, that ended meanwhile?
    `providers`: the last 14 of `days` by mailbox provider; `earlier`: the 7 days before, of providers with reports that do not say when
    the mail was sent; `peers`: the other IPs of its stream, summed by day; `domain`: likewise those of
    other streams whose DKIM domain has the same parent. `throttle_factors`: speed 0..1 that was left to a provider, or under `*` to the whole IP; what is
    not in it is not slowed; `slowed_on`: the UTC day on which each last lost speed; `last_stream_stop_at`: when it last paused for
    a problem of its stream. `bounds`: messages a UTC day for providers that may not have all, in force on the planned day if
    nothing were decided. `trouble`: why the signals of its host cannot be trusted, a clause; None if they can.
    `risen`: by kind (see `peers`), the others of its stream without the worst of them, where the stream as a whole shows it.
    `reporting`: providers that ever report complaints, None where nobody knows. `named`: block lists that receivers named lately;
    `many_named`: too many IPs at once for replies to prove anything. `stops`: its stops by rates lately, oldest first.
    `awaited`: in quarantine, what its listings still lack before it is released, in a few words: a named cause, a re-check; None if nothing.
    `dns_good_on`: in standby, the UTC day since which its DNS was good whenever it was looked at; None where nobody knows.
    `handover`: why MailWizz could not hand over its allowance on the day, as the quota sync found; None where it found nothing.
    `outages`: by provider, its mail of the time in which that provider had an outage of its own (`outages.py`): the unknown users of it are
    not believed; `days` and `providers` still hold them. `down`: those of them whose outage stands.
    `opens`: what was opened of the days that the policy `open_rate` looks at; None where nobody knows, or nobody asks.
    `worst`: what weighs most of its bad mail; it decides nothing, and is known only where something was decided."""

    __pydantic_config__: ClassVar = {"arbitrary_types_allowed": True}

    ip: IpRecord
    days: Days = NO_DAYS
    given: int = 0
    standing: int = 0
    fresh_through: datetime | None = None
    dns: DnsHealth = DnsHealth.UNKNOWN
    dns_broken: tuple[str, ...] = ()
    phase_started_on: date | None = None
    last_stop_at: datetime | None = None
    last_listed_at: datetime | None = None
    blocklists_known: bool = False
    held_by: str | None = None
    quarantined_from: IpState | None = None
    minor_listing: bool = False
    providers: Mapping[str, Days] = field(default_factory=dict)
    earlier: Mapping[str, Days] = field(default_factory=dict)
    peers: Days = NO_DAYS
    domain: Days = NO_DAYS
    throttle_factors: Mapping[str, float] = field(default_factory=dict)
    slowed_on: Mapping[str, date] = field(default_factory=dict)
    last_stream_stop_at: datetime | None = None
    bounds: Mapping[str, int] = field(default_factory=dict)
    trouble: str | None = None
    risen: Mapping[str, Days] = field(default_factory=dict)
    reporting: frozenset[str] | None = None
    named: tuple[NamedList, ...] = ()
    many_named: bool = False
    stops: tuple[RateStop, ...] = ()
    worst: tuple[WorstMail, ...] = ()
    awaited: str | None = None
    dns_good_on: date | None = None
    handover: str | None = None
    opens: Opens | None = None
    outages: Mapping[str, Days] = field(default_factory=dict)
    down: tuple[str, ...] = ()

    @property
    def clean_since(self) -> datetime:
        """From when on a standby IP's clean days count: nothing held it since, and its DNS was good."""
        moments = [self.ip.state_since]
        if self.last_listed_at is not None:
            moments.append(self.last_listed_at)
        if self.dns_good_on is not None:
            moments.append(midnight(self.dns_good_on))
        return max(moments)

    @property
    def blamed(self) -> bool:
        """Did it stop by its own fault since its stage began?"""
        stopped, began = self.last_stop_at, self.phase_started_on
        return stopped is not None and (began is None or stopped.date() >= began)


@lru_cache(maxsize=1_000)
def midnight(day: date) -> datetime:
    """The moment at which a UTC day begins."""
    return datetime.combine(day, time(), UTC)


@lru_cache(maxsize=1_000)
def window(day: date) -> date:
    """The first of the days that end with this one."""
    return day - timedelta(days=WINDOW_DAYS - 1)


def evidence_since(observation: IpObservation, day: date) -> date:
    """The first day that counts for or against the IP at the end of `day`: of the last 30, since its stage began and its
    last stop."""
    first = window(day)
    if observation.phase_started_on:
        first = max(first, observation.phase_started_on)
    return stop_since(first, observation.last_stop_at, observation.last_stream_stop_at)


def parent_domain(domain: str) -> str:
    """What the DKIM domains of one sender have in common: all but the first of three labels or more."""
    _, _, parent = domain.partition(".")
    return parent if "." in parent else domain


def complaints_since(observation: IpObservation, day: date, late_days: int) -> date:
    """The first day whose complaints count: they come `late_days` late, so those of the days before its stage count too."""
    first = window(day)
    if observation.phase_started_on:
        first = max(first, observation.phase_started_on - timedelta(days=late_days))
    return stop_since(first, observation.last_stop_at, observation.last_stream_stop_at)


def stop_since(first: date, *stops: datetime | None) -> date:
    """`first`, or the day of a later stop: what was before it is paid for, or was not the IP's."""
    for stop in stops:
        if stop:
            first = max(first, stop.date())
    return first
