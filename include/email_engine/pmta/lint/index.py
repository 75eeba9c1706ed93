"""What the rules look things up in: blocks by tag, names, macros, virtual MTAs with their parts. Built once."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from email_engine.pmta.language.assembly import Assembly
from email_engine.pmta.language.grammar import Grammar, shipped_grammar
from email_engine.pmta.language.tree import Block, Directive
from email_engine.pmta.lint.broken_tags import mended
from email_engine.pmta.lint.flat import Flat, flatten
from email_engine.pmta.release import Release

Line = int
Placed = tuple[Line, Block]
MACRO = re.compile(r"\$([A-Za-z0-9_]+)")
_RATE = re.compile(r"(\d{1,300})/(\d{0,9})([dhms])[a-z]*")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_LEFT_OUT = ("...", "{{", "{%")
_MAINLY = ("log-file", "spool", "postmaster", "smtp-listener", "run-as-root", "smtp-ip", "http-")


class Files(Protocol):
    """What is known about files of the host."""

    def exists(self, path: str) -> bool | None:
        """None: it cannot be known here."""


@dataclass(slots=True)
class Settings:
    """A block of settings; `values`: name to (offset, value) of the last line of that name."""

    block: Block
    pattern: str
    values: dict[str, tuple[int, str]]

    def get(self, name: str) -> str:
        """The value, empty if the block does not have the line."""
        found = self.values.get(name)
        return found[1] if found else ""

    def offset(self, name: str) -> int:
        return self.values[name][0]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the <domain> blocks of a virtual MTA say together. `fastest`: highest `max-msg-rate` by its unit of time."""

    fastest: dict[str, float]
    cold: bool
    signs: frozenset[tuple[str, bool]]
    includes: bool


@dataclass(slots=True)
class Sender:
    """A virtual MTA or a pool; offsets count from `line`. `domains`: (offset, settings)."""

    name: str
    line: Line
    block: Block
    lines: dict[str, list[Directive]]
    domains: list[tuple[int, Settings]]
    shape: Shape


def per_second(text: str) -> tuple[float, str] | None:
    """A rate as messages a second, and its unit; None for unlimited, 0 and none."""
    found = _RATE.fullmatch(text)
    if not found or not int(found[2] or 1):
        return None
    return float(found[1]) / (_SECONDS[found[3]] * float(found[2] or 1)), found[3]


def first_word(text: str) -> tuple[str, str]:
    """The first argument and the rest."""
    parts = text.split(None, 1)
    return (parts[0] if parts else ""), (parts[1] if len(parts) > 1 else "")


