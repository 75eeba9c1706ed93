"""The newest Message-Ids of an accounting file, to see whether MailWizz knows them."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from email_engine.accounting.columns import LARGEST_HEADER, parse_header
from email_engine.accounting.values import KINDS

TAIL = 256 << 10
"""Bytes at the end of a file that are looked at."""
LONGEST = 255
"""Characters of a Message-Id as MailWizz keeps it."""


@dataclass(frozen=True, slots=True)
class SampledId:
    """`message_id` without its brackets; `vmta`: the virtual MTA that delivered it."""

    message_id: str = field(repr=False)
    vmta: str


@dataclass(frozen=True, slots=True)
class MessageIds:
    """`deliveries` looked at; `with_id`: those of them that carry one; `column`: has the file a column for it at all?"""

    deliveries: int
    with_id: int
    column: bool
    sample: tuple[SampledId, ...] = ()


def newest_ids(path: Path, subject: str, most: int) -> MessageIds:
    """Of the last deliveries of a plain file, at most `most` ids, newest first, each once. Raises InputError: it has no header."""
    with path.open("rb") as file:
        columns = parse_header(file.readline(LARGEST_HEADER), subject)
        start = file.tell()
        size = os.fstat(file.fileno()).st_size
        file.seek(max(start, size - TAIL))
        data = file.read(TAIL)
    if size - TAIL > start:
        data = data.partition(b"\n")[2]
    kind, vmta, message_id = (columns.at(name) for name in ("type", "vmta", "header_message-id"))
    found: dict[str, SampledId] = {}
    deliveries = with_id = 0
    for row in reversed(list(_rows(data, columns.width))):
        if kind is None or KINDS.get(row[kind], row[kind]) != "d":
            continue
        deliveries += 1
        text = row[message_id].strip().strip("<>") if message_id is not None else ""
        if not text:
            continue
        with_id += 1
        if len(found) < most and len(text) <= LONGEST and text.isprintable():
            found.setdefault(text, SampledId(text, row[vmta] if vmta is not None else ""))
    return MessageIds(deliveries, with_id, message_id is not None, tuple(found.values()))


def _rows(data: bytes, width: int) -> Iterator[list[str]]:
    """Rows of the right width; what is cut or odd is passed over."""
    lines = data.decode("utf-8", "replace").replace("\0", "?").splitlines()
    try:
        yield from (row for row in csv.reader(lines) if len(row) == width)
    except csv.Error:
        return
