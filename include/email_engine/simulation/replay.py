"""A replay: real accounting through the decisions. Nothing binds: what was sent was sent, whatever would have been allowed."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

from email_engine.fleet.model import Fleet
from email_engine.fleet.traffic import DayCounts
from email_engine.simulation.days import IpDay, close_day, tell
from email_engine.simulation.life import begin, sent_on
from email_engine.warmup.observation import midnight
from email_engine.warmup.policy import Policy


def replay(
    fleet: Fleet,
    policy: Policy,
    traffic: Mapping[str, Mapping[date, DayCounts]],
    known_until: Mapping[str, datetime],
) -> Iterator[IpDay]:
    """Each IP's every day from the first to the last of `traffic` (by address), as the engine would have decided it.

    The fleet begins in the states of its file. `known_until`: up to when the accounting of each MTA host goes; later days
    of its IPs hold, as days without accounting do. Block lists and DNS are taken as right: accounting does not know them.

    Raises `InputError` if an IP's schedule is not in the policy."""
    every = [day for days in traffic.values() for day in days]
    if not every:
        return
    day, last = min(every), max(every)
    eve = day - timedelta(days=1)
    known = {host.name: known_until[host.name] for host in fleet.mta_hosts if host.name in known_until}
    lives = tuple(life for life, _ in close_day(begin(fleet, day), fleet, policy, eve, {}))
    while day <= last:
        evening = [
            sent_on(life, traffic.get(str(life.ip.address), {}).get(day, DayCounts(day))) for life in lives
        ]
        end = midnight(day + timedelta(days=1))
        closed = close_day(
            evening, fleet, policy, day, {host: min(until, end) for host, until in known.items()}
        )
        for morning, (_, outcome) in zip(lives, closed, strict=True):
            yield tell(morning, outcome, policy, day)
        lives = tuple(life for life, _ in closed)
        day += timedelta(days=1)