class Index:
    """Lines count through all files; `flat.place` tells file and line."""

    def __init__(
        self,
        assembly: Assembly,
        release: Release,
        host_ips: frozenset[str] | None,
        files: Files | None,
        allow: frozenset[str] = frozenset(),
    ) -> None:
        self.assembly = assembly
        self.release = release
        self.host_ips = host_ips
        self.files = files
        self.allow = allow
        self.grammar: Grammar = shipped_grammar()
        self.flat: Flat = flatten(mended(assembly))
        self.root: Block = self.flat.root
        self.blocks: dict[str, list[Placed]] = {}
        self.top: dict[str, list[Directive]] = {}
        """Global directives by name; their offset is their line."""
        for node in self.root.items:
            if isinstance(node, Block):
                self.blocks.setdefault(node.tag, []).append((node.offset, node))
            elif isinstance(node, Directive):
                self.top.setdefault(node.name, []).append(node)
        self._settings: dict[tuple[int, str], Settings] = {}
        self._shapes: dict[tuple[int, ...], Shape] = {}
        self._nested: dict[tuple[int, ...], tuple[list[tuple[int, Settings]], Shape]] = {}
        """By the <domain> blocks of a virtual MTA: the parser makes equal blocks one object."""
        self.vmtas = [self._sender(line, block) for line, block in self.of("virtual-mta")]
        self.pools = [self._sender(line, block) for line, block in self.of("virtual-mta-pool")]

    def of(self, *tags: str) -> Iterator[Placed]:
        """Global blocks of these tags."""
        for tag in tags:
            yield from self.blocks.get(tag, ())

    def lines(self, *names: str) -> Iterator[Directive]:
        """Global directives of these names."""
        for name in names:
            yield from self.top.get(name, ())

    @cached_property
    def whole(self) -> bool:
        """A main configuration; else a fragment that another file includes, or an example. It has two of the things that stand
        in a main configuration as a rule."""
        here = self.top.keys() | self.blocks.keys()
        return sum(any(name.startswith(one) for name in here) for one in _MAINLY) > 1

    @cached_property
    def complete(self) -> bool:
        """Was every include read?"""
        return not self.unread

    @cached_property
    def unread(self) -> list[tuple[Line, str]]:
        """Includes whose text is not here: line and value."""
        found = []
        known = self.assembly.found
        for line, value in self._includes():
            if (self.flat.file(line), value) not in known:
                found.append((line, value))
        return found

    def _includes(self) -> Iterator[tuple[Line, str]]:
        for directive in self.lines("include"):
            yield directive.offset, directive.value
        for line, block in self.of("source", "smtp-pattern-list", "domain"):
            for directive in block.directives("include"):
                yield line + directive.offset, directive.value
        for sender in (*self.vmtas, *self.pools):
            for directive in sender.lines.get("include", ()):
                yield sender.line + directive.offset, directive.value
            if sender.shape.includes:
                for offset, settings in sender.domains:
                    for directive in settings.block.directives("include"):
                        yield sender.line + offset + directive.offset, directive.value

    def settings(self, block: Block) -> Settings:
        """A block's own directives; the same object for blocks with the same text."""
        key = (id(block.items), block.argument)
        known = self._settings.get(key)
        if known is None:
            values = {
                node.name: (node.offset, node.value) for node in block.items if isinstance(node, Directive)
            }
            known = self._settings[key] = Settings(block, block.argument.lower(), values)
        return known

    def _sender(self, line: Line, block: Block) -> Sender:
        lines: dict[str, list[Directive]] = {}
        nested: list[Block] = []
        for node in block.items:
            if isinstance(node, Directive):
                same = lines.get(node.name)
                if same is None:
                    lines[node.name] = [node]
                else:
                    same.append(node)
            elif isinstance(node, Block) and node.tag == "domain":
                nested.append(node)
        key = tuple(map(id, nested))
        known = self._nested.get(key)
        if known is None:
            domains = [(one.offset, self.settings(one)) for one in nested]
            known = self._nested[key] = (domains, self.shape(domains))
        return Sender(block.argument, line, block, lines, *known)

    def may_hold_more(self, sender: Sender) -> bool:
        """Does it include a file that was not read, or leave lines out as an example or a template does?"""
        if any(name.startswith(_LEFT_OUT) for name in sender.lines):
            return True
        return ("include" in sender.lines or sender.shape.includes) and not self.complete

    @cached_property
    def shapes(self) -> list[Sender]:
        """Of virtual MTAs and pools with <domain> blocks of the same text the first."""
        found: dict[int, Sender] = {}
        for sender in (*self.vmtas, *self.pools):
            if sender.domains:
                found.setdefault(id(sender.shape), sender)
        return list(found.values())

    def shape(self, domains: list[tuple[int, Settings]]) -> Shape:
        """Remembered: many virtual MTAs have the same blocks."""
        key = tuple([id(settings) for _, settings in domains])
        known = self._shapes.get(key)
        if known is None:
            fastest: dict[str, float] = {}
            for _, settings in domains:
                rate = per_second(settings.get("max-msg-rate"))
                if rate:
                    fastest[rate[1]] = max(rate[0], fastest.get(rate[1], 0.0))
            signs = frozenset(
                (settings.pattern, settings.get("dkim-sign") not in ("no", "false"))
                for _, settings in domains
                if "dkim-sign" in settings.values
            )
            includes = any("include" in settings.values for _, settings in domains)
            cold = any("max-cold-virtual-mta-msg" in settings.values for _, settings in domains)
            known = self._shapes[key] = Shape(fastest, cold, signs, includes)
        return known

    @cached_property
    def domains(self) -> list[tuple[Line, Settings]]:
        """Global <domain> blocks."""
        return [(line, self.settings(block)) for line, block in self.of("domain")]

    @cached_property
    def all_domains(self) -> list[tuple[Line, Settings]]:
        """Every <domain> block with another text once, with the first line where it stands."""
        seen: dict[int, tuple[Line, Settings]] = {id(s): (line, s) for line, s in reversed(self.domains)}
        for sender in self.shapes:
            for offset, settings in sender.domains:
                seen.setdefault(id(settings), (sender.line + offset, settings))
        return list(seen.values())

    @cached_property
    def names(self) -> dict[str, dict[str, Line]]:
        """Tag to the names that its global blocks define, with the line of the first."""
        found: dict[str, dict[str, Line]] = {}
        for tag, blocks in self.blocks.items():
            for line, block in blocks:
                found.setdefault(tag, {}).setdefault(block.argument, line)
        return found

    def lower_names(self, tag: str) -> set[str]:
        """Names of a tag in lower case; of virtual MTAs and pools for anything that is no tag."""
        known = self._lower.get(tag)
        if known is None:
            names = self.names.get(tag, {} if tag in self.grammar.tags else self.senders)
            known = self._lower[tag] = {name.lower() for name in names}
        return known

    @cached_property
    def _lower(self) -> dict[str, set[str]]:
        return {}

    def order(self, line: Line) -> int:
        """Where a global line is read among all files."""
        return self._order.get(line, 0)

    @cached_property
    def _order(self) -> dict[Line, int]:
        found: dict[Line, int] = {}
        for at, node in enumerate(self.root.items):
            found.setdefault(node.offset, at)
        return found

    @cached_property
    def senders(self) -> dict[str, Line]:
        """Names of virtual MTAs and pools."""
        return self.names.get("virtual-mta-pool", {}) | self.names.get("virtual-mta", {})

    @cached_property
    def macros(self) -> dict[str, tuple[Line, tuple[str, ...]]]:
        """Name to the line that defines it and its values."""
        found: dict[str, tuple[Line, tuple[str, ...]]] = {}
        for directive in self.lines("domain-macro"):
            name, values = first_word(directive.value)
            found.setdefault(
                name, (directive.offset, tuple(v.strip() for v in values.split(",") if v.strip()))
            )
        return found

    @cached_property
    def members(self) -> dict[str, list[tuple[Sender, Line]]]:
        """Virtual MTA to the pools that list it, with the line."""
        found: dict[str, list[tuple[Sender, Line]]] = {}
        for pool in self.pools:
            for directive in pool.lines.get("virtual-mta", ()):
                found.setdefault(directive.value, []).append((pool, pool.line + directive.offset))
        return found
