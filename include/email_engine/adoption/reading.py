"""A configuration as the things that a fleet is made of, each with its place; everything else is only judged."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from email_engine.adoption.gaps import Gaps, include_shown, shown, tag_shown
from email_engine.pmta.language.assembly import Assembly, FilePlace
from email_engine.pmta.language.checks import BadValue
from email_engine.pmta.language.grammar import LINE, keyword, shipped_grammar
from email_engine.pmta.language.tree import GLOBAL, Block, Comment, Directive, Node, Unreadable
from email_engine.pmta.language.values import unquoted

VMTA, POOL, SOURCE, USER, KEY_LIST, PATTERNS = (
    "virtual-mta",
    "virtual-mta-pool",
    "source",
    "smtp-user",
    "domain-key-list",
    "pattern-list",
)
LONGEST_WORD = 60
"""Longer ones are no misspelling of anything."""
_MARKER = re.compile(r"\s*email-engine (begin|end) (host|tenant ([a-z0-9][a-z0-9_-]{0,62}))\s*")
_KEY = "write three arguments, `domain-key SELECTOR,DOMAIN,PATH`, or * as DOMAIN"
_HOST = "write the IP first, then the host name: `smtp-source-host 192.0.2.1 mail1.example.com`"
_MISPLACED = {
    "default-virtual-mta-pool": "write `default-virtual-mta NAME`: it takes a pool too",
    "max-msg-rate": "it belongs into a <domain>; a cap for the whole IP is `max-smtp-msg-rate N/d` in <virtual-mta>",
    "dkim-key": _KEY,
    "dkim-domain": _KEY,
    "dkim-selector": _KEY,
    "smtp-source-ip": _HOST,
    "bind-to-source-ip": _HOST,
}
"""What to do about directives that do not exist, or not there, and are often seen all the same."""
_MISSPELLED = {
    "smtp-source-host": _HOST,
    "domain-key": _KEY,
    "virtual-mta": "write one name and nothing behind it: a pool has no weights",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A directive; `value` in its one spelling, as written where it is not `right`."""

    place: FilePlace
    name: str
    value: str
    right: bool = True


@dataclass(slots=True)
class Found:
    """A block with a name; `domains`: what its <domain> blocks say, by their patterns."""

    tag: str
    name: str
    place: FilePlace
    tenant: str | None
    settings: list[Setting] = field(default_factory=list)
    domains: list[tuple[str, Setting]] = field(default_factory=list)

    def all(self, name: str) -> list[Setting]:
        """Its right directives of a name."""
        return [setting for setting in self.settings if setting.name == name and setting.right]

    def last(self, name: str) -> str | None:
        """The value that counts."""
        found = self.all(name)
        return found[-1].value if found else None


@dataclass(slots=True)
class Configuration:
    """Blocks by tag and name, and the global directives."""

    blocks: dict[str, dict[str, Found]]
    settings: list[Setting] = field(default_factory=list)
    lines: int = 0

    def last(self, name: str) -> str | None:
        """The value of a global directive that counts."""
        found = [setting.value for setting in self.settings if setting.name == name and setting.right]
        return found[-1] if found else None


@lru_cache(maxsize=1 << 16)
def judge(name: str, scope: str, value: str) -> tuple[str, str]:
    """A directive's value in its one spelling, and why it is not right: empty if it is."""
    grammar = shipped_grammar()
    rule = grammar.rule(name, scope)
    if rule is not None:
        try:
            return rule.check(grammar.canonical(name, scope, value)), ""
        except ValueError as error:
            return value, f"allowed is {error.expected if isinstance(error, BadValue) else 'another value'}"
    if name in grammar.directives:
        return value, f"must not stand {'at global level' if scope == GLOBAL else f'in <{scope}>'}"
    return value, "is no directive of PowerMTA"


def _todo(name: str, scope: str) -> str:
    """What to do about a directive that is not right."""
    grammar = shipped_grammar()
    if grammar.rule(name, scope) is not None:
        return _MISSPELLED.get(name, "correct it; PowerMTA does not start with it")
    if name in grammar.directives:
        return _MISPLACED.get(name, "see what `email-engine lint` says")
    near = grammar.nearest(name, scope) if len(name) < LONGEST_WORD else None
    return _MISPLACED.get(name, f"is it `{near}`?" if near else "remove it; PowerMTA does not start with it")


def _nearest_tag(tag: str, parent: str) -> str:
    near = shipped_grammar().nearest_tag(tag, parent) if len(tag) < LONGEST_WORD else None
    return f"is it <{near}>?" if near else "remove it"


@lru_cache(maxsize=1 << 12)
def _takes(tag: str, argument: str, nested: bool) -> bool:
    rule = shipped_grammar().tags[tag]
    try:
        (rule.nested_check if nested else rule.check)(argument)
    except ValueError:
        return False
    return True


def read_configuration(assembly: Assembly, gaps: Gaps) -> Configuration:
    """Everything in the files; what means nothing becomes a gap."""
    return _Reader(assembly, gaps).read()


