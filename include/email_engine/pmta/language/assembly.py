"""One configuration of several files: `include` put in its place."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from email_engine.pmta.language.parse import parse
from email_engine.pmta.language.tree import Block, Directive, Document, Node

Read = Callable[[str, str], list[tuple[str, str]] | None]
"""(value of the include, file that holds it) to (file, text) of each file that it names, None if it cannot be read."""
DEEPEST = 8
MOST_FILES = 10_000
"""So many includes are followed: files that include each other under ever new names come to an end."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where a node stands: file and line from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Assembly:
    """`main` with what its includes name; `found` by (file, value of the include).

    An include that cannot be read, goes round in a circle or is fetched by http is not in `found`."""

    main: Document
    found: dict[tuple[str, str], tuple[Document, ...]] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Does it stand in one file?"""
        return not self.found

    def items(self, block: Block, place: FilePlace) -> Iterator[tuple[FilePlace, Node]]:
        """A block's nodes, those of included files in the place of the include (which comes first itself)."""
        for node in block.items:
            here = FilePlace(place.file, place.line + node.offset)
            yield here, node
            if isinstance(node, Directive) and node.name.lower() == "include":
                for document in self.found.get((place.file, node.value), ()):
                    yield from self.items(document.root, FilePlace(document.file, 0))

    def top(self) -> Iterator[tuple[FilePlace, Node]]:
        """Everything at global level."""
        return self.items(self.main.root, FilePlace(self.main.file, 0))


def assemble(text: str, file: str = "config", read: Read | None = None) -> Assembly:
    """Reads a configuration and what it includes; `read` None: includes are left alone."""
    main = parse(text, file)
    found: dict[tuple[str, str], tuple[Document, ...]] = {}
    if read is not None:
        _follow(main, read, found, (file,))
    return Assembly(main, found)


def _follow(
    document: Document, read: Read, found: dict[tuple[str, str], tuple[Document, ...]], above: tuple[str, ...]
) -> None:
    for value in dict.fromkeys(_includes(document.root)):
        key = (document.file, value)
        if key in found or re.match(r"https?://", value) or len(above) > DEEPEST or len(found) >= MOST_FILES:
            continue
        files = read(value, document.file)
        if files is None or any(name in above for name, _ in files):
            continue
        found[key] = tuple(parse(text, name) for name, text in files)
        for one in found[key]:
            _follow(one, read, found, (*above, one.file))


def _includes(block: Block) -> Iterator[str]:
    seen: set[int] = set()
    waiting = [block]
    while waiting:
        one = waiting.pop()
        if id(one.items) in seen:
            continue
        seen.add(id(one.items))
        for node in one.items:
            if isinstance(node, Block):
                waiting.append(node)
            elif isinstance(node, Directive) and node.name.lower() == "include":
                yield node.value
