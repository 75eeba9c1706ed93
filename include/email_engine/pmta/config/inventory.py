"""What a configuration says of virtual MTAs and pools: enough to compare two versions of it, and to know what it may hide."""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from email_engine.pmta.config.rates import highest
from email_engine.pmta.language.assembly import Assembly, assemble
from email_engine.pmta.language.checks import BadValue
from email_engine.pmta.language.grammar import keyword
from email_engine.pmta.language.tree import GLOBAL, Block, Comment, Directive, Node, Unreadable
from email_engine.pmta.language.values import cidr, name, unquoted

CAP, SOURCE, MEMBER = "max-smtp-msg-rate", "smtp-source-host", "virtual-mta"
VMTA, POOL = "virtual-mta", "virtual-mta-pool"
IpAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class VmtaBlock:
    """One virtual MTA, of all the blocks that define it.

    `lines`: without comments, keywords in lower case. `cap`: as written (`1200/d`), the highest where several are; None where one
    block has none. `address`, `hostname`: of the first source host; `sources`: the addresses or networks of all."""

    name: str
    lines: tuple[str, ...]
    cap: str | None
    address: str | None
    hostname: str | None
    sources: tuple[str, ...] = ()
    items: tuple[Node, ...] = field(default=(), compare=False, repr=False)

    def may_send_from(self, address: IpAddress) -> bool:
        """Without source hosts of its own those of the whole configuration apply."""
        return not self.sources or any(_holds(source, address) for source in self.sources)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Virtual MTAs and pools by name, wherever they stand; `rest` is every other line.

    `hidden`: why something may stand there that nobody can see; as long as there is a reason, nothing is absent. `unclear`: names of
    virtual MTAs and pools of which something may be hidden: an include of their own, a second definition. `blocks`: their blocks,
    with the line of each."""

    vmtas: dict[str, VmtaBlock]
    pools: dict[str, tuple[str, ...]]
    rest: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    unclear: frozenset[str] = frozenset()
    blocks: tuple[tuple[int, Block], ...] = field(default=(), compare=False, repr=False)
    _spelled: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def whole(self) -> bool:
        """Is everything that it says understood?"""
        return not self.hidden and not self.unclear

    def may_define(self, vmta: str) -> bool:
        """False: it certainly has no such virtual MTA. Names that differ in case may be the same."""
        return bool(self.hidden) or vmta.lower() in self._spelled

    def may_send(self, vmta: str, address: IpAddress) -> bool:
        """False: it certainly has no such virtual MTA that sends from the address."""
        names = self._spelled.get(vmta.lower(), ())
        return bool(self.hidden) or any(
            one in self.unclear or self.vmtas[one].may_send_from(address) for one in names
        )

    def surely(self, name: str) -> bool:
        """Is all seen of the virtual MTA or pool of this name?"""
        return not self.hidden and name not in self.unclear


def read_inventory(text: str) -> Inventory:
    """Never fails: what cannot be understood is told in `hidden` and `unclear`."""
    return inventory_of(assemble(text))


def inventory_of(assembly: Assembly) -> Inventory:
    """As `read_inventory`, of what was read already; includes are not followed."""
    reader = _Reader()
    rest = reader.lines(assembly.main.root, 0, None)
    return Inventory(
        vmtas={name: _vmta(name, found) for name, found in reader.vmtas.items()},
        pools={name: tuple(_members(found)) for name, found in reader.pools.items()},
        rest=tuple(rest),
        hidden=tuple(reader.hidden),
        unclear=frozenset(reader.unclear | reader.repeated()),
        blocks=tuple(reader.blocks),
        _spelled=_by_spelling(reader.vmtas),
    )


def name_of(block: Block) -> str:
    """The name in a block's tag."""
    return unquoted(block.argument)


def value_of(directive: Directive) -> str:
    """What stands behind the keyword, quotes taken off."""
    return unquoted(directive.value)


def named(items: tuple[Node, ...], wanted: str) -> Iterator[Directive]:
    """The directives of one name, in whatever case they are written."""
    return (one for one in items if isinstance(one, Directive) and keyword(one.name) == wanted)


Found = list[tuple[Block, tuple[str, ...]]]


