"""What a configuration says, without how it says it: order where order means nothing, comments and spelling are gone."""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from email_engine.pmta.language.assembly import Assembly
from email_engine.pmta.language.checks import BadValue
from email_engine.pmta.language.grammar import LINE, keyword, shipped_grammar
from email_engine.pmta.language.tree import GLOBAL, Block, Directive
from email_engine.pmta.language.values import domain_pattern, unquoted

Key = tuple[str, str]
"""Tag and argument of a block; for a <domain> the domains that it stands for, sorted, with commas."""

UNORDERED = frozenset(
    {
        "address",
        "address-file",
        "alias",
        "cold-virtual-mta",
        "domain",
        "http-api-key",
        "ip-connection-limit",
        "mx-connection-limit",
        "name-server",
        "relay-address",
        "relay-domain",
        "smtp-listener",
        "smtp-source-host",
        "virtual-mta",
    }
)
"""Repeated directives whose order PowerMTA gives no meaning (round-robin or a set)."""
SETS = frozenset({"records", "suppression-lists", "disable-acct-records"})
"""Directives whose comma list is a set."""
WITH_MACROS = frozenset({"relay-domain", "domain-key", "domain"})
"""Directives in whose values a macro stands for several domains."""
MOST_DOMAINS = 5_000
LONGEST_PATTERN = 1_000
DEEPEST_MACRO = 50
_MACRO = re.compile(r"\$(\w*)")


@dataclass(frozen=True, slots=True)
class Body:
    """What stands in a block: values by directive in one spelling, and the blocks inside."""

    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    blocks: Mapping[Key, "Body"] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    """Lines and blocks of a <pattern-list> as they stand: the first that matches wins, of whatever kind."""

    def one(self, name: str) -> str | None:
        """The last value of a directive, None if it is not there."""
        values = self.settings.get(name)
        return values[-1] if values else None


def read_meaning(assembly: Assembly) -> Body:
    """The meaning of a whole configuration; what cannot be read says nothing."""
    return _Reader(assembly).body(assembly.main.root, assembly.main.file)


def macros_of(assembly: Assembly) -> dict[str, tuple[str, ...]]:
    """`domain-macro` names to their parts, as written there; a later one of the same name counts."""
    found = {}
    for _, node in assembly.top():
        if isinstance(node, Directive) and keyword(node.name) == "domain-macro":
            name, _, parts = canonical("domain-macro", GLOBAL, node.value).partition(" ")
            found[name] = tuple(parts.split(",")) if parts else ()
    return found


