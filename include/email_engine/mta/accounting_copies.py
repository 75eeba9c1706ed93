"""Which accounting file another one is a copy of: by content, whatever it is called."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

BLOCK = 1 << 20
SMALLEST_HEAD = 6


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is known by. `digest`: sha256. `heads[n]`: of its first 2 ** (6 + n) bytes, cut short; `prefixes`: digest by
    length, for the lengths that were asked for."""

    size: int
    digest: str
    heads: tuple[str, ...]
    prefixes: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Known:
    """A file of the same host that was dealt with. `whole_bytes`, `cut`: see Summary."""

    id: int
    name: str
    size: int
    digest: str
    status: str
    heads: Sequence[str]
    whole_bytes: int | None
    cut: bool


class Copy(StrEnum):
    NONE = "none"
    SAME = "same"
    """The same content as a known file."""
    SHORTER = "shorter"
    """The beginning of a file that was taken whole, under its name: cut off on the way."""
    LONGER = "longer"
    """A file that was taken is its beginning."""


def content_of(path: Path, lengths: Collection[int] = ()) -> Content:
    """Reads the file once; memory does not grow with it."""
    marks = sorted({*lengths, *(1 << n for n in range(SMALLEST_HEAD, 48))})
    whole, size = hashlib.sha256(), 0
    found: dict[int, str] = {}
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            at = 0
            while marks and marks[0] <= size + len(block):
                end = marks.pop(0)
                whole.update(memoryview(block)[at : end - size])
                at = end - size
                found[end] = whole.hexdigest()
            whole.update(memoryview(block)[at:])
            size += len(block)
    heads = tuple(found[1 << n][:16] for n in range(SMALLEST_HEAD, 48) if (1 << n) in found)
    return Content(size, whole.hexdigest(), heads, {n: found[n] for n in lengths if n in found})


def copy_of(name: str, content: Content, known: Collection[Known]) -> tuple[Copy, Known | None]:
    """What the file is to those that were dealt with, and to which."""
    for file in known:
        if file.digest == content.digest:
            return Copy.SAME, file
    taken = [file for file in known if file.status == "taken"]
    begun = [f for f in taken if f.size < content.size and content.prefixes.get(f.size) == f.digest]
    for file in taken:
        alike = bool(content.heads) and tuple(file.heads[: len(content.heads)]) == content.heads
        if alike and file.size > content.size and (begun or file.name == name):
            return Copy.SHORTER, file
    return (Copy.LONGER, max(begun, key=lambda f: f.size)) if begun else (Copy.NONE, None)
