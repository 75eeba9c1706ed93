"""Rows of delivery_days as counts: per IP, and per IP and mailbox provider."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Row, cast, func, select, true

from email_engine.blocklists.likely_causes import ProviderTraffic
from email_engine.fleet.traffic import COUNTED, Days
from email_engine.reputation.complaints import stand_on_their_mail
from email_engine.reputation.named import NamedList
from email_engine.store.schema import delivery_days, delivery_events, ips
from email_engine.warmup.observation import EARLIER_DAYS, PROVIDER_DAYS, WINDOW_DAYS

_DAYS = delivery_days.c


def _meaning(column: ColumnElement[Any], *meanings: str) -> ColumnElement[int]:
    parts = [func.coalesce(cast(column[name].as_string(), Integer), 0) for name in meanings]
    return func.sum(sum(parts[1:], parts[0]))


_SUMS = (
    *(func.sum(_DAYS[name]).label(name) for name in ("delivered", "bounced", "deferred", "complained")),
    _meaning(_DAYS.bounce_meanings, "reputation").label("blocked"),
    _meaning(_DAYS.deferral_meanings, "reputation", "rate").label("throttling_deferrals"),
    _meaning(_DAYS.bounce_meanings, "address").label("unknown_users"),
    _meaning(_DAYS.bounce_meanings, "content").label("content_refusals"),
)


def _rows(
    conn: Connection,
    tenant: str,
    first: date,
    last: date,
    *keys: Any,
    only: Iterable[ColumnElement[bool]] = (),
) -> Iterator[Row[Any]]:
    query = (
        select(*keys, _DAYS.day, *_SUMS)
        .where(_DAYS.tenant == tenant, _DAYS.day.between(first, last), *only)
        .group_by(*keys, _DAYS.day)
        .order_by(*keys, _DAYS.day)
    )
    yield from conn.execute(query)


def _counts(row: Row[Any], undated: int = 0) -> tuple[Any, ...]:
    """The day, and its counts in the order of COUNTED."""
    return (row.day, *[int(getattr(row, name)) for name in COUNTED[:-1]], undated)


def days_of_ips(conn: Connection, tenant: str, day: date) -> dict[int, Days]:
    """The last 30 days of each IP of the tenant."""
    first = day - timedelta(days=WINDOW_DAYS - 1)
    undated: Counter[tuple[int, date]] = Counter()
    for (ip_id, _, reported), count in _undated(conn, tenant, first, day).items():
        undated[ip_id, reported] += count
    found: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for row in _rows(conn, tenant, first, day, _DAYS.ip_id):
        found[row.ip_id].append(_counts(row, undated[row.ip_id, row.day]))
    return {ip_id: Days.rows(rows) for ip_id, rows in found.items()}


def days_by_provider(conn: Connection, tenant: str, day: date) -> dict[int, dict[str, Days]]:
    """The last 14 days of each IP by mailbox provider."""
    return _by_provider(conn, tenant, day - timedelta(days=PROVIDER_DAYS - 1), day)


def earlier_by_provider(
    conn: Connection, tenant: str, day: date, known: Mapping[int, Mapping[str, Days]]
) -> dict[int, dict[str, Days]]:
    """The days before those `known`, of each IP and provider there whose complaints must be spread over them: they are few."""
    wanted = {
        (ip_id, name)
        for ip_id, providers in known.items()
        for name, days in providers.items()
        if not stand_on_their_mail(days)
    }
    if not wanted:
        return {}
    last = day - timedelta(days=PROVIDER_DAYS)
    only = _DAYS.ip_id.in_({ip_id for ip_id, _ in wanted})
    found = _by_provider(conn, tenant, last - timedelta(days=EARLIER_DAYS - 1), last, only)
    return {
        ip_id: {name: days for name, days in providers.items() if (ip_id, name) in wanted}
        for ip_id, providers in found.items()
    }


def provider_sums(conn: Connection, ip_id: int, first: date, last: date) -> tuple[ProviderTraffic, ...]:
    """What an IP sent on these UTC days by mailbox provider, most first."""
    return _sums(conn, first, last, _DAYS.ip_id == ip_id)


def accounted_on(conn: Connection, ip_ids: Iterable[int], day: date) -> dict[int, int]:
    """Messages that were delivered or bounced on a UTC day, by IP."""
    query = (
        select(_DAYS.ip_id, func.sum(_DAYS.delivered + _DAYS.bounced))
        .where(_DAYS.ip_id.in_(sorted(ip_ids)), _DAYS.day == day)
        .group_by(_DAYS.ip_id)
    )
    rows: Any = conn.execute(query)
    return {int(ip_id): int(count) for ip_id, count in rows}


def pool_sums(conn: Connection, pool: str, first: date, last: date) -> tuple[ProviderTraffic, ...]:
    """What the IPs that are in a pool now sent on these UTC days by mailbox provider, most first."""
    return _sums(conn, first, last, _DAYS.ip_id.in_(select(ips.c.id).where(ips.c.pool_name == pool)))


def _sums(
    conn: Connection, first: date, last: date, whose: ColumnElement[bool]
) -> tuple[ProviderTraffic, ...]:
    query = (
        select(_DAYS.provider, *_SUMS)
        .where(whose, _DAYS.day.between(first, last))
        .group_by(_DAYS.provider)
        .order_by((func.sum(_DAYS.delivered + _DAYS.bounced)).desc(), _DAYS.provider)
    )
    names = ("delivered", "bounced", "unknown_users", "blocked", "content_refusals", "deferred", "complained")
    return tuple(
        ProviderTraffic(row.provider, **{name: int(getattr(row, name)) for name in names})
        for row in conn.execute(query)
    )


def _by_provider(
    conn: Connection, tenant: str, first: date, last: date, *only: ColumnElement[bool]
) -> dict[int, dict[str, Days]]:
    undated = _undated(conn, tenant, first, last)
    found: dict[int, dict[str, list[Sequence[Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(conn, tenant, first, last, _DAYS.ip_id, _DAYS.provider, only=only):
        found[row.ip_id][row.provider].append(
            _counts(row, undated.get((row.ip_id, row.provider, row.day), 0))
        )
    return {
        ip_id: {provider: Days.rows(rows) for provider, rows in providers.items()}
        for ip_id, providers in found.items()
    }


def _undated(conn: Connection, tenant: str, first: date, last: date) -> dict[tuple[int, str, date], int]:
    """Complaints whose report names no day of sending, by IP, provider and the UTC day on which they count: they are few."""
    events, day = delivery_events.c, func.date(func.timezone("UTC", delivery_events.c.counted_at))
    query = (
        select(events.ip_id, events.provider, day.label("day"), func.count().label("count"))
        .where(events.tenant == tenant, events.kind == "complaint", events.counted_by == "report")
        .where(day.between(first, last))
        .group_by(events.ip_id, events.provider, day)
    )
    return {(row.ip_id, row.provider, row.day): row[3] for row in conn.execute(query)}


def reporting_providers(conn: Connection, tenant: str, day: date) -> frozenset[str]:
    """Mailbox providers that reported a complaint about any IP of the tenant in the last 30 days."""
    first = day - timedelta(days=WINDOW_DAYS - 1)
    query = select(_DAYS.provider).where(
        _DAYS.tenant == tenant, _DAYS.day.between(first, day), _DAYS.complained > 0
    )
    return frozenset(conn.execute(query.distinct()).scalars())


def named_lists(conn: Connection, tenant: str, day: date, days: int) -> dict[int, list[NamedList]]:
    """Block lists that receivers named in the last `days` UTC days, by IP, unanswered: they are rare. `tenant`: `*` for
    all."""
    first = day - timedelta(days=days - 1)
    sent = func.sum(_DAYS.delivered + _DAYS.bounced).over(partition_by=(_DAYS.ip_id, _DAYS.day))
    every = (
        select(_DAYS.ip_id, _DAYS.day, _DAYS.provider, _DAYS.named_lists, sent.label("sent"))
        .where(_DAYS.tenant == tenant if tenant != "*" else true(), _DAYS.day.between(first, day))
        .subquery()
    )
    query = select(every).where(every.c.named_lists != cast({}, _DAYS.named_lists.type))
    refused: dict[tuple[int, date, str], dict[str, int]] = defaultdict(dict)
    whole: dict[tuple[int, date], int] = {}
    for row in conn.execute(query):
        whole[row.ip_id, row.day] = int(row.sent)
        for name, count in row.named_lists.items():
            refused[row.ip_id, row.day, name][row.provider] = int(count)
    found: dict[int, list[NamedList]] = defaultdict(list)
    for (ip_id, on, name), by in sorted(refused.items()):
        found[ip_id].append(NamedList(name, on, by, whole[ip_id, on]))
    return found
