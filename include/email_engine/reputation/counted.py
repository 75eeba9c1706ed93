"""Which of an IP's mail counts for complaints, blocks and pressure, by mailbox provider: of one IP, and of a fleet as tables."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from email_engine.fleet.traffic import NO_DAYS, Column, Days, column
from email_engine.reputation.complaints import on_days_of_mail, reporting
from email_engine.reputation.provider_days import Integers, ProviderDays

EVERY = "*"
NOTHING = column((0,))
NO_PROVIDERS: Mapping[str, Days] = MappingProxyType({})


class Basis(NamedTuple):
    """What one IP is judged by. `first`: the UTC day from which its mail counts; `days`: its days from then on; `complaints_first`: the
    day from which complaints count, which come late; `mailed`: days that may tell of a bad recipient list; `providers`: its days by
    mailbox provider, all of them under `other` where nobody knows; `reporting`: providers that ever report complaints, None where
    nobody knows; `peers`: the other IPs of its stream, summed by day; `earlier`: days before those of `providers`, over which
    reports are spread."""

    first: date
    days: Days
    complaints_first: date
    mailed: Days
    providers: Mapping[str, Days]
    reporting: frozenset[str] | None
    peers: Days
    earlier: Mapping[str, Days] = NO_PROVIDERS


class Row(NamedTuple):
    """Days of one IP at one provider, or together: `bad` of `messages`; `day` names them."""

    day: Sequence[date]
    bad: Column
    messages: Column


class Counted(NamedTuple):
    """`bad` of `messages`: tables with the rows of a ProviderDays; `together`: the same by IP."""

    bad: Integers
    messages: Integers
    together: tuple[Integers, Integers]


def complained_of(rows: ProviderDays, fleet: Sequence[Basis], late_days: int) -> Counted:
    """`complaint_rows` of the whole fleet."""
    complained, delivered = rows.table("complained").copy(), rows.table("delivered")
    ever: list[bool] = np.asarray(complained.any(1)).tolist()
    astray = (complained > delivered).any(1) | (rows.table("undated_complaints").any(1) & complained.any(1))
    for row in np.flatnonzero(astray).tolist():
        earlier = fleet[rows.place[row]].earlier.get(rows.name[row], NO_DAYS)
        rows.replace(complained, row, on_days_of_mail(rows.days[row], late_days, earlier))
    known = [basis.reporting for basis in fleet]
    reports = [
        complains if (named := known[place]) is None else name in named
        for place, name, complains in zip(rows.place, rows.name, ever, strict=True)
    ]
    counts = rows.since([basis.complaints_first for basis in fleet]) & np.array(reports, bool)[:, None]
    bad, messages = complained * counts, delivered * counts
    return Counted(bad, messages, (rows.together(bad), rows.together(messages)))


def blocked_of(rows: ProviderDays, fleet: Sequence[Basis]) -> Counted:
    """`block_rows` of the whole fleet."""
    some = [any(basis.days.blocked) for basis in fleet]
    counts = rows.since([basis.first for basis in fleet]) & np.array(some, bool)[rows.places][:, None]
    bad, messages = rows.table("blocked") * counts, rows.table("sent") * counts
    whole = rows.together(messages)
    for place, any_blocked in enumerate(some):
        if not any_blocked:
            whole[place, -1] = sum(fleet[place].days.sent)
    return Counted(bad, messages, (rows.together(bad), whole))


def pressing_of(rows: ProviderDays, fleet: Sequence[Basis], since: date) -> Counted:
    """`pressure_rows` of the whole fleet, with a column for each day from `since` on."""
    counts = rows.since([basis.first for basis in fleet])
    bad, messages = (
        rows.between(rows.table(count) * counts, since, date.max) for count in ("pressure", "attempts")
    )
    return Counted(bad, messages, (rows.together(bad), rows.together(messages)))


def complaint_rows(basis: Basis, late_days: int) -> dict[str, Row]:
    """Complaints of delivered messages by provider that reports."""
    found = {}
    for name in reporting(basis.providers, basis.reporting):
        days = basis.providers[name]
        at = days.since(basis.complaints_first)
        complained = on_days_of_mail(days, late_days, basis.earlier.get(name, NO_DAYS))
        found[name] = Row(days.day[at:], complained[at:], days.delivered[at:])
    return found


def block_rows(basis: Basis) -> dict[str, Row]:
    """Blocks of messages that came to an end, by provider; under one name for all where there are none."""
    found: dict[str, Row] = {}
    if not any(basis.days.blocked):
        return {EVERY: Row((), NOTHING, column((sum(basis.days.sent),)))}
    for name, days in basis.providers.items():
        at = days.since(basis.first)
        found[name] = Row(days.day[at:], days.blocked[at:], days.sent[at:])
    return found


def pressure_rows(basis: Basis, since: date) -> dict[str, Row]:
    """Deferrals and blocks, and the attempts that they are of, by provider."""
    found = {}
    for name, days in sorted(basis.providers.items()):
        at = days.since(max(basis.first, since))
        found[name] = Row(days.day[at:], days.pressure[at:], days.attempts[at:])
    return found


def together(rows: Mapping[str, Row], but: Collection[str] = ()) -> Row:
    """The sum of several providers by day; where nothing is bad, one row of all messages says the same."""
    some = [row for name, row in rows.items() if name not in but]
    if len(some) == 1:
        return some[0]
    if not any(map(any, [row.bad for row in some])):
        return Row((), NOTHING, column((sum([sum(row.messages) for row in some]),)))
    first = some[0].day
    if all(map(first.__eq__, [row.day for row in some])):
        wrong, whole = (
            column(map(sum, zip(*columns, strict=True)))
            for columns in ([row.bad for row in some], [row.messages for row in some])
        )
        return Row(first, wrong, whole)
    sums: dict[date, list[int]] = defaultdict(lambda: [0, 0])
    for row in some:
        for day, bad, messages in zip(*row, strict=True):
            sums[day][0] += bad
            sums[day][1] += messages
    days = sorted(sums)
    return Row(days, column(sums[day][0] for day in days), column(sums[day][1] for day in days))
