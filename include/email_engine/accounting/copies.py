"""Which accounting file another one is a copy of: by content, whatever it is called.

Content is compared in its plain form (`plain`), so a copy with other line ends or a byte-order mark is one too. It is long for what it does, and stays: hosts rename, rotate and
re-send their logs, a longer copy of a file brings only its new rows, and one counted twice would judge IPs by mail they never sent."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from email_engine.accounting.plain import END, first_row_ends, plain_blocks

LENGTHS = tuple((8 + part) << power for power in range(3, 45) for part in range(8))
"""Bytes of the heads: eight lengths from 64 to 128, eight from 128 to 256 and so on; what lies behind a file's last is less than an
eighth of it."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is known by; all sizes and digests are of its plain form. `digest`: sha256; `twin`: the same with its last line
    break, or without it. `heads[n]`: of its first LENGTHS[n] bytes, cut short; `prefixes`: digest by length, for the lengths
    that were asked for. `first_row_ends`: where the row below the header ends, the size where there is none: what begins alike
    up to there is the same log, while the header alone is the same in all of a host's files."""

    size: int
    digest: str
    twin: str
    heads: tuple[str, ...]
    prefixes: Mapping[int, str]
    first_row_ends: int

    def opens(self, heads: Sequence[str]) -> bool:
        """Whether a longer file with these heads may begin with this one."""
        return tuple(heads[: len(self.heads)]) == self.heads

    def begins(self, heads: Sequence[str]) -> bool:
        """Whether the heads of a longer file are those of this one, and tell more than its header."""
        return self.heads != () and LENGTHS[len(self.heads) - 1] >= self.first_row_ends and self.opens(heads)


@dataclass(frozen=True, slots=True)
class Known:
    """A file of the same host that was dealt with; `size` and `whole_bytes` of its plain form. `whole_bytes`, `cut`: see Summary;
    `records`: those that were counted when it was taken, without what a shorter copy had brought."""

    id: int
    name: str
    size: int
    digest: str
    status: str
    heads: Sequence[str]
    whole_bytes: int | None
    cut: bool
    records: int


class Copy(StrEnum):
    NONE = "none"
    SAME = "same"
    """The same content as a known file, but for line ends."""
    SHORTER = "shorter"
    """The beginning of a file that was taken whole: cut off on the way, whatever it is called."""
    LONGER = "longer"
    """A file that was taken is its beginning."""


def content_of(path: Path, lengths: Collection[int] = ()) -> Content:
    """Reads the file once; memory does not grow with it. `lengths`: of the plain form."""
    marks = sorted({*lengths, *LENGTHS})
    whole, size = hashlib.sha256(), 0
    unended = None
    found: dict[int, str] = {}
    for block in plain_blocks(path):
        view, at, end = memoryview(block), 0, size + len(block)
        last = end - len(END) if block.endswith(END) else None
        stops = {last} if last is not None else set()
        while marks and marks[0] <= end:
            stops.add(marks.pop(0))
        unended = None
        for stop in sorted(stops):
            whole.update(view[at : stop - size])
            at = stop - size
            found[stop] = whole.hexdigest()
            if stop == last:
                unended = whole.copy()
        whole.update(view[at:])
        size = end
    if unended is None:
        unended = whole.copy()
        unended.update(END)
    heads = tuple(found[n][:16] for n in LENGTHS if n in found)
    prefixes = {n: found[n] for n in lengths if n in found}
    twin = unended.hexdigest()
    return Content(size, whole.hexdigest(), twin, heads, prefixes, min(size, first_row_ends(path)))


def begun_with(content: Content, known: Collection[Known]) -> list[Known]:
    """The files that were taken and are the beginning of this one; one that had no record began nothing."""
    return [
        file
        for file in known
        if file.status == "taken"
        and file.records
        and file.size < content.size
        and content.prefixes.get(file.size) == file.digest
    ]


def copy_of(content: Content, known: Collection[Known]) -> tuple[Copy, Known | None]:
    """What the file is to those that were dealt with, and to which."""
    for file in known:
        if file.digest in (content.digest, content.twin):
            return Copy.SAME, file
    for file in known:
        if file.status == "taken" and file.size > content.size and content.begins(file.heads):
            return Copy.SHORTER, file
    begun = begun_with(content, known)
    return (Copy.LONGER, max(begun, key=lambda f: f.size)) if begun else (Copy.NONE, None)