class _Reader:
    """Of blocks that are the same objects everywhere, as `parse` makes them, the lines are found once."""

    def __init__(self) -> None:
        self.vmtas: dict[str, Found] = {}
        self.pools: dict[str, Found] = {}
        self.hidden: list[str] = []
        self.unclear: set[str] = set()
        self.blocks: list[tuple[int, Block]] = []
        self._plain: dict[int, tuple[str, ...] | None] = {}

    def repeated(self) -> set[str]:
        count: dict[str, list[str]] = {}
        for _, block in self.blocks:
            count.setdefault(name_of(block).lower(), []).append(name_of(block))
        return {one for names in count.values() if len(names) > 1 for one in names}

    def lines(self, block: Block, line: int, owner: str | None) -> list[str]:
        """Of what stands in the block, without virtual MTAs and pools: those are kept. `owner`: in whose block it stands."""
        lines: list[str] = []
        for node in block.items:
            if isinstance(node, Directive):
                lines.append(_told(node))
                if keyword(node.name) == "include":
                    self._include(node, line + node.offset, block, owner)
            elif isinstance(node, Unreadable):
                self._hides(line + node.offset, f"`{node.text}` {node.problem}", owner)
            elif isinstance(node, Block):
                lines += self._block(node, line + node.offset, block, owner)
        return lines

    def _block(self, node: Block, line: int, parent: Block, owner: str | None) -> tuple[str, ...] | list[str]:
        tag = keyword(node.tag)
        if tag in (VMTA, POOL):
            self._sender(node, line, parent, owner)
            return ()
        plain = self._lines_of_plain(node)
        if plain is not None:
            return plain
        if not node.closed:
            self._hides(line, f"{opening_of(node)} is not closed", owner)
        return [opening_of(node), *self.lines(node, line, owner), f"</{tag}>"]

    def _sender(self, node: Block, line: int, parent: Block, owner: str | None) -> None:
        name_there, tag = name_of(node), keyword(node.tag)
        if not node.closed:
            self._hides(line, f"{opening_of(node)} is not closed", owner)
        if parent.tag != GLOBAL:
            self._hides(line, f"{opening_of(node)} stands in {opening_of(parent)}", owner)
        if not _is_name(name_there):
            self._hides(line, f"{opening_of(node)} is not one name", owner)
        self.blocks.append((line, node))
        kind = self.vmtas if tag == VMTA else self.pools
        found = kind.setdefault(name_there, [])
        found.append((node, tuple(self.lines(node, line, name_there))))

    def _lines_of_plain(self, block: Block) -> tuple[str, ...] | None:
        """None where something in it must be told."""
        if id(block) not in self._plain:
            self._plain[id(block)] = self._read_plain(block)
        return self._plain[id(block)]

    def _read_plain(self, block: Block) -> tuple[str, ...] | None:
        lines = [opening_of(block)]
        for node in block.items:
            if isinstance(node, Directive) and keyword(node.name) != "include":
                lines.append(_told(node))
            elif isinstance(node, Block) and keyword(node.tag) not in (VMTA, POOL):
                inner = self._lines_of_plain(node)
                if inner is None:
                    return None
                lines += inner
            elif not isinstance(node, Comment):
                return None
        return (*lines, f"</{keyword(block.tag)}>") if block.closed else None

    def _include(self, node: Directive, line: int, block: Block, owner: str | None) -> None:
        if owner is not None:
            self.unclear.add(owner)
        elif block.tag == GLOBAL:
            self._hides(line, f"the text of `include {node.value}` is not at hand", None)

    def _hides(self, line: int, why: str, owner: str | None) -> None:
        self.hidden.append(f"line {line}: {why}")
        if owner is not None:
            self.unclear.add(owner)


def _told(node: Directive) -> str:
    return f"{keyword(node.name)} {value_of(node)}".strip()


def opening_of(block: Block) -> str:
    """A block's first line in one spelling, without its comment."""
    inside = f"{keyword(block.tag)} {name_of(block)}".strip()
    return f"{block.lead} <{inside}>".strip()


def _is_name(text: str) -> bool:
    try:
        return bool(name(text))
    except BadValue:
        return False


def _vmta(name: str, found: Found) -> VmtaBlock:
    items = tuple(item for block, _ in found for item in block.items) if found[1:] else found[0][0].items
    lines = tuple(line for _, lines in found for line in lines) if found[1:] else found[0][1]
    hosts = [value_of(one).split() for one in named(items, SOURCE)]
    hosts = [words for words in hosts if words]
    caps = [tuple(value_of(one) for one in named(block.items, CAP)) for block, _ in found]
    return VmtaBlock(
        name=name,
        lines=lines,
        cap=highest(cap for of_block in caps for cap in of_block) if all(caps) else None,
        address=hosts[0][0] if hosts else None,
        hostname=hosts[0][1] if hosts and hosts[0][1:] else None,
        sources=tuple(words[0] for words in hosts),
        items=items,
    )


def _members(found: Found) -> Iterator[str]:
    for block, _ in found:
        yield from (value_of(one) for one in named(block.items, MEMBER) if one.value)


def _by_spelling(names: Mapping[str, object]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one in names:
        found[one.lower()] = (*found.get(one.lower(), ()), one)
    return found


def _holds(source: str, address: IpAddress) -> bool:
    """True for what is no address: who knows."""
    try:
        return address in ipaddress.ip_network(cidr(source))
    except ValueError:
        return True
