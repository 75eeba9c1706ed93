"""Rows of delivery_days as counts: per IP, and per IP and mailbox provider."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Row, cast, func, select

from email_engine.fleet.traffic import COUNTED, Days
from email_engine.store.schema import delivery_days
from email_engine.warmup.observation import PROVIDER_DAYS, WINDOW_DAYS

_DAYS = delivery_days.c
_SUMMED = tuple(name for name in COUNTED if not name.endswith("dnsbl_rejections"))
_NAMED = _DAYS.named_lists != cast({}, _DAYS.named_lists.type)


def _meaning(column: ColumnElement[Any], *meanings: str) -> ColumnElement[int]:
    parts = [func.coalesce(cast(column[name].as_string(), Integer), 0) for name in meanings]
    return func.sum(sum(parts[1:], parts[0]))


_SUMS = (
    *(func.sum(_DAYS[name]).label(name) for name in ("delivered", "bounced", "deferred", "complained")),
    _meaning(_DAYS.bounce_meanings, "reputation").label("blocked"),
    _meaning(_DAYS.deferral_meanings, "reputation", "rate").label("throttling_deferrals"),
)


def _rows(conn: Connection, tenant: str, first: date, last: date, *keys: Any) -> Iterator[Row[Any]]:
    query = (
        select(*keys, _DAYS.day, *_SUMS)
        .where(_DAYS.tenant == tenant, _DAYS.day.between(first, last))
        .group_by(*keys, _DAYS.day)
        .order_by(*keys, _DAYS.day)
    )
    yield from conn.execute(query)


def _counts(row: Row[Any], named: int = 0, grave: int = 0) -> tuple[Any, ...]:
    """The day, and its counts in the order of COUNTED."""
    return (row.day, *[int(getattr(row, name)) for name in _SUMMED], named, grave)


def days_of_ips(conn: Connection, tenant: str, day: date, grave: Collection[str]) -> dict[int, Days]:
    """The last 30 days of each IP of the tenant.

    `grave`: parts of the names of those block lists that stop an IP at any volume."""
    first = day - timedelta(days=WINDOW_DAYS - 1)
    named = _named(conn, tenant, first, day, grave)
    found: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for row in _rows(conn, tenant, first, day, _DAYS.ip_id):
        found[row.ip_id].append(_counts(row, *named.get((row.ip_id, row.day), (0, 0))))
    return {ip_id: Days.rows(rows) for ip_id, rows in found.items()}


def days_by_provider(conn: Connection, tenant: str, day: date) -> dict[int, dict[str, Days]]:
    """The last 14 days of each IP by mailbox provider; names of lists are not looked at."""
    first = day - timedelta(days=PROVIDER_DAYS - 1)
    found: dict[int, dict[str, list[Sequence[Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(conn, tenant, first, day, _DAYS.ip_id, _DAYS.provider):
        found[row.ip_id][row.provider].append(_counts(row))
    return {
        ip_id: {provider: Days.rows(rows) for provider, rows in providers.items()}
        for ip_id, providers in found.items()
    }


def _named(
    conn: Connection, tenant: str, first: date, last: date, grave: Collection[str]
) -> dict[tuple[int, date], tuple[int, int]]:
    """Replies that named a block list, and those that named a grave one, by IP and day: they are rare."""
    query = select(_DAYS.ip_id, _DAYS.day, _DAYS.named_lists).where(
        _DAYS.tenant == tenant, _DAYS.day.between(first, last), _NAMED
    )
    found: dict[tuple[int, date], tuple[int, int]] = {}
    for row in conn.execute(query):
        named, worse = found.get((row.ip_id, row.day), (0, 0))
        for name, count in row.named_lists.items():
            named += int(count)
            worse += int(count) if any(part in name.lower() for part in grave) else 0
        found[row.ip_id, row.day] = named, worse
    return found
