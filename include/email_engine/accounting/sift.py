"""The careful way through an accounting file: rows that are not CSV of the header's width are named with their line, all
others go to plain files that the engine reads, with the line number as a further column.

It is taken when the fast way meets anything odd, and it loses no more than the broken rows: a quote that never closes costs
its own line, not the rest of the file."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from email_engine.accounting.columns import BOM, LARGEST_HEADER, Columns, is_header, parse_header
from email_engine.errors import InputError

LONGEST_ROW = 1 << 20
UNFINISHED = "the file ends within this row"
_QUOTED = rb'"(?:[^"]++|"")*+"'
_FIELD = rb'(?:%b|[^",\r\n][^,\r\n]*+)?+' % _QUOTED
_OPEN = re.compile(rb'(?:(?:%b|[^",\r\n][^,\r\n]*+)?+,)*+"(?:[^"]++|"")*+' % _QUOTED)
_CLOSES = re.compile(rb'(?:[^"]++|"")*+"(?=[,\r\n]|\Z)')
_INSIDE = re.compile(rb'(?:[^"]++|"")*+')


@dataclass(frozen=True, slots=True)
class Segment:
    """A plain file of well-formed rows under one header; each row ends with its line number."""

    path: Path
    columns: Columns


@dataclass(slots=True)
class Sifted:
    segments: list[Segment]
    whole_bytes: int = 0
    cut: bool = False


def sift(
    path: Path,
    folder: Path,
    subject: str,
    reject: Callable[[int, str], None],
    start: int = 0,
    skip_first: bool = False,
) -> Sifted:
    """Sorts the rows of `path` from the byte `start` on (the header always counts) into files in `folder`.

    `skip_first`: the row that begins at `start` was dealt with before. InputError if there is no header."""
    with path.open("rb") as file:
        first = file.readline(LARGEST_HEADER)
        header = parse_header(first, subject)
        line, skip_first = 2, skip_first and start >= len(first)
        if start > len(first):
            file.seek(0)
            line = 1 + _line_breaks(file, start)
        else:
            start = len(first)
        return _Sifter(file, folder, reject, header, line, start).run(skip_first)


def _line_breaks(file: BinaryIO, end: int) -> int:
    found = 0
    while end > 0 and (block := file.read(min(end, 1 << 20))):
        found += block.count(b"\n")
        end -= len(block)
    return found


class _Sifter:
    def __init__(
        self,
        file: BinaryIO,
        folder: Path,
        reject: Callable[[int, str], None],
        header: Columns,
        line: int,
        at: int,
    ) -> None:
        self.lines = _Lines(file)
        self.folder = folder
        self.reject = reject
        self.line, self.at = line, at
        self.segments: list[Segment] = []
        self.files: dict[Columns, BinaryIO] = {}
        self.begin(header)

    def begin(self, columns: Columns) -> None:
        """The rows that follow have these columns."""
        if columns not in self.files:
            path = self.folder / f"segment-{len(self.segments)}.csv"
            self.files[columns] = path.open("wb", buffering=1 << 20)
            self.segments.append(Segment(path, columns))
        self.out, self.columns = self.files[columns], columns
        fields = b"(?:" + _FIELD + b",){%d}" % (columns.width - 1) + _FIELD
        self.whole = re.compile(fields)
        self.plain = re.compile(fields + rb"\r?\n").fullmatch
        self.commas = columns.width - 1

    def run(self, skip_first: bool) -> Sifted:
        result = Sifted(self.segments)
        while line := self.lines.next():
            begins, number = self.at, self.line
            if (
                not skip_first
                and (self.simple(line) or self.plain(line))
                and line.isascii()
                and b"timelogged" not in line.lower()
            ):
                # nearly every row of nearly every file
                self.out.write(b"%b,%d\r\n" % (line.rstrip(b"\r\n"), number))
                self.at += len(line)
                self.line += 1
                result.whole_bytes, result.cut = self.at, False
                continue
            row, closed = line, True
            if b'"' in line:
                row, closed = self.complete(line)
            self.at += len(row)
            self.line += row.count(b"\n")
            ended = row.endswith(b"\n")
            result.whole_bytes = self.at if ended else begins
            body = row.rstrip(b"\r\n") if ended or row.endswith(b"\r") else row
            if skip_first:
                skip_first = False
                continue
            if body.endswith((b",", b',""')):
                body = self.without_empty_ends(body)
            if not body:
                continue
            if (reason := self.wrong(body, closed)) is None:
                if not is_header(body):
                    self.out.write(_clean(body) + b",%d\r\n" % number)
                    result.cut = not ended
                    continue
            elif not is_header(body):
                self.reject(number, reason if ended else UNFINISHED)
                continue
            try:
                self.begin(parse_header(body, ""))
            except InputError:
                self.reject(number, "a header line that cannot be read")
        for file in self.files.values():
            file.close()
        return result

    def simple(self, line: bytes) -> bool:
        """Whether a line is a whole row with one quoted field at most, told sooner than by `plain`, which knows them all."""
        if line.count(b"\r") != line.endswith(b"\r\n") or not line.endswith(b"\n"):
            return False
        before, *quoted = line.split(b'"')
        if not quoted:
            return before.count(b",") == self.commas
        return (
            len(quoted) == 2
            and before.endswith(b",")
            and quoted[1].startswith((b",", b"\r", b"\n"))
            and before.count(b",") + quoted[1].count(b",") == self.commas
        )

    def complete(self, line: bytes) -> tuple[bytes, bool]:
        """The row that begins with `line`, with the following lines as long as a quote is open; or the line alone and False
        where that quote never closes."""
        match = _OPEN.fullmatch(line)
        if match is None:
            return line, True
        parts, size = [line], len(line)
        while size < LONGEST_ROW and (more := self.lines.next()):
            parts.append(more)
            size += len(more)
            if b'"' not in more or _INSIDE.fullmatch(more):
                continue
            close = _CLOSES.match(more)
            if close is None:
                break
            rest = more[close.end() :]
            if not _OPEN.fullmatch(b'""' + rest):
                return b"".join(parts), True
        self.lines.push(parts[1:])
        return line, False

    def without_empty_ends(self, body: bytes) -> bytes:
        """Empty fields too many at the end are no harm; the engine thinks so too."""
        surplus = sum(1 for _ in _fields(body)) - self.columns.width
        tail = re.search(rb'(?:,(?:"")?){%d}\Z' % surplus, body) if surplus > 0 else None
        return body[: tail.start()] if tail else body

    def wrong(self, body: bytes, closed: bool) -> str | None:
        if not closed:
            return "a quote that never closes, or text behind one that does"
        if b'"' not in body and b"\r" not in body:
            fields = body.count(b",") + 1
            return None if fields == self.columns.width else self.width(fields)
        if self.whole.fullmatch(body):
            return None
        fields = sum(1 for _ in _fields(body))
        return (
            self.width(fields)
            if fields != self.columns.width
            else "text behind a closing quote, or a bare CR"
        )

    def width(self, fields: int) -> str:
        return f"{fields} fields, the header has {self.columns.width}"


class _Lines:
    """The lines of a file, with a way back; a line longer than a row may be comes in pieces."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._again: list[bytes] = []

    def next(self) -> bytes:
        return self._again.pop() if self._again else self._file.readline(LONGEST_ROW)

    def push(self, lines: list[bytes]) -> None:
        self._again += reversed(lines)


def _fields(body: bytes) -> Iterator[re.Match[bytes]]:
    return re.finditer(rb"(?:^|,)(?:%b[^,]*|[^,]*)" % _QUOTED, body)


def _clean(body: bytes) -> bytes:
    """Valid UTF-8; what is none becomes the replacement character."""
    if body.isascii():
        return body
    return body.removeprefix(BOM).decode("utf-8", "replace").encode()
