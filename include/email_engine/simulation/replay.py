"""A replay: real accounting through the decisions. Nothing binds: what was sent was sent, whatever would have been allowed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from email_engine.fleet.model import Fleet
from email_engine.fleet.traffic import DayCounts, total
from email_engine.reputation.named import NamedList
from email_engine.simulation.days import IpDay, close_day, tell
from email_engine.simulation.life import Life, begin, late_mail, sent_on, told_of
from email_engine.simulation.truth import Report
from email_engine.warmup.observation import midnight
from email_engine.warmup.policy import Policy

NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Accounting:
    """What accounting files say. `traffic`: counts by address, UTC day and mailbox provider; `known`: for each MTA host and day with
    mail, up to when its accounting goes; `named`: block lists that replies named, by address and day; `reports`: complaints by
    address and the day on which they became known."""

    traffic: Mapping[str, Mapping[date, Mapping[str, DayCounts]]]
    known: Mapping[str, Mapping[date, datetime]]
    named: Mapping[str, Mapping[date, Sequence[NamedList]]] = field(default_factory=dict)
    reports: Mapping[str, Mapping[date, Sequence[Report]]] = field(default_factory=dict)


def replay(
    fleet: Fleet,
    policy: Policy,
    files: Accounting,
    late: Mapping[date, Accounting] = NOTHING,
) -> Iterator[IpDay]:
    """Each IP's every day from the first to the last with mail, as the engine would have decided it.

    The fleet begins in the states of its file. A day is decided by what was logged up to its end, and had arrived: `late` is what
    other files say, by the UTC day on which they arrived. On days of which nothing is known, and on a last day that ends early, the IPs of
    a host hold. Block lists cannot be asked about the past; DNS is taken as right: accounting does not know it.

    Raises `InputError` if an IP's schedule is not in the policy."""
    every = [day for some in (files, *late.values()) for days in some.traffic.values() for day in days]
    if not every:
        return
    day, last = min(every), max([*every, *late])
    eve = day - timedelta(days=1)
    lives = tuple(life for life, _ in close_day(begin(fleet, day), fleet, policy, eve, {}))
    while day <= last:
        evening = [
            told_of(
                sent_on(
                    life, total(mail.values(), day, day), mail, files.named.get(address, {}).get(day, ())
                ),
                files.reports.get(address, {}).get(day, ()),
                day,
            )
            for life in lives
            for address in [str(life.ip.address)]
            for mail in [files.traffic.get(address, {}).get(day, {})]
        ]
        if day in late:
            evening = [_arrived(life, late[day], day) for life in evening]
        arrived = [files, *(some for on, some in late.items() if on <= day)]
        fresh = {
            host: until
            for host in {host for some in arrived for host in some.known}
            if (until := _known_until([some.known.get(host, {}) for some in arrived], day))
        }
        closed = close_day(evening, fleet, policy, day, fresh, binding=False, ask=False)
        for morning, (_, ip_decision) in zip(lives, closed, strict=True):
            yield tell(morning, ip_decision, policy, day)
        lives = tuple(life for life, _ in closed)
        day += timedelta(days=1)


def _arrived(life: Life, files: Accounting, day: date) -> Life:
    """With what came late: it counts on the days of its mail."""
    address = str(life.ip.address)
    for mailed, mail in sorted(files.traffic.get(address, {}).items()):
        named = files.named.get(address, {}).get(mailed, ())
        life = late_mail(life, total(mail.values(), mailed, mailed), mail, named, day)
    for _, reports in sorted(files.reports.get(address, {}).items()):
        life = told_of(life, reports, day)
    return life


def _known_until(several: Sequence[Mapping[date, datetime]], day: date) -> datetime | None:
    """What is known at the end of the day. A day that has mail is known whole if a later one has mail too."""
    every = [item for days in several for item in days.items()]
    until = max((one for one, _ in every if one <= day), default=None)
    if until is None:
        return None
    if until < max(one for one, _ in every):
        return midnight(until + timedelta(days=1))
    return max(known for one, known in every if one == until)
