"""Reads the configuration files below a host's root directory into a tree, strictly by the grammar.

Lexing: one directive a line, `#` starts a comment anywhere, blocks `<tag NAME>` ... `</tag>` on own lines.
"""

import glob
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab.powermta.grammar import Grammar

MAIN = "/etc/pmta/config"
DEFAULTS = "/etc/pmta/config-defaults"
_OPEN = re.compile(r"<([A-Za-z-]+)(?:[ \t]+(.*?))?[ \t]*>")
_CLOSE = re.compile(r"</([A-Za-z-]+)>")


class ConfigurationError(Exception):
    """The first mistake found, as PowerMTA words it: `Error in line N of FILE: what is wrong`."""

    def __init__(self, file: str, line: int, problem: str) -> None:
        super().__init__(f"Error in line {line} of {file}: {problem}")


@dataclass(frozen=True, slots=True)
class Line:
    """One directive: keyword, value without comment and blanks, and where it stands."""

    name: str
    value: str
    file: str
    number: int

    def error(self, problem: str) -> ConfigurationError:
        return ConfigurationError(self.file, self.number, problem)


@dataclass(slots=True)
class Block:
    """One `<tag NAME>` with everything inside it, in order."""

    tag: str
    name: str
    file: str
    number: int
    items: "list[Line | Block]" = field(default_factory=list)

    def error(self, problem: str) -> ConfigurationError:
        return ConfigurationError(self.file, self.number, problem)

    def lines(self, *names: str) -> Iterator[Line]:
        """The directives of this block itself, all or those named."""
        return (item for item in self.items if isinstance(item, Line) and (not names or item.name in names))

    def blocks(self, *tags: str) -> "Iterator[Block]":
        return (item for item in self.items if isinstance(item, Block) and (not tags or item.tag in tags))


@dataclass(frozen=True, slots=True)
class Tree:
    """The whole configuration as read: `files` maps every file that was read to its bytes."""

    root: Block
    files: dict[str, bytes]
    last_line: int

    def digest(self, file: str) -> str | None:
        """SHA-256 (hex) of a file as it was when it was read; None if no include reached it."""
        return hashlib.sha256(self.files[file]).hexdigest() if file in self.files else None


def read_configuration(root: Path, grammar: Grammar) -> Tree:
    """Reads `/etc/pmta/config` below `root` with its includes. Raises ConfigurationError at the first mistake."""
    reader = _Reader(root.resolve(), grammar)
    top = Block("global", "", MAIN, 0)
    last_line = reader.read(MAIN, top, ConfigurationError(MAIN, 0, "cannot read the file"))
    if (root / DEFAULTS.lstrip("/")).is_file():
        reader.read(DEFAULTS, top, ConfigurationError(DEFAULTS, 0, "cannot read the file"))
    return Tree(top, reader.files, last_line)


class _Reader:
    def __init__(self, root: Path, grammar: Grammar) -> None:
        self._root = root
        self._grammar = grammar
        self._open_files: list[str] = []
        self.files: dict[str, bytes] = {}

    def read(self, file: str, into: Block, missing: ConfigurationError) -> int:
        """Reads one file into a block and returns its number of lines. Blocks must close in the file that opens them."""
        try:
            path = (self._root / file.lstrip("/")).resolve()
            data = path.read_bytes() if path.is_relative_to(self._root) else None
        except OSError:
            data = None
        if data is None:
            raise missing
        self.files[file] = data
        self._open_files.append(file)
        stack = [into]
        number = 0
        for number, text in enumerate(_text_lines(data, file), start=1):
            self._line(text, file, number, stack)
        if len(stack) > 1:
            raise ConfigurationError(
                file, number, f'"<{stack[-1].tag}>" of line {stack[-1].number} is not closed'
            )
        self._open_files.pop()
        return number

    def _line(self, text: str, file: str, number: int, stack: list[Block]) -> None:
        text = text.partition("#")[0].strip()
        if not text:
            return
        scope = stack[-1].tag
        if closing := _CLOSE.fullmatch(text):
            if len(stack) == 1:
                raise ConfigurationError(file, number, f'"{text}" closes nothing')
            if closing[1] != scope:
                raise ConfigurationError(
                    file, number, f'"{text}" found, but "<{scope}>" of line {stack[-1].number} is open'
                )
            stack.pop()
        elif opening := _OPEN.fullmatch(text):
            self._open(opening[1], (opening[2] or "").strip(), file, number, stack)
        elif text.startswith("<"):
            raise ConfigurationError(file, number, f'malformed tag "{text}"')
        else:
            self._directive(text, file, number, stack)

    def _open(self, tag: str, argument: str, file: str, number: int, stack: list[Block]) -> None:
        if problem := self._grammar.open_tag(tag, argument, stack[-1].tag):
            raise ConfigurationError(file, number, problem)
        block = Block(tag, argument, file, number)
        stack[-1].items.append(block)
        stack.append(block)

    def _directive(self, text: str, file: str, number: int, stack: list[Block]) -> None:
        block = stack[-1]
        if block.tag == "bounce-category-patterns":
            name, value = "<line>", text
        else:
            name, _, value = text.replace("\t", " ").partition(" ")
            value = value.strip()
        line = Line(name, value, file, number)
        if problem := self._grammar.directive(name, value, block.tag):
            raise line.error(problem)
        if self._grammar.once(name, block.tag) and any(True for _ in block.lines(name)):
            raise line.error(f'directive "{name}" may stand only once in a block')
        if name == "include":
            self._include(line, block)
            return
        block.items.append(line)
        if value.endswith("<pattern-list>"):
            nested = Block("pattern-list", "", file, number)
            block.items.append(nested)
            stack.append(nested)

    def _include(self, line: Line, block: Block) -> None:
        if re.match(r"https?://", line.value):
            raise line.error(f'cannot fetch "{line.value}"')
        if "*" in line.value or "?" in line.value:
            pattern = glob.escape(str(self._root)) + "/" + line.value.lstrip("/")
            files = ["/" + str(Path(name).relative_to(self._root)) for name in sorted(glob.glob(pattern))]
        else:
            files = [line.value if line.value.startswith("/") else f"/etc/pmta/{line.value}"]
        for file in files:
            if file in self._open_files:
                raise line.error(f'"{file}" includes itself')
            self.read(file, block, line.error(f'cannot open "{file}"'))


def _text_lines(data: bytes, file: str) -> list[str]:
    try:
        return data.decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ConfigurationError(file, data[: error.start].count(b"\n") + 1, "not valid UTF-8") from error
