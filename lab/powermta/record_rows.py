"""Accounting records as rows. The three record types of deliveries are tuples of ready cells: there are thousands an hour."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter

_CELLS = (
    ",type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta,bounceCat,srcType,srcMta,dlvType,"
    "dlvSourceIp,dlvDestinationIp,dlvEsmtpAvailable,dlvSize,vmta,jobId,envId,queue,vmtaPool,timeFirstAttempt,"
    "totalSecondsQueued,header_message-id,header_x-job,unixLogged,unixQueued,unixFirst"
)
ROW = tuple(_CELLS.split(","))
"""The cells of a d, b or t record, in this order; the first one is the empty cell."""

_AT = {name: index for index, name in enumerate(ROW)}
_UNIX = {"timeLogged": "unixLogged", "timeQueued": "unixQueued", "timeFirstAttempt": "unixFirst"}
_ALIASES = {"header_return-path": "orig", "header_from": "orig", "header_to": "rcpt"}
_TIMES = frozenset(_UNIX)
_MINUTES = tuple(f"{second // 60:02}:{second % 60:02}+0000" for second in range(3600))

Cells = Callable[..., Iterable[str]]


@lru_cache(maxsize=64)
def _hour(hour: int) -> str:
    return datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%d %H:")


def stamp(moment: int) -> str:
    """Unix seconds as `2019-02-08 21:54:05+0000`."""
    hour, second = divmod(moment, 3600)
    return _hour(hour) + _MINUTES[second]


def cell(text: str) -> str:
    """A CSV cell by RFC 4180."""
    if '"' in text or "," in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def delivery_cells(columns: Iterable[str], iso_times: bool, maps: Mapping[str, str]) -> Cells:
    """Picks `columns` (of the merged header, '' where the type has none) out of a ROW tuple."""

    def index(column: str) -> int:
        if not iso_times:
            column = _UNIX.get(column, column)
        if mapped := _AT.get(maps.get(column, "").lower()):
            return mapped
        name = column.lower() if column.startswith("header_") else column
        return _AT.get(_ALIASES.get(name, name), 0)

    indexes = [index(column) for column in columns]
    if len(indexes) == 1:
        return lambda row: (row[indexes[0]],)
    return itemgetter(*indexes)


def rare_cells(columns: Iterable[str], iso_times: bool, maps: Mapping[str, str]) -> Cells:
    """Picks `columns` out of a plain dict (header names in lower case, `timeLogged` in unix seconds)."""
    wanted = tuple(columns)

    def pick(row: Mapping[str, str | int]) -> list[str]:
        cells = []
        for column in wanted:
            value = row.get(column.lower() if column.startswith("header_") else column, "")
            if column in maps:
                value = row.get(maps[column].lower(), "") or value
            if column in _TIMES and isinstance(value, int):
                value = stamp(value) if iso_times else value
            cells.append(cell(str(value)))
        return cells

    return pick