def expand(
    pattern: str, macros: Mapping[str, tuple[str, ...]], above: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Domain patterns that a pattern with macros stands for. What is unknown, empty, goes round in a circle, lies too deep
    or grows too long stays as written."""
    first, *rest = _MACRO.split(pattern)
    if len(pattern) > LONGEST_PATTERN:
        return (pattern,)
    found: tuple[str, ...] = (first,)
    for name, text in zip(rest[::2], rest[1::2], strict=True):
        heads: tuple[str, ...] = (f"${name}",)
        if macros.get(name) and name not in above and len(above) < DEEPEST_MACRO:
            parts = (expand(part, macros, (*above, name)) for part in macros[name])
            heads = tuple(itertools.islice(itertools.chain.from_iterable(parts), MOST_DOMAINS))
        found = tuple(itertools.islice((f"{f}{head}{text}" for f in found for head in heads), MOST_DOMAINS))
        if any(len(one) > LONGEST_PATTERN for one in found):
            return (pattern,)
    return found


@lru_cache(maxsize=1 << 17)
def canonical(name: str, scope: str, value: str) -> str:
    """A value in its one spelling; as written where the grammar does not take it."""
    text = shipped_grammar().canonical(name, scope, value)
    return ",".join(sorted(set(text.split(",")))) if name in SETS else text


class _Reader:
    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._macros = macros_of(assembly)
        self._domains: dict[str, str] = {}
        self._inside: dict[tuple[int, ...], Mapping[Key, Body]] = {}

    def body(self, block: Block, file: str) -> Body:
        settings: dict[str, list[str]] = {}
        inside: list[tuple[str, Block]] = []
        self._read(block, keyword(block.tag), file, settings, inside)
        order = tuple(self._order(block, file)) if keyword(block.tag) == "pattern-list" else ()
        values = {name: _values(name, found) for name, found in settings.items()}
        return Body(values, self._blocks(inside), order)

    def _order(self, block: Block, file: str) -> Iterator[str]:
        for node in block.items:
            if isinstance(node, Block):
                yield " ".join(self._key(node))
            elif isinstance(node, Directive) and (name := keyword(node.name)) != "include":
                yield f"{name} {canonical(name or LINE, keyword(block.tag), node.value)}"

    def _read(
        self,
        block: Block,
        scope: str,
        file: str,
        settings: dict[str, list[str]],
        inside: list[tuple[str, Block]],
    ) -> None:
        for node in block.items:
            if isinstance(node, Block):
                inside.append((file, node))
            elif isinstance(node, Directive):
                name = keyword(node.name)
                included = self._assembly.found.get((file, node.value)) if name == "include" else None
                for document in included or ():
                    self._read(document.root, scope, document.file, settings, inside)
                if included is None and name != "domain-macro":
                    value = canonical(name or LINE, scope, node.value)
                    values = expand(value, self._macros) if "$" in value and name in WITH_MACROS else (value,)
                    settings.setdefault(name or LINE, []).extend(values)

    def _blocks(self, inside: list[tuple[str, Block]]) -> Mapping[Key, Body]:
        """Of blocks that are the same objects everywhere, as `parse` makes them, the meaning is found once."""
        seen = tuple(id(block) for _, block in inside)
        known = self._inside.get(seen)
        if known is not None:
            return known
        blocks: dict[Key, Body] = {}
        for file, block in inside:
            key, body = self._key(block), self.body(block, file)
            blocks[key] = _merged(blocks[key], body) if key in blocks else body
        self._inside[seen] = blocks
        return blocks

    def _key(self, block: Block) -> Key:
        tag = keyword(block.tag)
        if tag != "domain":
            return (tag, f"{block.lead} {_argument(block)}".strip())
        known = self._domains.get(block.argument)
        if known is None:
            patterns = expand(unquoted(block.argument), self._macros)
            known = ", ".join(sorted({_pattern(pattern) for pattern in patterns}))
            self._domains[block.argument] = known
        return ("domain", known)


def _pattern(text: str) -> str:
    """A domain pattern in one spelling, macros that nobody defines apart."""
    try:
        return domain_pattern(text).lower() if text.startswith("[") or not text.isascii() else text.lower()
    except BadValue:
        return text.lower()


def _argument(block: Block) -> str:
    tag, argument = keyword(block.tag), unquoted(block.argument)
    rule = shipped_grammar().tags.get(tag)
    if rule is not None and tag in ("source", "smtp-listener"):
        try:
            return rule.check(argument)
        except ValueError:
            pass
    return argument


def _values(name: str, values: list[str]) -> tuple[str, ...]:
    if name == "domain-key" and len(values) > 1 and _apart(values):
        return tuple(sorted(values))
    return tuple(sorted(set(values))) if name in UNORDERED else tuple(values)


def _apart(keys: list[str]) -> bool:
    """Does each key serve domains that no other one serves? Then their order means nothing."""
    domains = [key.split(",")[1] if key.count(",") == 2 else "*" for key in keys]
    known = set(domains)
    if len(known) < len(domains) or "*" in known:
        return False
    return not any(
        ".".join(labels[at:]) in known
        for labels in (d.split(".") for d in domains)
        for at in range(1, len(labels))
    )


def _merged(first: Body, second: Body) -> Body:
    settings = dict(first.settings)
    for name, values in second.settings.items():
        settings[name] = _values(name, [*settings.get(name, ()), *values])
    blocks = dict(first.blocks)
    for key, body in second.blocks.items():
        blocks[key] = _merged(blocks[key], body) if key in blocks else body
    return Body(settings, blocks, (*first.order, *second.order))
