"""How many rows a file has, told by quotes and line breaks alone: a second opinion on what the engine counted."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

BLOCK = 1 << 18
"""Small enough for the processor's cache."""
_LINE_BREAK, _QUOTE = 10, 34


@dataclass(frozen=True, slots=True)
class Layout:
    """`rows` with the header, empty lines too; `whole_bytes`: where the last whole row ends; `cut`: something follows it."""

    rows: int
    whole_bytes: int
    cut: bool


def layout_of(path: Path) -> Layout:
    """A line break ends a row where the quotes before it are even in number."""
    rows = whole = at = odd = 0
    block = bytearray(BLOCK)
    everything = np.frombuffer(block, np.uint8)
    # made once: new memory costs more than the search
    breaks, quotes = np.empty(BLOCK, bool), np.empty(BLOCK, bool)
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            np.equal(everything, _LINE_BREAK, out=breaks)
            np.equal(everything, _QUOTE, out=quotes)
            places = np.flatnonzero(np.logical_or(breaks, quotes, out=breaks)[:size])
            if len(places):
                quoted = quotes[places]
                open_quotes = (np.cumsum(quoted, dtype=np.uint8) + odd) & 1
                ends = np.flatnonzero(~quoted & (open_quotes == 0))
                if len(ends):
                    rows += len(ends)
                    whole = at + int(places[ends[-1]]) + 1
                odd = int(open_quotes[-1])
            at += size
    cut = at > whole
    return Layout(rows + cut, whole, cut)
