"""One tree of all files: what an include names stands in its place, and one number of a line tells file and line."""

from bisect import bisect_left
from dataclasses import dataclass, replace

from email_engine.pmta.language.assembly import Assembly, FilePlace
from email_engine.pmta.language.tree import Block, Directive, Document, Node

MOST = 100_000
"""So often an include is followed; a file that names a file twice, twenty deep, would be a million."""


@dataclass(frozen=True, slots=True)
class Flat:
    """`root`: global level of the whole configuration; lines of the n-th file are those above `starts[n]`."""

    root: Block
    starts: tuple[int, ...]
    files: tuple[str, ...]

    def place(self, line: int) -> FilePlace:
        """File and line of a line's number."""
        at = max(bisect_left(self.starts, line) - 1, 0)
        return FilePlace(self.files[at], max(line - self.starts[at], 1))

    def file(self, line: int) -> str:
        """Only the file."""
        return self.files[max(bisect_left(self.starts, line) - 1, 0)]


def flatten(assembly: Assembly) -> Flat:
    """The tree is the main file's own where nothing is included."""
    documents = {assembly.main.file: assembly.main}
    for found in assembly.found.values():
        documents |= {document.file: document for document in found}
    starts, start = [], 0
    for document in documents.values():
        starts.append(start)
        start += document.root.height + 1
    bases = dict(zip(documents, starts, strict=True))
    root = assembly.main.root
    if assembly.found:
        root = _Joiner(assembly, bases).block(root, 0, 0, assembly.main.file)
    return Flat(root, tuple(starts), tuple(documents))


class _Joiner:
    def __init__(self, assembly: Assembly, bases: dict[str, int]) -> None:
        self._assembly = assembly
        self._bases = bases
        self._plain: dict[tuple[str, int], bool] = {}
        self._followed = 0

    def block(self, block: Block, line: int, parent: int, file: str) -> Block:
        """The block with what its includes name; `line` and `parent`: where it and the block around it stand."""
        if self._is_plain(block, file):
            return block if line - parent == block.offset else replace(block, offset=line - parent)
        items = tuple(self._items(block, line, line, file))
        return replace(block, items=items, offset=line - parent)

    def _items(self, block: Block, line: int, parent: int, file: str) -> "list[Node]":
        nodes: list[Node] = []
        for node in block.items:
            here = line + node.offset
            if isinstance(node, Block):
                nodes.append(self.block(node, here, parent, file))
                continue
            nodes.append(node if here - parent == node.offset else replace(node, offset=here - parent))
            if isinstance(node, Directive) and node.name == "include":
                for document in self._included(file, node.value):
                    nodes += self._items(document.root, self._bases[document.file], parent, document.file)
        return nodes

    def _included(self, file: str, value: str) -> tuple[Document, ...]:
        self._followed += 1
        return self._assembly.found.get((file, value), ()) if self._followed <= MOST else ()

    def _is_plain(self, block: Block, file: str) -> bool:
        key = (file, id(block.items))
        known = self._plain.get(key)
        if known is None:
            known = self._plain[key] = not any(
                (isinstance(node, Block) and not self._is_plain(node, file))
                or (
                    isinstance(node, Directive)
                    and node.name == "include"
                    and (file, node.value) in self._assembly.found
                )
                for node in block.items
            )
        return known
