"""Whose mail says something about an IP besides its own: the other IPs of its stream, and those of its sender elsewhere."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from email_engine.fleet.model import IpRecord
from email_engine.fleet.traffic import NO_DAYS, Days, by_day, without
from email_engine.gc_pause import gc_paused
from email_engine.warmup.observation import parent_domain


@dataclass(frozen=True, slots=True)
class Peers:
    """Sums by day: `peers` of the others of the stream, `domain` of those of other streams below the same parent domain."""

    peers: Days
    domain: Days


@gc_paused()
def peers_of(records: Sequence[IpRecord], days: Mapping[int, Days]) -> dict[int, Peers]:
    """For each IP of one tenant; `days`: the accounting of each. The work grows with the IPs, not with their
    pairs."""
    parts: dict[tuple[str, str], list[Days]] = defaultdict(list)
    for ip in records:
        parts[ip.stream, parent_domain(ip.domain)].append(days.get(ip.ip_id, NO_DAYS))
    sums = {part: by_day(members) for part, members in parts.items()}
    streams, parents = (
        {
            name: by_day(sums[part] for part in sums if part[place] == name)
            for name in {part[place] for part in sums}
        }
        for place in (0, 1)
    )
    elsewhere = {(stream, parent): without(parents[parent], sums[stream, parent]) for stream, parent in sums}
    return {
        ip.ip_id: Peers(
            without(streams[ip.stream], days.get(ip.ip_id, NO_DAYS)),
            elsewhere[ip.stream, parent_domain(ip.domain)],
        )
        for ip in records
    }
