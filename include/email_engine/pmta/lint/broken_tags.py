"""Opening tags that were broken over several lines: for the linter they open their block, so that what follows is judged as it was
meant and only the break is told. Whoever acts on a configuration reads it as it stands: there the tag is none."""

import re
from bisect import bisect_left
from dataclasses import replace

from email_engine.pmta.language.assembly import Assembly
from email_engine.pmta.language.parse import parse
from email_engine.pmta.language.tree import Block, Directive, Node, Unreadable

CONTINUES = "continues a tag"
_NO_TAG = "is not a tag"
_MOST_LINES = 4
_DEEPEST = 20
_CLOSING = re.compile(r"</\s*([A-Za-z][A-Za-z0-9-]*)")


def mended(assembly: Assembly) -> Assembly:
    """The same one where nothing is broken."""
    mender = _Mender()
    main = replace(assembly.main, root=mender.block(assembly.main.root))
    found = {
        key: tuple(replace(one, root=mender.block(one.root)) for one in those)
        for key, those in assembly.found.items()
    }
    return Assembly(main, found) if mender.count else assembly


class _Mender:
    """Blocks that are one object, as `parse` makes equal ones, are looked at once."""

    def __init__(self) -> None:
        self.count = 0
        self._deep = 0
        self._known: dict[int, tuple[Node, ...]] = {}

    def block(self, block: Block) -> Block:
        items = self._known.get(id(block.items))
        if items is None:
            items = self._known[id(block.items)] = self._items(block.items)
        return block if items is block.items else replace(block, items=items)

    def _items(self, items: tuple[Node, ...]) -> tuple[Node, ...]:
        made: list[Node] = []
        closings: dict[str, list[int]] | None = None
        at, same = 0, True
        while at < len(items):
            node = items[at]
            opening = _opening(items, at)
            if opening is None:
                inner = self.block(node) if isinstance(node, Block) else node
                same = same and inner is node
                made.append(inner)
                at += 1
                continue
            self.count += 1
            same = False
            head, lines = opening
            made += [Unreadable("", CONTINUES, one.offset) for one in items[at + 1 : at + lines]]
            closings = _closings(items) if closings is None else closings
            ends = closings.get(head.tag.lower(), [])
            end = ends[where] if (where := bisect_left(ends, at)) < len(ends) else None
            if end is not None and self._deep < _DEEPEST:
                made.append(self._filled(head, node.offset, items[at + lines : end], items[end].offset))
            at = end + 1 if end is not None and self._deep < _DEEPEST else at + lines
        return items if same else tuple(made)

    def _filled(self, head: Block, start: int, inside: tuple[Node, ...], end: int) -> Block:
        """The block of an opening tag in line `start`, closed in line `end`."""
        self._deep += 1
        items = tuple(replace(node, offset=node.offset - start) for node in self._items(inside))
        self._deep -= 1
        return replace(head, items=items, offset=start, height=end - start, closed=True)


def _closings(items: tuple[Node, ...]) -> dict[str, list[int]]:
    """Where closing tags stand that close nothing, by tag."""
    found: dict[str, list[int]] = {}
    for at, node in enumerate(items):
        if isinstance(node, Unreadable) and (closing := _CLOSING.match(node.text)):
            found.setdefault(closing[1].lower(), []).append(at)
    return found


def _opening(items: tuple[Node, ...], at: int) -> tuple[Block, int] | None:
    """The empty block that the lines from `at` on open together, and how many they are; None if they open none."""
    node = items[at]
    if not isinstance(node, Unreadable) or node.problem != _NO_TAG:
        return None
    text = node.text.partition("#")[0]
    for count in range(1, _MOST_LINES):
        below = items[at + count] if at + count < len(items) else None
        if not isinstance(below, Directive) or below.offset != node.offset + count:
            return None
        text = f"{text} {below.name} {below.value}".rstrip()
        if text.endswith(">"):
            opened = parse(text).root.items
            first = opened[0] if len(opened) == 1 else None
            return (first, count + 1) if isinstance(first, Block) else None
    return None
