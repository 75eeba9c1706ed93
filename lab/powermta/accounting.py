"""Accounting files: CSV by RFC 4180 with CRLF and a header line each, rotated and moved as their <acct-file> says."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from lab.powermta.config_model import AcctFile
from lab.powermta.record_rows import Cells, cell, delivery_cells, rare_cells, stamp

DAY = 86400
_DELIVERIES = {"d", "b", "t"}

Record = tuple[float, str, Any, str]
"""When (unix seconds), record type, row (ROW tuple or dict), queue name."""


class Accounting:
    """All accounting files of a configuration. `kinds` are the record types that any of them takes."""

    def __init__(self, files: Iterable[AcctFile], root: Path) -> None:
        self._files = [_File(file, root) for file in files if not file.path.startswith("|")]
        self.kinds = frozenset(record for file in self._files for record in file.settings.records)

    def write(self, records: Sequence[Record]) -> None:
        """Appends records, which must be in the order of time; a new file starts at midnight UTC."""
        at = 0
        while at < len(records):
            day = int(records[at][0]) // DAY
            end = len(records)
            if int(records[-1][0]) // DAY != day:
                end = next(index for index in range(at, end) if int(records[index][0]) // DAY != day)
            for file in self._files:
                file.write(records[at:end], day)
            at = end

    def rotate_due(self, now: float) -> None:
        """Closes files that are over: the day has passed, they are full, or the move interval is."""
        for file in self._files:
            file.rotate_due(now)

    def rotate(self, now: float, only: str = "") -> int:
        """Closes the open files, all or the one configured as `only`. Returns how many there were."""
        return sum(file.close(now) for file in self._files if only in {"", file.settings.path})


class _File:
    def __init__(self, settings: AcctFile, root: Path) -> None:
        self.settings = settings
        path = root / settings.path.lstrip("/")
        self._directory, self._stem, self._suffix = path.parent, path.stem, path.suffix
        self._moved = root / settings.move_to.lstrip("/") if settings.move_to else None
        self._columns = list(
            dict.fromkeys(column for record in settings.records for column in settings.columns[record])
        )
        self._picks = {record: self._pick(record) for record in settings.records}
        self._user = [at for at, column in enumerate(self._columns) if column == "userString"]
        self._accepts: dict[str, bool] = {}
        self._out: TextIO | None = None
        self._path = path
        self._day = -1
        self._opened = 0.0
        self._last = 0.0
        self._move_leftovers()

    def write(self, records: Sequence[Record], day: int) -> None:
        picks = self._picks
        wanted = [
            record
            for record in records
            if record[1] in picks and (not self.settings.queue_filter or self._takes(record[3]))
        ]
        if not wanted:
            return
        if self._user:
            lines = [",".join((kind, *self._with_user(picks[kind](row)))) for _, kind, row, _ in wanted]
        else:
            lines = [kind + "," + ",".join(picks[kind](row)) for _, kind, row, _ in wanted]
        if self._out is not None and self._day != day:
            self.close(day * DAY)
        out = self._out or self._open(day, wanted[0][0])
        out.write("\r\n".join(lines) + "\r\n")
        out.flush()
        self._last = wanted[-1][0]
        if out.tell() >= self.settings.max_size:
            self.close(self._last)

    def rotate_due(self, now: float) -> None:
        if self._out is not None:
            moved = self._moved is not None and now - self._opened >= self.settings.move_interval
            if moved or int(now) // DAY != self._day:
                self.close(now)
        elif self._moved is None and self.settings.delete_after < float("inf"):
            self._delete_old(now)

    def close(self, now: float) -> int:
        """Ends the open file and moves it. Its modification time is that of the lab."""
        if self._out is None:
            return 0
        self._out.close()
        self._out = None
        os.utime(self._path, (now, now))
        if self._moved is not None:
            self._moved.mkdir(parents=True, exist_ok=True)
            self._path.rename(self._moved / self._path.name)
        else:
            self._delete_old(now)
        return 1

    def _open(self, day: int, moment: float) -> TextIO:
        self._directory.mkdir(parents=True, exist_ok=True)
        name = f"{self._stem}-{stamp(day * DAY)[:10]}"
        number = self._next_number(name)
        self._path = self._directory / f"{name}-{number:04}{self._suffix}"
        self._out = self._path.open("w", encoding="utf-8", newline="")
        self._out.write(",".join(cell(column) for column in ("type", *self._columns)) + "\r\n")
        self._day, self._opened = day, moment
        return self._out

    def _move_leftovers(self) -> None:
        """Files that a killed host left open are closed ones now."""
        if self._moved is not None:
            for path in sorted(self._directory.glob(f"{self._stem}-????-??-??-*{self._suffix}")):
                self._moved.mkdir(parents=True, exist_ok=True)
                path.rename(self._moved / path.name)

    def _next_number(self, name: str) -> int:
        pattern = re.compile(re.escape(name) + r"-(\d{4,})" + re.escape(self._suffix))
        used = [-1]
        for directory in filter(None, (self._directory, self._moved)):
            if directory.is_dir():
                used += [
                    int(found[1])
                    for entry in os.scandir(directory)
                    if (found := pattern.fullmatch(entry.name))
                ]
        return max(used) + 1

    def _delete_old(self, now: float) -> None:
        for path in self._directory.glob(f"{self._stem}-????-??-??-*{self._suffix}"):
            if now - path.stat().st_mtime > self.settings.delete_after:
                path.unlink()

    def _pick(self, record: str) -> Cells:
        own = set(self.settings.columns[record])
        columns = [column if column in own else "" for column in self._columns]
        maps = {column: header for kind, header, column in self.settings.header_maps if kind == record}
        make = delivery_cells if record in _DELIVERIES else rare_cells
        return make(columns, self.settings.iso_times, maps)

    def _with_user(self, cells: Iterable[str]) -> list[str]:
        listed = list(cells)
        for at in self._user:
            listed[at] = cell(self.settings.user_string)
        return listed

    def _takes(self, queue: str) -> bool:
        if queue not in self._accepts:
            filters = self.settings.queue_filter
            no = any(_like(one[1:], queue) for one in filters if one.startswith("!"))
            wanted = [one for one in filters if not one.startswith("!")]
            self._accepts[queue] = not no and (not wanted or any(_like(one, queue) for one in wanted))
        return self._accepts[queue]


def _like(pattern: str, queue: str) -> bool:
    return (
        re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), queue, re.IGNORECASE)
        is not None
    )
