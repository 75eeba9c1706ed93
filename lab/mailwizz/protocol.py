"""The shapes of the HTTP API: a call, a reply, envelopes and pages."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .config import InstanceConfig
from .database import Database, Row
from .php_forms import Fields

Number = str | int


@dataclass(frozen=True, slots=True)
class Call:
    """A request after authentication. `fields`: the body as PHP would see it; `path`: the named parts of the path; `customer_id`:
    whose key it is."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    fields: Fields
    customer_id: int


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any


@dataclass(slots=True)
class Site:
    """What the handlers work with. `now()` is naive UTC; `plain_numbers`: ids and counts as ints, not strings."""

    config: InstanceConfig
    database: Database
    now: Callable[[], datetime]
    subscribers_changed: Callable[[], None]
    plain_numbers: bool = False
    stats: dict[str, tuple[datetime, dict[str, Any]]] = field(default_factory=dict)

    def number(self, value: int) -> Number:
        return value if self.plain_numbers else str(value)


def error(status: int, text: str | Mapping[str, str]) -> Reply:
    return Reply(status, {"status": "error", "error": text})


def record(fields: Mapping[str, Any], status: int = 200) -> Reply:
    return Reply(status, {"status": "success", "data": {"record": dict(fields)}})


def success(**extra: object) -> Reply:
    return Reply(200, {"status": "success", **extra})


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() else default


def page_of(call: Call) -> tuple[int, int]:
    """(page from 1, records a page: 10 to 50)."""
    return max(_whole(call.query.get("page"), 1), 1), min(max(_whole(call.query.get("per_page"), 10), 10), 50)


def listing(site: Site, call: Call, count: int, fetch: Callable[[int, int], Sequence[Row]]) -> Reply:
    """One page of `fetch(limit, offset)`. An empty list is all nulls, as MailWizz has it."""
    page, size = page_of(call)
    pages = -(-count // size)
    data: dict[str, Any] = dict.fromkeys(("count", "total_pages", "current_page", "next_page", "prev_page"))
    data["records"] = list(fetch(size, (page - 1) * size)) if count else []
    if count:
        data |= {
            "count": site.number(count),
            "total_pages": pages,
            "current_page": page,
            "next_page": page + 1 if page < pages else None,
            "prev_page": page - 1 if page > 1 else None,
        }
    return Reply(200, {"status": "success", "data": data})


def encode(body: object) -> bytes:
    """JSON as PHP writes it: no blanks, slashes escaped, everything ASCII."""
    return json.dumps(body, separators=(",", ":")).replace("/", "\\/").encode()


def stamp(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else ""
