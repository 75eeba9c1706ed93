"""Whose mail says something about an IP besides its own: the other IPs of its stream, and those of its sender elsewhere."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from email_engine.fleet.model import IpRecord
from email_engine.fleet.traffic import NO_DAYS, Column, Days, by_day, without
from email_engine.gc_pause import gc_paused
from email_engine.reputation.gates import BLOCKS, COMPLAINTS, GatePolicy
from email_engine.warmup.observation import parent_domain

RECIPIENT_LIST = "recipient list"
"""Bounces that speak of addresses or content."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Sums by day: `peers` of the others of the stream, `domain` of those of other streams below the same parent domain; `risen`: by kind,
    the others of the stream without the worst of them, where the stream as a whole was above the limit on a day. So one bad IP, or
    two, make no bad stream."""

    peers: Days
    domain: Days
    risen: Mapping[str, Days] = field(default_factory=dict)


@gc_paused()
def peers_of(records: Sequence[IpRecord], days: Mapping[int, Days], gates: GatePolicy) -> dict[int, Peers]:
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
    members: dict[str, list[int]] = defaultdict(list)
    for ip in records:
        members[ip.stream].append(ip.ip_id)
    risen = {
        ip_id: found
        for stream, ids in members.items()
        for ip_id, found in _risen(
            streams[stream], {ip_id: days.get(ip_id, NO_DAYS) for ip_id in ids}, gates
        ).items()
    }
    return {
        ip.ip_id: Peers(
            without(streams[ip.stream], days.get(ip.ip_id, NO_DAYS)),
            elsewhere[ip.stream, parent_domain(ip.domain)],
            risen.get(ip.ip_id, {}),
        )
        for ip in records
    }


def _risen(stream: Days, members: Mapping[int, Days], gates: GatePolicy) -> dict[int, dict[str, Days]]:
    """By IP and kind. Of two IPs the other one is what there is."""
    found: dict[int, dict[str, Days]] = defaultdict(dict)
    for kind, limit in stream_kinds(gates).items():
        above = any(
            bad and bad >= limit * sent for bad, sent in zip(bad_of(kind, stream), stream.sent, strict=True)
        )
        if len(members) < 2 or not above:
            continue
        order = sorted(members, key=lambda ip_id: (-sum(bad_of(kind, members[ip_id])), ip_id))
        for ip_id, own in members.items():
            others = without(stream, own)
            if len(members) > 2:
                worst = next(other for other in order if other != ip_id)
                others = without(others, members[worst])
            found[ip_id][kind] = others
    return found


def stream_kinds(gates: GatePolicy) -> dict[str, float]:
    """What can rise at a whole stream, with its limit."""
    return {
        RECIPIENT_LIST: gates.bounces.limit,
        COMPLAINTS: gates.complaints.limit,
        BLOCKS: gates.blocks.limit,
    }


def bad_of(kind: str, days: Days) -> Column:
    """Messages of each day that speak of the kind."""
    return {
        RECIPIENT_LIST: lambda: days.recipient_list, COMPLAINTS: lambda: days.complained, BLOCKS: lambda: days.blocked,
    }[kind]()  # fmt: skip
