"""Outages of mailbox providers: one that calls half of its users unknown for hours or days. Those bounces say nothing about the IPs
that sent, so the judgement leaves them out and holds that provider alone. What is an outage, and what a bad recipient list, which has
unknown users at every provider, is told here from the counts of all IPs together."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from email_engine.fleet.providers import OTHER
from email_engine.fleet.traffic import NO_DAYS, DayCounts, Days, by_day
from email_engine.suppression.outage import FoundOutages, Outages, SenderMail, takes_others_mail
from email_engine.suppression.policy import OutagePolicy
from email_engine.warmup.observation import IpObservation

LASTS = 0.5
"""Once an outage is known, each day with mail whose share of unknown users is this part of the policy's belongs to it: a few
messages that try the provider would never be enough to find it."""
FEWEST = 2
"""Unknown users that make a day belong to an outage that is known."""


class OutageSpan(NamedTuple):
    """Time (aware UTC, `end` excluded) in which a provider's "no such user" is not believed; `stands`: it is not over yet."""

    start: datetime
    end: datetime
    stands: bool


Spans = Mapping[str, tuple[OutageSpan, ...]]
"""By provider, in order of time."""
NO_SPANS: Spans = MappingProxyType({})


def doubtful_days(sums: Mapping[str, Days], policy: OutagePolicy) -> list[tuple[str, date]]:
    """Provider and UTC day on which hours are worth a look: half of an outage's unknown users, for it may lie at both sides of midnight.
    The share of a day says nothing about its hours: in a large fleet an outage of one is lost in it."""
    return [
        (name, day)
        for name, days in sums.items()
        if name != OTHER
        for day, unknown in zip(days.day, days.unknown_users, strict=True)
        if 2 * unknown >= policy.least
    ]


def spans_of(
    sums: Mapping[str, Days],
    policy: OutagePolicy,
    limit: float,
    as_of: datetime,
    found: FoundOutages | None = None,
    mail_on: Callable[[str, date], Iterable[SenderMail]] = lambda provider, day: (),
) -> dict[str, tuple[OutageSpan, ...]]:
    """The outages that all IPs together show.

    Args:
        sums: the mail of all IPs by provider and UTC day.
        limit: the rate (0..1) up to which unknown users are usual. On a day on which the mail to all other providers is above it, or is
            too little to tell, nothing is an outage: the recipients are bad.
        as_of: aware UTC; up to when the mail is known.
        found: what the hours of the `doubtful_days` show. Without them a day counts as a whole.
        mail_on: the mail to a provider on a UTC day by IP; asked where a day counts as a whole."""
    outage_days: dict[str, dict[date, list[OutageSpan]]] = {}
    disproved: dict[str, set[date]] = {}
    if found is None:
        for name, day in doubtful_days(sums, policy):
            counts = sums[name].on(day)
            if counts.unknown_users < max(policy.least, policy.unknown_rate * counts.sent):
                continue
            if takes_others_mail(mail_on(name, day), policy, limit):
                disproved.setdefault(name, set()).add(day)
            else:
                outage_days.setdefault(name, {})[day] = [_whole(day, as_of)]
    else:
        for name, span in _spans(found.outages):
            outage_days.setdefault(name, {}).setdefault(span.start.date(), []).append(span)
        for name, span in _spans(found.disproved):
            disproved.setdefault(name, set()).add(span.start.date())
    bad_days = {
        name: outage_days.get(name, {}).keys() | disproved.get(name, set())
        for name in (*outage_days, *disproved)
    }

    def believed_on(name: str, counts: DayCounts) -> bool:
        others = {each for each, days in bad_days.items() if counts.day in days} | {name}
        return _elsewhere_fine(counts.day, others, sums, policy, limit)

    def lasts(name: str, counts: DayCounts) -> bool:
        few = counts.unknown_users < max(LASTS * policy.unknown_rate * counts.sent, FEWEST)
        return not few and not takes_others_mail(mail_on(name, counts.day), policy, limit)

    spans = {
        name: _chained(
            sums.get(name, NO_DAYS), by, partial(believed_on, name), partial(lasts, name), policy, as_of
        )
        for name, by in outage_days.items()
    }
    return {name: some for name, some in spans.items() if some}


def _spans(outages: Outages) -> Iterable[tuple[str, OutageSpan]]:
    for name, some in outages.items():
        for one in some:
            for span in _by_day(OutageSpan(one.start, one.end, not one.over)):
                yield name, span


