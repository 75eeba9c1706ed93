"""Which MTA host takes how many new IPs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from email_engine.errors import InputError
from email_engine.fleet.mistakes import one_of
from email_engine.fleet.model import Fleet, RiskClass
from email_engine.plural import amount

IPS_PER_HOST = 50
"""Beyond so many IPs PowerMTA's host is the next thing that is too small (DESIGN.md section 2)."""


@dataclass(frozen=True, slots=True)
class Part:
    """So many IPs, one after the other, on one host."""

    host: str
    count: int


@dataclass(frozen=True, slots=True)
class Room:
    """What a host has left. `forbidden`: why this risk class may not go there, '' where it may."""

    host: str
    free: int
    forbidden: str = ""


def rooms(fleet: Fleet, risk_class: RiskClass, per_host: int = IPS_PER_HOST) -> tuple[Room, ...]:
    """Every host of the fleet, in its order; streams of different risk classes never share one."""
    risks = {(stream.tenant, stream.name): stream.risk_class for stream in fleet.streams}
    carried = Counter(ip.mta_host for ip in fleet.ips)
    classes: dict[str, RiskClass] = {}
    for ip in fleet.ips:
        classes.setdefault(ip.mta_host, risks[ip.tenant, ip.stream])
    return tuple(
        Room(
            host.name,
            max((host.room_for or per_host) - carried[host.name], 0),
            _forbidden(classes.get(host.name), risk_class),
        )
        for host in fleet.mta_hosts
    )


def _forbidden(there: RiskClass | None, wanted: RiskClass) -> str:
    return (
        ""
        if there in (None, wanted)
        else f"it carries {there} streams, and {wanted} ones never share a host with them"
    )


def place(
    count: int, known: Sequence[Room], wanted: Sequence[str], per_host: int = IPS_PER_HOST
) -> tuple[Part, ...]:
    """Deals `count` IPs over the `wanted` hosts in their order, or, with none, over all that may take them: the one with most room
    first, so that few hosts carry them.

    Raises InputError: an unknown host, one of the other risk class, or not enough room; then it says how many hosts are missing."""
    by_name = {room.host: room for room in known}
    for name in wanted:
        if name not in by_name:
            raise InputError(
                "host",
                f"{name!r} is not in the fleet",
                one_of(by_name, name),
                "correct it, or leave it out: where there is room",
            )
        if by_name[name].forbidden:
            raise InputError(
                f"host {name}", by_name[name].forbidden, _legal(known), "choose one of these, or leave it out"
            )
    offered = [by_name[name] for name in dict.fromkeys(wanted)] or sorted(
        (room for room in known if not room.forbidden), key=lambda room: -room.free
    )
    parts, left = [], count
    for room in offered:
        taken = min(room.free, left)
        if taken:
            parts.append(Part(room.host, taken))
            left -= taken
    if left:
        _full(count, left, offered, wanted, per_host)
    return tuple(parts)


def _full(count: int, left: int, offered: Sequence[Room], wanted: Sequence[str], per_host: int) -> None:
    missing = -(-left // per_host)
    free = ", ".join(f"{room.host} {room.free}" for room in offered) or "none that may take them"
    what = "the hosts that were named" if wanted else "the fleet"
    raise InputError(
        "placement", f"{amount(count, 'IP')} and room for {count - left} on {what} (free: {free})",
        f"at most {per_host} IPs on a host, or its `room_for` of fleet.yaml",
        f"add {amount(missing, 'MTA host')} to mta_hosts in fleet.yaml, or a smaller range"
        + (", or leave `host` out: where there is room" if wanted else ""),
    )  # fmt: skip


def _legal(known: Sequence[Room]) -> str:
    good = [f"{room.host} ({room.free} free)" for room in known if not room.forbidden]
    return (
        f"one of {', '.join(good)}"
        if good
        else "a host that carries no stream of another risk class; add one"
    )
