"""How many rows a file has, told by quotes and line breaks alone: a second opinion on what the engine counted."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

BLOCK = 1 << 20
_LINE_BREAK, _QUOTE = 10, 34


@dataclass(frozen=True, slots=True)
class Layout:
    """`rows` with the header, empty lines too; `whole_bytes`: where the last whole row ends; `cut`: something follows it."""

    rows: int
    whole_bytes: int
    cut: bool


def layout_of(path: Path) -> Layout:
    """A line break ends a row where the quotes before it are even in number."""
    rows = whole = at = quotes = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            data = np.frombuffer(block, np.uint8)
            breaks, marks = np.flatnonzero(data == _LINE_BREAK), np.flatnonzero(data == _QUOTE)
            ends = breaks[((np.searchsorted(marks, breaks) + quotes) & 1) == 0]
            if len(ends):
                rows += len(ends)
                whole = at + int(ends[-1]) + 1
            quotes = (quotes + len(marks)) & 1
            at += len(block)
    cut = at > whole
    return Layout(rows + cut, whole, cut)
