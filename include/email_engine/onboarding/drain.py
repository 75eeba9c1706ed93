"""Draining an MTA host: where each of its IPs goes, and the fleet file that says so, proven by reading the whole file again."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import yaml

from email_engine.errors import InputError
from email_engine.fleet.mistakes import FileInvalid, one_of
from email_engine.fleet.model import Fleet, IpAddress, SendingIp
from email_engine.fleet.parse import parse_fleet
from email_engine.onboarding.placement import IPS_PER_HOST, Room, rooms
from email_engine.plural import amount


@dataclass(frozen=True, slots=True)
class DrainMove:
    """One IP and the host that it goes to."""

    ip: SendingIp
    to: str


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """`text`: the fleet file as it becomes; `notes`: what a person must do beside."""

    host: str
    before: str
    text: str
    moves: tuple[DrainMove, ...]
    notes: tuple[str, ...]

    @property
    def diff(self) -> str:
        """Of the fleet file, unified."""
        rows = difflib.unified_diff(
            self.before.splitlines(), self.text.splitlines(), "fleet.yaml", "fleet.yaml", n=1, lineterm=""
        )
        return "\n".join(rows)

    @property
    def counts(self) -> dict[str, int]:
        """IPs by the host that takes them."""
        found: dict[str, int] = {}
        for move in self.moves:
            found[move.to] = found.get(move.to, 0) + 1
        return found


def plan_drain(
    text: str, source: str, host: str, to: Sequence[str], today: date, per_host: int = IPS_PER_HOST
) -> DrainPlan:
    """Every IP of `host` on another host of its risk class that has room: of `to` where that names some, in their order, else the one with
    most room first. What stands in one entry of the file stays together.

    Raises:
        FleetInvalid: the file itself is wrong.
        InputError: an unknown host, no room or no host of the risk class; then it says how many are missing."""
    fleet = parse_fleet(text, source, today=today)
    names = [one.name for one in fleet.mta_hosts]
    for name in (host, *to):
        if name not in names:
            raise InputError("host", f"{name!r} is not in the fleet", one_of(names, name), "correct it")
    patched, now = text, fleet
    while any(ip.mta_host == host for ip in now.ips):
        patched, now = _one_slot(patched, source, host, to, today, per_host, now)
    where = {ip.address: ip.mta_host for ip in now.ips}
    moves = tuple(DrainMove(ip, where[ip.address]) for ip in fleet.ips if ip.mta_host == host)
    return DrainPlan(host, text, patched, moves, _notes(host, moves))


def _notes(host: str, moves: Sequence[DrainMove]) -> tuple[str, ...]:
    notes = [
        "bring the DKIM keys to the new hosts, route the addresses there, and point their delivery servers in MailWizz at them, before they are released"
    ]
    bound = [move.ip for move in moves if move.ip.bind_address]
    if bound:
        notes.append(
            f"{amount(len(bound), 'IP')} bind addresses of {host} ({bound[0].bind_address} first): write those of the new host into the file"
        )
    return tuple(notes) if moves else (f"{host} carries no IP",)


def _one_slot(
    text: str, source: str, host: str, to: Sequence[str], today: date, per_host: int, fleet: Fleet
) -> tuple[str, Fleet]:
    """The first entry that names the host, with another one in its place."""
    slot = next(_slots(text, host), None)
    if slot is None:
        raise InputError(
            source, f"IPs of {host} that no entry of the file names", "an entry with `host` or `hosts`", "move them by hand"
        )  # fmt: skip
    tried: list[Room] = []
    first: tuple[SendingIp, ...] = ()
    for name in [one.name for one in fleet.mta_hosts if one.name != host]:
        for changed in _replaced(text, slot, name):
            try:
                after = parse_fleet(changed, source, today=today)
            except FileInvalid:
                continue
            gone = _only_moved(fleet, after, host, name)
            if gone:
                first = first or gone
                break
    if not first:
        raise InputError(
            source, f"the entry in line {slot[0].start_mark.line + 1} cannot name another host instead of {host}",
            "an entry whose IPs may stand elsewhere (risk class, bind addresses)", "move its IPs by hand, or add an MTA host",
        )  # fmt: skip
    count = len(first)
    streams = {(stream.tenant, stream.name): stream.risk_class for stream in fleet.streams}
    risk = streams[first[0].tenant, first[0].stream]
    known = [room for room in rooms(fleet, risk, per_host) if room.host != host]
    offered = [room for name in dict.fromkeys(to) for room in known if room.host == name] or sorted(
        known, key=lambda room: -room.free
    )
    for room in offered:
        tried.append(room)
        if room.forbidden or room.free < count:
            continue
        for changed in _replaced(text, slot, room.host):
            try:
                after = parse_fleet(changed, source, today=today)
            except FileInvalid:
                continue
            if _only_moved(fleet, after, host, room.host):
                return changed, after
    free = (
        ", ".join(f"{room.host} {'-' if room.forbidden else room.free}" for room in tried) or "no other host"
    )
    missing = -(-count // per_host)
    raise InputError(
        f"draining {host}",
        f"{amount(count, 'IP')} from {first[0].address} on ({risk}) stand in one entry, and no host takes them (free: {free})",
        f"at most {per_host} IPs on a host, streams of one risk class alone",
        f"add {amount(missing, 'MTA host')}, split the entry, or warm the IPs down (`ip_transition`, retire)",
    )


def _only_moved(before: Fleet, after: Fleet, host: str, to: str) -> tuple[SendingIp, ...]:
    """The IPs that go from `host` to `to`, where nothing else changes; else none."""
    now: dict[IpAddress, SendingIp] = {ip.address: ip for ip in after.ips}
    moved = tuple(ip for ip in before.ips if now.get(ip.address) != ip)
    good = all(ip.mta_host == host and now.get(ip.address) == replace(ip, mta_host=to) for ip in moved)
    return moved if good and len(before.ips) == len(after.ips) else ()


Slot = tuple[yaml.ScalarNode, yaml.SequenceNode | None]


def _slots(text: str, host: str) -> Iterator[Slot]:
    """Where an entry of the file names the host: `host: mta-1`, or one of `hosts: [mta-1, mta-2]`."""
    for tenant in _items(yaml.compose(text, Loader=yaml.SafeLoader), "tenants"):
        for stream in _items(tenant, "streams"):
            for entry in _items(stream, "ips"):
                one, many = _under(entry, "host"), _under(entry, "hosts")
                if isinstance(one, yaml.ScalarNode) and one.value == host:
                    yield one, None
                for node in many.value if isinstance(many, yaml.SequenceNode) else ():
                    if (
                        isinstance(node, yaml.ScalarNode)
                        and node.value == host
                        and isinstance(many, yaml.SequenceNode)
                    ):
                        yield node, many


def _items(node: yaml.Node | None, key: str) -> list[yaml.Node]:
    found = _under(node, key)
    return list(found.value) if isinstance(found, yaml.SequenceNode) else []


def _under(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if getattr(name, "value", None) == key), None)


def _replaced(text: str, slot: Slot, name: str) -> Iterator[str]:
    """With the host named instead; where a list of hosts becomes one host alone, also with that once."""
    node, hosts = slot
    yield text[: node.start_mark.index] + name + text[node.end_mark.index :]
    if hosts is not None and hosts.flow_style:
        rest = {one.value for one in hosts.value if one is not node}
        if rest <= {name}:
            yield text[: hosts.start_mark.index] + f"[{name}]" + text[hosts.end_mark.index :]
