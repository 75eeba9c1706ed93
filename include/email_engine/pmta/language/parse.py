"""Text of a configuration to its tree. Reads anything: what cannot be read stays in the tree as what it is.

Lexing as PowerMTA documents it: one directive a line, keyword, blanks, value; `#` starts a comment anywhere; blocks
`<tag NAME>` ... `</tag>` on own lines, except `<pattern-list>` behind a pattern (user guide 5.0, section 3)."""

import re

from email_engine.pmta.language.tree import GLOBAL, Block, Comment, Directive, Document, Node, Unreadable

_OPEN = re.compile(r"<\s*([A-Za-z][A-Za-z0-9-]*)(?:\s+([^<>]*?))?\s*>")
_CLOSE = re.compile(r"</\s*([A-Za-z][A-Za-z0-9-]*)(?:\s+([^<>]*?))?\s*>")
"""The guide closes a block with its name behind the tag once (3.3.19)."""
_NESTED = re.compile(r"(\S.*?)\s+<([A-Za-z][A-Za-z0-9-]*)>")
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
PATTERNS_ONLY = "bounce-category-patterns"
"""In this block a line has no keyword: it is a pattern and a category."""
_DEEPEST = 20
_NEAR = 400
"""A block that closes within so many lines is compared with what was read before."""


def parse(text: str, file: str = "") -> Document:
    """Never fails; line breaks may be LF, CRLF or CR, a byte-order mark is no text."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    reader = _Reader(plain.removesuffix("\n").split("\n") if plain else [])
    return Document(reader.document(), file)


def raw_lines(text: str) -> list[str]:
    """The lines that `parse` counts, each with its line break."""
    if "\r" in text:
        return _LINES.findall(text)
    *lines, last = text.split("\n")
    return [*(f"{line}\n" for line in lines), *([last] if last else [])]


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0
        self._open: list[str] = []
        self._known: dict[tuple[str | int, ...], tuple[Node, ...]] = {}

    def document(self) -> Block:
        items = self._items(GLOBAL, -1)
        return Block(GLOBAL, "", items, 0, len(self._lines))

    def _items(self, tag: str, opened: int) -> tuple[Node, ...]:
        """Nodes up to the line that closes `tag` (left unread), the end of an outer block, or the end of the file."""
        self._open.append(tag.lower())
        items: list[Node] = []
        rest: tuple[int, int, tuple[str | int, ...]] | None = None
        while self._at < len(self._lines):
            text = self._lines[self._at].strip()
            if not text:
                self._at += 1
                continue
            offset = self._at - opened
            comment = None
            if "#" in text:
                text, _, comment = text.partition("#")
                text = text.rstrip()
                if not text:
                    items.append(Comment(comment, offset))
                    self._at += 1
                    continue
            if text[0] == "<":
                closing = _CLOSE.fullmatch(text)
                if closing and closing[1].lower() in self._open[1:]:
                    break
                if rest is None and opened >= 0:
                    end, key = self._rest(tag, opened)
                    if key in self._known:
                        items += self._known[key]
                        self._at = end
                        continue
                    rest = len(items), end, key
                items.append(self._tag(text, comment, offset, bool(closing)))
            elif text[-1] == ">" and (nested := self._nested(text, tag)):
                items.append(self._block(nested[2], "", nested[1], comment, offset))
            else:
                name, *value = ["", text] if tag.lower() == PATTERNS_ONLY else text.split(None, 1)
                items.append(Directive(name, value[0] if value else "", offset, comment))
                self._at += 1
        self._open.pop()
        if rest is not None and rest[1] == self._at:
            self._known[rest[2]] = tuple(items[rest[0] :])
        return tuple(items)

    def _nested(self, text: str, tag: str) -> re.Match[str] | None:
        found = _NESTED.fullmatch(text) if len(self._open) <= _DEEPEST else None
        return found if found and found[2].lower() == tag.lower() else None

    def _rest(self, tag: str, opened: int) -> tuple[int, tuple[str | int, ...]]:
        """Where the open block ends if it is written as usual, and what its nodes from here to there hang on.

        Hundreds of virtual MTAs end with the same blocks: these are read once."""
        head = self._lines[opened]
        try:
            closing = f"{head[: len(head) - len(head.lstrip())]}</{tag}>"
            end = self._lines.index(closing, self._at, self._at + _NEAR)
        except ValueError:
            return -1, ()
        return end, (self._at - opened, len(self._open), *self._open, *self._lines[self._at : end])

    def _tag(self, text: str, comment: str | None, offset: int, closing: bool) -> Node:
        opening = _OPEN.fullmatch(text)
        if opening and len(self._open) <= _DEEPEST:
            return self._block(opening[1], opening[2] or "", "", comment, offset)
        self._at += 1
        problem = "is not a tag"
        if opening or closing:
            problem = "stands in too many blocks" if opening else "closes nothing that is open here"
        return Unreadable(f"{text} #{comment}" if comment is not None else text, problem, offset)

    def _block(self, tag: str, argument: str, lead: str, comment: str | None, offset: int) -> Block:
        start = self._at
        self._at += 1
        items = self._items(tag, start)
        closed, closing_comment, closing = self._close(tag)
        height = self._at - start - 1
        return Block(tag, argument, items, offset, height, lead, closed, comment, closing_comment, closing)

    def _close(self, tag: str) -> tuple[bool, str | None, str]:
        if self._at >= len(self._lines):
            return False, None, ""
        text, mark, comment = self._lines[self._at].partition("#")
        closing = _CLOSE.fullmatch(text.strip())
        if not closing or closing[1].lower() != tag.lower():
            return False, None, ""
        self._at += 1
        return True, comment.rstrip() if mark else None, closing[2] or ""