def _chained(
    days: Days,
    by: Mapping[date, Sequence[OutageSpan]],
    believed_on: Callable[[DayCounts], bool],
    lasts: Callable[[DayCounts], bool],
    policy: OutagePolicy,
    as_of: datetime,
) -> tuple[OutageSpan, ...]:
    """The outages of one provider by day, and the days that follow one. What follows without a good day between ends after
    `longest_hours`, those without mail not counted: it is no outage then, and is none until the provider knows its users again."""
    found: list[OutageSpan] = []
    until: datetime | None = None
    last: date | None = None
    for counts in days:
        if not counts.sent:
            continue
        if until is not None and last is not None and until > _whole(last, as_of).end:
            until += counts.day - last - timedelta(days=1)
        last = counts.day
        if not (counts.day in by or (until is not None and lasts(counts))) or not believed_on(counts):
            until = None
            continue
        spans = by.get(counts.day) or [_whole(counts.day, as_of)]
        until = until or spans[0].start + timedelta(hours=policy.longest_hours)
        found += [
            span if span.end <= until else OutageSpan(span.start, until, stands=False)
            for span in spans
            if span.start < until
        ]
    return tuple(found)


def _elsewhere_fine(
    day: date, bad: Collection[str], sums: Mapping[str, Days], policy: OutagePolicy, limit: float
) -> bool:
    unknown = sent = 0
    for name, days in sums.items():
        if name not in bad:
            counts = days.on(day)
            unknown, sent = unknown + counts.unknown_users, sent + counts.sent
    return sent >= policy.least and unknown <= limit * sent


def _whole(day: date, as_of: datetime) -> OutageSpan:
    start = datetime.combine(day, time(), UTC)
    end = start + timedelta(days=1)
    return OutageSpan(start, end, as_of <= end)


def _by_day(span: OutageSpan) -> Iterable[OutageSpan]:
    """Cut at midnight; what stands, stands on its last day."""
    start = span.start
    while start < span.end:
        midnight = datetime.combine(start.date() + timedelta(days=1), time(), UTC)
        yield OutageSpan(start, min(midnight, span.end), span.stands and midnight >= span.end)
        start = midnight


def sums_of(fleet: Iterable[Mapping[str, Days]]) -> dict[str, Days]:
    """The mail of several IPs by provider and day."""
    parts: dict[str, list[Days]] = {}
    for providers in fleet:
        for name, days in providers.items():
            parts.setdefault(name, []).append(days)
    return {name: by_day(some) for name, some in parts.items()}


def met(spans: Spans, providers: Mapping[str, Days]) -> dict[str, Days]:
    """One IP's mail of whole days within the spans, by provider."""
    found = {}
    for name, some in spans.items():
        within = {span.start.date() for span in some}
        days = Days.of(counts for counts in providers.get(name, ()) if counts.day in within)
        if any(days.unknown_users):
            found[name] = days
    return found


def down(spans: Spans, outages: Mapping[str, Days], limit: float) -> tuple[str, ...]:
    """The providers whose outage stands and hits one IP, whose mail within the spans is `outages`."""
    found = []
    for name, days in outages.items():
        standing = {span.start.date() for span in spans.get(name, ()) if span.stands}
        hit = [counts for counts in days if counts.day in standing]
        unknown = sum(counts.unknown_users for counts in hit)
        if unknown >= FEWEST and unknown > limit * sum(counts.sent for counts in hit):
            found.append(name)
    return tuple(sorted(found))


def without_outages(days: Days, outages: Mapping[str, Days]) -> Days:
    """The days without the unknown users of outages, as if those messages had not been sent."""
    if not outages:
        return days
    struck = by_day(outages.values())
    unknown = dict(zip(struck.day, struck.unknown_users, strict=True))
    if not any(unknown.get(day) for day in days.day):
        return days
    return Days.of(_less(counts, unknown.get(counts.day, 0)) for counts in days)


def _less(counts: DayCounts, unknown: int) -> DayCounts:
    unknown = min(unknown, counts.unknown_users)
    return replace(counts, bounced=counts.bounced - unknown, unknown_users=counts.unknown_users - unknown)


def believed(seen: IpObservation) -> IpObservation:
    """What may be judged of an IP: its mail without the unknown users of outages."""
    if not seen.outages:
        return seen
    providers = {
        name: without_outages(days, {name: seen.outages[name]}) if name in seen.outages else days
        for name, days in seen.providers.items()
    }
    return replace(seen, days=without_outages(seen.days, seen.outages), providers=providers)
