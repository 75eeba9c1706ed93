"""The part of a change that only slows a virtual MTA's mail to some mailbox providers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from email_engine.pmta.config.edits import Source
from email_engine.pmta.config.expected_settings import Macros, domains_of, macros_in
from email_engine.pmta.config.inventory import VMTA, name_of
from email_engine.pmta.config.rates import per_second
from email_engine.pmta.language.grammar import keyword
from email_engine.pmta.language.meaning import canonical
from email_engine.pmta.language.tree import Block, Comment, Directive
from email_engine.pmta.language.values import unquoted

RATES = ("max-msg-rate", "backoff-max-msg-rate")


@dataclass(frozen=True, slots=True)
class _Limits:
    """One <domain> of a virtual MTA, from line `offset` of that on. `settings` None: it is not understood."""

    pattern: str
    settings: Mapping[str, str] | None
    offset: int
    height: int

    def domains(self, macros: Macros) -> frozenset[str]:
        general = self.pattern == "*" or self.settings is None
        return frozenset() if general else domains_of(self.pattern, macros)


Change = tuple[_Limits, tuple[_Limits, ...]]


def lower_limits(running: Source, wanted: Source) -> Iterator[tuple[int, str]]:
    """Lines of `running` that become others: those <domain> blocks of `wanted` that only lower rates there, in virtual MTAs that
    both know. One block may become several that stand for the same domains; `<domain *>` and everything else stays. Nothing
    where a macro may be hidden, or a virtual MTA's own block."""
    if running.inventory.hidden or wanted.inventory.hidden:
        return
    macros, theirs = macros_in(running.assembly), macros_in(wanted.assembly)
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[Change, ...]] = {}
    there = _once(wanted)
    for name, block in _once(running).items():
        if name not in there:
            continue
        before, after = _domains(block), _domains(there[name])
        pair = tuple(map(id, before)), tuple(map(id, after))
        if pair not in known:
            known[pair] = tuple(_changes(before, after, macros, theirs))
        for old, parts in known[pair]:
            first = block.offset + old.offset
            yield first, "".join(_text(wanted, there[name].offset, part) for part in parts)
            yield from ((number, "") for number in range(first + 1, first + old.height + 1))


def _once(source: Source) -> dict[str, Block]:
    """The virtual MTAs that stand there one time and hide nothing."""
    blocks = source.assembly.main.root.blocks()
    found = {name_of(block): block for block in blocks if keyword(block.tag) == VMTA}
    return {name: block for name, block in found.items() if source.inventory.surely(name)}


def _domains(block: Block) -> tuple[Block, ...]:
    """Of hundreds of virtual MTAs these are the same objects."""
    return tuple(inner for inner in block.blocks() if keyword(inner.tag) == "domain")


def _text(source: Source, line: int, part: _Limits) -> str:
    first = line + part.offset
    return "".join(source.line(number) for number in range(first, first + part.height + 1))


def _changes(
    running: tuple[Block, ...], wanted: tuple[Block, ...], macros: Macros, theirs: Macros
) -> Iterator[Change]:
    blocks, asked = [_limits(block) for block in running], [_limits(block) for block in wanted]
    of_all = [block.settings for block in blocks if block.pattern == "*"]
    general = of_all[0] if of_all else {}
    if len(of_all) > 1 or general is None:
        return
    for block in blocks:
        domains = block.domains(macros)
        parts = tuple(one for one in asked if one.domains(theirs) and one.domains(theirs) <= domains)
        covered = [domain for part in parts for domain in part.domains(theirs)]
        known = all(part.domains(macros) == part.domains(theirs) for part in parts)
        whole = len(covered) == len(set(covered)) and set(covered) == domains
        if domains and whole and known and _only_lower(block, parts, general):
            yield block, parts


def _only_lower(block: _Limits, parts: tuple[_Limits, ...], general: Mapping[str, str]) -> bool:
    before, lower = block.settings or {}, False
    for part in parts:
        after = part.settings or {}
        if _others(before) != _others(after):
            return False
        for rate in RATES:
            old, new = (one.get(rate, general.get(rate)) for one in (before, after))
            if old == new:
                continue
            was, becomes = old and per_second(old), new and per_second(new)
            if not becomes or (old not in (None, "unlimited") and (not was or was < becomes)):
                return False
            lower = lower or not was or becomes < was
    return lower


def _others(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name not in RATES}


def _limits(block: Block) -> _Limits:
    return _Limits(unquoted(block.argument), _settings(block), block.offset, block.height)


def _settings(block: Block) -> Mapping[str, str] | None:
    found: dict[str, str] = {}
    for node in block.items:
        if isinstance(node, Comment):
            continue
        if not isinstance(node, Directive) or (name := keyword(node.name)) in found or name == "include":
            return None
        found[name] = canonical(name, "domain", unquoted(node.value))
    return found if block.closed else None
