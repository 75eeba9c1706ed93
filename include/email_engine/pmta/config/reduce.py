"""The part of a change that only slows down: it waits for nobody."""

import re
from collections.abc import Iterator

from email_engine.pmta.config.inventory import Inventory, read_inventory
from email_engine.pmta.config.rates import per_second
from email_engine.pmta.config.reduce_limits import with_lower_limits

_OPEN = re.compile(r"<(virtual-mta|virtual-mta-pool)\s+([^\s<>]+)>")
_CAP = re.compile(r"(\s*max-smtp-msg-rate\s+)([^\s#]+)(.*)", re.DOTALL | re.IGNORECASE)
_LIMITED = re.compile(r"\s*max-smtp-msg-rate\b", re.IGNORECASE)
_MEMBER = re.compile(r"virtual-mta\s+(\S+)")


def only_reductions(running: str, wanted: str) -> str:
    """`running` with the caps (`max-smtp-msg-rate`) and the limits by provider of `wanted` where those are lower, and without
    the pool members that leave their pool but not the host, as long as the pool keeps one. Everything else stays, to the byte: no virtual MTA
    and no pool comes or goes, nothing is raised, and what cannot be compared (`0`, a unit that is not known) is left
    alone. (Who disappears altogether stays in its pool: by mistake that would pile the load onto the others.)"""
    running = with_lower_limits(running, wanted)
    before, after = read_inventory(running), read_inventory(wanted)
    limited = {name for _, name, line in _lines_of_blocks(running) if _LIMITED.match(line)}
    out = []
    for kind, name, line in _lines_of_blocks(running):
        if kind == "virtual-mta" and name in after.vmtas and name in before.vmtas:
            line = _lowered(line, after.vmtas[name].cap)
            if _opens(line) and name not in limited and _known(after.vmtas[name].cap):
                line += f"  max-smtp-msg-rate {after.vmtas[name].cap}\n"
        elif kind == "virtual-mta-pool" and _leaves(line, name, before, after):
            continue
        out.append(line)
    return "".join(out)


def only_lowers(running: str, wanted: str) -> bool:
    """Does the whole change slow down, or say the same in other words (order, comments)?"""
    return read_inventory(only_reductions(running, wanted)) == read_inventory(wanted)


def lowered(running: str, wanted: str) -> frozenset[str]:
    """Virtual MTAs whose cap or whose limit at a provider goes down."""
    reduced = read_inventory(only_reductions(running, wanted)).vmtas
    before = read_inventory(running).vmtas
    return frozenset(name for name, block in before.items() if reduced[name].lines != block.lines)


def _lines_of_blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Each line with its line break, and the kind and name of the block that it opens or stands in."""
    kind = name = ""
    for raw in text.splitlines(keepends=True):
        line = raw.partition("#")[0].strip()
        opened = _OPEN.fullmatch(line)
        if opened and not kind:
            kind, name = opened.group(1), opened.group(2)
        yield kind, name, raw
        if kind and line == f"</{kind}>":
            kind = name = ""


def _opens(line: str) -> bool:
    return bool(_OPEN.fullmatch(line.partition("#")[0].strip())) and line.endswith("\n")


def _lowered(line: str, wanted: str | None) -> str:
    found = _CAP.fullmatch(line)
    if not found or not wanted:
        return line
    old, new = per_second(found.group(2)), per_second(wanted)
    if new is None or new == 0 or (found.group(2) != "unlimited" and (old is None or old <= new)):
        return line
    return found.group(1) + wanted + found.group(3)


def _known(cap: str | None) -> bool:
    return bool(cap and per_second(cap))


def _leaves(line: str, pool: str, before: Inventory, after: Inventory) -> bool:
    member = _MEMBER.fullmatch(line.partition("#")[0].strip())
    if not member or not {pool} <= before.pools.keys() & after.pools.keys():
        return False
    if member.group(1) in after.pools[pool] or member.group(1) not in after.vmtas:
        return False
    return bool(set(before.pools[pool]) & set(after.pools[pool]))