class _Reader:
    def __init__(self, assembly: Assembly, gaps: Gaps) -> None:
        self._assembly = assembly
        self._gaps = gaps
        self._tenant: str | None = None
        self._right: set[int] = set()
        self._found = Configuration({tag: {} for tag in (VMTA, POOL, SOURCE, USER, KEY_LIST, PATTERNS)})

    def read(self) -> Configuration:
        for place, node in self._assembly.top():
            self._found.lines += 1
            if isinstance(node, Comment):
                self._marker(node.text)
            elif isinstance(node, Block) and keyword(node.tag) in self._found.blocks:
                self._named(node, place)
            elif isinstance(node, Directive):
                self._found.settings.append(self._setting(node, GLOBAL, place))
            else:
                self._other(node, GLOBAL, place)
        return self._found

    def _marker(self, text: str) -> None:
        found = _MARKER.fullmatch(text)
        if found:
            self._tenant = found[3] if found[1] == "begin" else None

    def _setting(self, node: Directive, scope: str, place: FilePlace) -> Setting:
        name = keyword(node.name) or LINE
        if name == "include" and node.value:
            if (place.file, node.value) not in self._assembly.found:
                text, why = (
                    include_shown(node.value),
                    "the file is not there, cannot be read or includes itself",
                )
                if re.match(r"https?://", node.value):
                    why = "it is fetched over the network, which import does not do"
                todo = "bring the file and import again: what it says is missing here"
                self._gaps.alike(place, text, why, todo)
            return Setting(place, name, node.value)
        value, why = judge(name, scope, node.value)
        if why and name == "domain-key":
            self._gaps.add(place, shown(name, node.value), why, _todo(name, scope))
        elif why:
            key = (scope, name, why)
            self._gaps.alike(place, shown(name, node.value), why, lambda: _todo(name, scope), key)
        return Setting(place, name, value, not why)

    def _named(self, block: Block, place: FilePlace) -> None:
        tag = keyword(block.tag)
        known = self._found.blocks[tag]
        name = unquoted(block.argument)
        self._opening(block, place)
        if name in known:
            why = f"stands a second time, first in {known[name].place}; both are read as one"
            key = (tag, name)
            self._gaps.alike(place, tag_shown(tag, name), why, "keep one of them", key)
        found = known.setdefault(name, Found(tag, name, place, self._tenant))
        for here, node in self._assembly.items(block, place):
            if isinstance(node, Directive):
                found.settings.append(self._setting(node, tag, here))
            elif isinstance(node, Block) and keyword(node.tag) == "domain" and tag in (VMTA, POOL):
                self._domain(node, here, found)
            elif isinstance(node, Block) and keyword(node.tag) == PATTERNS == tag:
                found.settings += self._nested(node, here)
            else:
                self._other(node, tag, here)

    def _domain(self, block: Block, place: FilePlace, found: Found) -> None:
        self._opening(block, place)
        for here, node in self._assembly.items(block, place):
            if isinstance(node, Directive):
                found.domains.append((block.argument, self._setting(node, "domain", here)))
            else:
                self._other(node, "domain", here)

    def _nested(self, block: Block, place: FilePlace) -> Iterator[Setting]:
        self._opening(block, place)
        for here, node in self._assembly.items(block, place):
            if isinstance(node, Block) and keyword(node.tag) == PATTERNS:
                yield from self._nested(node, here)
            elif isinstance(node, Directive):
                yield self._setting(node, PATTERNS, here)
            else:
                self._other(node, PATTERNS, here)

    def _opening(self, block: Block, place: FilePlace, nested: bool = False) -> None:
        """What is wrong with a block's first and last line."""
        if not block.closed:
            text = tag_shown(block.tag, block.argument)
            self._gaps.add(place, text, "is never closed", f"write </{block.tag}> where it ends")
        rule = shipped_grammar().tags.get(keyword(block.tag))
        named_inside = nested and keyword(block.tag) == "address-list"  # as the guide of 5.0r1 writes it
        if rule is None or named_inside:
            return
        if not _takes(rule.name, unquoted(block.argument), nested or bool(block.lead)):
            text = tag_shown(block.tag, block.argument)
            todo = "correct what stands behind the tag's name"
            self._gaps.alike(place, text, f"<{block.tag}> takes {rule.spec}", todo, (block.tag, "takes"))

    def _other(self, node: Node, scope: str, place: FilePlace) -> None:
        """What the fleet file has no word for."""
        if isinstance(node, Unreadable):
            self._gaps.alike(
                place, f"{node.text.split()[0][:40]} ...", node.problem, "correct the line", node.problem
            )
        elif isinstance(node, Directive):
            self._setting(node, scope, place)
        elif isinstance(node, Block):
            self._block(node, scope, place)

    def _block(self, block: Block, scope: str, place: FilePlace) -> None:
        self._opening(block, place, nested=scope != GLOBAL)
        rule = shipped_grammar().tags.get(keyword(block.tag))
        text = tag_shown(block.tag, block.argument)
        if rule is None:
            why = "is no tag of PowerMTA; what stands in it is not read"
            self._gaps.alike(place, text, why, lambda: _nearest_tag(block.tag, scope))
        elif scope not in rule.parents:
            what = "is the block before it closed?"
            self._gaps.add(place, text, f"must not stand in <{scope}>; it is not read", what)
        else:
            for here, node in self._assembly.items(block, place):
                self._other(node, rule.name, here)
            return
        self._lost(block, place)

    def _lost(self, block: Block, place: FilePlace) -> None:
        """In a block that is not read, what a fleet is made of is told by name all the same."""
        for here, node in self._assembly.items(block, place):
            if isinstance(node, Block):
                if keyword(node.tag) in self._found.blocks:
                    why = f"stands in <{block.tag}>, which is not read"
                    self._gaps.add(here, tag_shown(node.tag, node.argument), why, "move it out of there")
                self._lost(node, here)
            elif isinstance(node, Directive) and keyword(node.name) == "domain-key":
                text = shown(node.name, node.value)
                self._gaps.add(
                    here, text, f"stands in <{block.tag}>, which is not read", "move it out of there"
                )
