"""A page of Markdown as it reads in a log: no marks, tables in columns, lines that end before the window does."""

import re
import textwrap
from collections.abc import Iterator, Sequence

from email_engine.errors import EngineError

WIDTH = 110
"""Characters of a line of words; a row of a table and a line of code stay whole."""
_ESCAPED = re.compile(r"\\([\\`*_\[\]<>#|!~])")
_RULE = re.compile(r"\|[-|: ]+\|")
_CELL = re.compile(r"(?<!\\)\|")
_ITEM = re.compile(r"\s*(?:- |\d+\. )?")


def plain(markdown: str) -> str:
    """The same words in the same order."""
    return "\n".join(_lines(markdown.splitlines()))


def error_lines(error: EngineError) -> str:
    """What is wrong, seen, right and to be done, each on lines of its own."""
    said = (
        f"{error.subject}", f"Seen: {error.observed}", f"Expected: {error.allowed}", f"Next: {error.next_step}",
    )  # fmt: skip
    return "\n".join(line for part in said for each in part.splitlines() for line in _wrap(each))


def _lines(lines: Sequence[str]) -> Iterator[str]:
    table: list[list[str]] = []
    code = False
    for line in [*lines, ""]:
        if line.startswith("|") and not code:
            if not _RULE.fullmatch(line):
                table.append([_words(cell.strip()) for cell in _CELL.split(line)[1:-1]])
            continue
        yield from _columns(table)
        table = []
        if line.startswith("```"):
            code = not code
        elif code:
            yield f"    {line}"
        else:
            mark = _ITEM.match(line)
            yield from _wrap(_words(line), mark.end() if mark else 0)


def _words(text: str) -> str:
    return _ESCAPED.sub(r"\1", text.replace("**", ""))


def _wrap(line: str, hang: int = 0) -> list[str]:
    wrap = textwrap.TextWrapper(
        WIDTH, subsequent_indent=" " * hang, break_long_words=False, break_on_hyphens=False
    )
    return wrap.wrap(line) or [""]


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        widths = [max(map(len, column)) for column in zip(*rows, strict=False)]
        for row in rows:
            yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)).rstrip()
