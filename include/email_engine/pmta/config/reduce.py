"""The part of a change that only slows down: it waits for nobody."""

from collections.abc import Iterator

from email_engine.pmta.config.edits import Source
from email_engine.pmta.config.inventory import (
    CAP,
    MEMBER,
    VMTA,
    Inventory,
    name_of,
    named,
    read_inventory,
    value_of,
)  # fmt: skip
from email_engine.pmta.config.rates import per_second
from email_engine.pmta.config.reduce_limits import lower_limits
from email_engine.pmta.language.grammar import keyword
from email_engine.pmta.language.tree import Block


def only_reductions(running: str, wanted: str) -> str:
    """`running` with the caps (`max-smtp-msg-rate`) and the limits by provider of `wanted` where those are lower, and without
    the pool members that leave their pool but not the host, as long as the pool keeps one. Everything else stays, to the byte: no virtual MTA
    and no pool comes or goes, nothing is raised, and what cannot be compared (`0`, a unit that is not known) or may be hidden is left
    alone. (Who disappears altogether stays in its pool: by mistake that would pile the load onto the others.)"""
    return _reduced(Source.of(running), Source.of(wanted))


def only_lowers(running: str, wanted: str) -> bool:
    """Does the whole change slow down, or say the same in other words (order, comments)?"""
    asked = Source.of(wanted)
    if not asked.inventory.whole:
        return False
    reduced = _reduced(Source.of(running), asked)
    return reduced == wanted or read_inventory(reduced) == asked.inventory


def lowered(running: str, wanted: str) -> frozenset[str]:
    """Virtual MTAs whose cap or whose limit at a provider goes down."""
    before = Source.of(running)
    reduced = read_inventory(_reduced(before, Source.of(wanted))).vmtas
    blocks = before.inventory.vmtas
    return frozenset(name for name, block in blocks.items() if reduced[name].lines != block.lines)


def _reduced(running: Source, wanted: Source) -> str:
    edits = dict(lower_limits(running, wanted))
    for line, block in running.inventory.blocks:
        change = _caps if keyword(block.tag) == VMTA else _members
        edits.update(change(block, line, running, wanted.inventory))
    return running.with_edits(edits)


def _caps(block: Block, line: int, running: Source, after: Inventory) -> Iterator[tuple[int, str]]:
    name = name_of(block)
    if name not in after.vmtas or name in after.unclear:
        return
    cap = after.vmtas[name].cap
    if cap is None or not per_second(cap):
        return
    caps = tuple(named(block.items, CAP))
    for directive in caps:
        if _is_lower(cap, value_of(directive)):
            number = line + directive.offset
            yield number, _with_value(running.line(number), value_of(directive), cap)
    opening = running.line(line)
    ending = opening[len(opening.rstrip("\r\n")) :]
    if not caps and ending and running.inventory.surely(name):
        yield line, f"{opening}  {CAP} {cap}{ending}"


def _is_lower(wanted: str, running: str) -> bool:
    old, new = per_second(running), per_second(wanted)
    return new is not None and (running == "unlimited" or (old is not None and old > new))


def _with_value(line: str, value: str, wanted: str) -> str:
    """The value is the last thing before a comment."""
    before, mark, comment = line.partition("#")
    at = before.rindex(value)
    return f"{before[:at]}{wanted}{before[at + len(value) :]}{mark}{comment}"


def _members(block: Block, line: int, running: Source, after: Inventory) -> Iterator[tuple[int, str]]:
    before, pool = running.inventory, name_of(block)
    if pool not in after.pools or not before.surely(pool) or not after.surely(pool):
        return
    stay = frozenset(after.pools[pool])
    if stay.isdisjoint(before.pools[pool]):
        return
    for directive in named(block.items, MEMBER):
        member = value_of(directive)
        if member not in stay and member in after.vmtas:
            yield line + directive.offset, ""
