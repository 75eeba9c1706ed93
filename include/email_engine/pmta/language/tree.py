"""A configuration file as a tree that keeps lines: nothing in it is interpreted.

Nodes know their line as an offset from the line that opens their block. So two blocks with the same text are equal
wherever they stand, and the parser makes them one object: what is known about one of them is known about all."""

from collections.abc import Iterator
from dataclasses import dataclass, field

GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class Directive:
    """`name value  # comment`. `value` is as written, without blanks at its ends; empty if there is none."""

    name: str
    value: str
    offset: int
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """A line of its own; `text` is what follows the `#`."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no directive, tag or comment; `problem` says why, `text` is the line without blanks at its ends."""

    text: str
    problem: str
    offset: int


@dataclass(frozen=True, slots=True)
class Block:
    """`<tag argument>` to `</tag>`.

    `lead`: what stands before the tag on its line (`rcpt-to /x/ <pattern-list>`). `height`: lines from the opening to
    the closing one. `closed` False: the file or an outer block ended first, then `height` counts to the last line.
    `closing`: the name behind the closing tag, as a rule none."""

    tag: str
    argument: str
    items: tuple["Node", ...]
    offset: int
    height: int
    lead: str = ""
    closed: bool = True
    comment: str | None = None
    closing_comment: str | None = None
    closing: str = ""

    def directives(self, *names: str) -> Iterator[Directive]:
        """The block's own directives, all or those named."""
        return (i for i in self.items if isinstance(i, Directive) and (not names or i.name in names))

    def blocks(self, *tags: str) -> "Iterator[Block]":
        """The blocks right inside, all or those of these tags."""
        return (i for i in self.items if isinstance(i, Block) and (not tags or i.tag in tags))

    def value(self, name: str) -> str | None:
        """The value of the last directive of that name, None if there is none."""
        found = None
        for directive in self.directives(name):
            found = directive.value
        return found


Node = Directive | Comment | Unreadable | Block


@dataclass(frozen=True, slots=True)
class Document:
    """One file. `root` is a block of tag `global`; its children's offsets are line numbers from 1."""

    root: Block
    file: str = field(default="", compare=False)


def walk(block: Block, line: int = 0) -> Iterator[tuple[int, Block, Node]]:
    """Every node below a block in the order of the file: its line, the block that it stands in, itself.

    `line`: the block's own line (0 for a document's root)."""
    for node in block.items:
        yield line + node.offset, block, node
        if isinstance(node, Block):
            yield from walk(node, line + node.offset)
