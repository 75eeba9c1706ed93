"""A replay: real accounting through the decisions. Nothing binds: what was sent was sent, whatever would have been allowed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from email_engine.fleet.model import Fleet
from email_engine.fleet.traffic import DayCounts, total
from email_engine.reputation.named import NamedList
from email_engine.simulation.days import IpDay, close_day, tell
from email_engine.simulation.life import begin, sent_on, told_of
from email_engine.simulation.truth import Report
from email_engine.warmup.observation import midnight
from email_engine.warmup.policy import Policy

NOTHING: Mapping[str, Any] = MappingProxyType({})


def replay(
    fleet: Fleet,
    policy: Policy,
    traffic: Mapping[str, Mapping[date, Mapping[str, DayCounts]]],
    known: Mapping[str, Mapping[date, datetime]],
    named: Mapping[str, Mapping[date, Sequence[NamedList]]] = NOTHING,
    reports: Mapping[str, Mapping[date, Sequence[Report]]] = NOTHING,
) -> Iterator[IpDay]:
    """Each IP's every day from the first to the last of `traffic` (by address, day and mailbox provider), as the engine
    would have decided it.

    The fleet begins in the states of its file. `known`: for each MTA host and day with mail, up to when its accounting goes;
    on days without any, and on a last day that ends early, its IPs hold. `named`: block lists that replies named, by address and
    day; they cannot be asked about the past. `reports`: complaints by address and the day on which they were logged; a day is decided by what
    was logged up to its end. DNS is taken as right: accounting does not know it.

    Raises `InputError` if an IP's schedule is not in the policy."""
    every = [day for days in traffic.values() for day in days]
    if not every:
        return
    day, last = min(every), max(every)
    eve = day - timedelta(days=1)
    lives = tuple(life for life, _ in close_day(begin(fleet, day), fleet, policy, eve, {}))
    while day <= last:
        evening = [
            told_of(
                sent_on(life, total(mail.values(), day, day), mail, named.get(address, {}).get(day, ())),
                reports.get(address, {}).get(day, ()),
                day,
            )
            for life in lives
            for address in [str(life.ip.address)]
            for mail in [traffic.get(address, {}).get(day, {})]
        ]
        fresh = {host: until for host, days in known.items() if (until := _known_until(days, day))}
        closed = close_day(evening, fleet, policy, day, fresh, binding=False, ask=False)
        for morning, (_, ip_decision) in zip(lives, closed, strict=True):
            yield tell(morning, ip_decision, policy, day)
        lives = tuple(life for life, _ in closed)
        day += timedelta(days=1)


def _known_until(days: Mapping[date, datetime], day: date) -> datetime | None:
    """What is known at the end of the day. A day that has mail is known whole if a later one has mail too."""
    until = max((one for one in days if one <= day), default=None)
    if until is None:
        return None
    return midnight(until + timedelta(days=1)) if until < max(days) else days[until]
