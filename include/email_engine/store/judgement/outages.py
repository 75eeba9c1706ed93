"""Outages of mailbox providers as the accounting of the whole fleet shows them, and which mail of a tenant's IPs fell into them."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, Text, and_, cast, func, or_, select

from email_engine.accounting.replies import Meaning
from email_engine.fleet.traffic import DayCounts, Days
from email_engine.store.accounting.provider_hours import outages_within
from email_engine.store.schema import delivery_days, delivery_stats, ips
from email_engine.suppression.outage import SenderMail
from email_engine.suppression.policy import shipped_suppression_policy
from email_engine.warmup.observation import midnight, window
from email_engine.warmup.outages import FEWEST, Spans, doubtful_days, spans_of
from email_engine.warmup.policy import Policy

_DAYS, _HOURS = delivery_days.c, delivery_stats.c


def outage_spans(conn: Connection, day: date, as_of: datetime, policy: Policy) -> Spans:
    """Of the 30 UTC days that end with `day`, as known at `as_of` (aware UTC). Session of tenant `*`: an outage is everybody's.

    Hours, of which a large fleet has millions, are read only of the days and providers that may have had one, and on which an IP has more
    unknown users than are usual: where none has, nothing is judged by them."""
    outage, limit = shipped_suppression_policy().outage, policy.gates.bounces.limit
    unknown = func.coalesce(cast(_DAYS.bounce_meanings[Meaning.ADDRESS.value].astext, Integer), 0)
    met = func.bool_or(and_(unknown >= FEWEST, unknown > limit * (_DAYS.delivered + _DAYS.bounced)))
    query = (
        select(
            _DAYS.provider,
            _DAYS.day,
            func.sum(_DAYS.delivered),
            func.sum(_DAYS.bounced),
            func.sum(unknown),
            met,
        )
        .where(_DAYS.day.between(window(day), day))
        .group_by(_DAYS.provider, _DAYS.day)
        .order_by(_DAYS.provider, _DAYS.day)
    )
    rows: dict[str, list[DayCounts]] = defaultdict(list)
    hit: set[tuple[str, date]] = set()
    for row in conn.execute(query):
        rows[row[0]].append(_counts(*row[1:5]))
        if row[5]:
            hit.add((row[0], row[1]))
    sums = {name: Days.of(days) for name, days in rows.items()}
    doubtful = [each for each in doubtful_days(sums, outage) if each in hit]
    if not doubtful:
        return {}
    around = timedelta(hours=outage.hours)
    asked = [
        and_(
            _HOURS.provider == name,
            _HOURS.hour >= midnight(on) - around,
            _HOURS.hour < min(midnight(on + timedelta(days=1)) + around, as_of),
        )
        for name, on in doubtful
    ]
    found = outages_within(conn, asked, outage, limit, as_of)
    return spans_of(sums, outage, limit, as_of, found, lambda name, on: _mail_on(conn, name, on))


def _mail_on(conn: Connection, provider: str, day: date) -> list[SenderMail]:
    """By IP, on one UTC day."""
    unknown = func.coalesce(cast(_DAYS.bounce_meanings[Meaning.ADDRESS.value].astext, Integer), 0)
    query = (
        select(_DAYS.tenant, ips.c.stream, cast(ips.c.id, Text), unknown, _DAYS.delivered + _DAYS.bounced)
        .join(ips, ips.c.id == _DAYS.ip_id)
        .where(_DAYS.provider == provider, _DAYS.day == day)
    )
    return [SenderMail(row[0], row[1], row[2], int(row[3]), int(row[4])) for row in conn.execute(query)]


def mail_within(conn: Connection, tenant: str, spans: Spans) -> Mapping[int, Mapping[str, Days]]:
    """The tenant's mail within the spans, by IP and provider: those with unknown users."""
    within = [
        and_(_HOURS.provider == name, _HOURS.hour >= span.start, _HOURS.hour < span.end)
        for name, some in spans.items()
        for span in some
    ]
    if not within:
        return {}
    day = func.date(func.timezone("UTC", _HOURS.hour))
    unknown = func.sum(func.coalesce(cast(_HOURS.bounce_meanings[Meaning.ADDRESS.value].astext, Integer), 0))
    query = (
        select(
            _HOURS.ip_id, _HOURS.provider, day, func.sum(_HOURS.delivered), func.sum(_HOURS.bounced), unknown
        )
        .where(_HOURS.tenant == tenant, or_(*within))
        .group_by(_HOURS.ip_id, _HOURS.provider, day)
        .order_by(_HOURS.ip_id, _HOURS.provider, day)
    )
    rows: dict[int, dict[str, list[DayCounts]]] = defaultdict(lambda: defaultdict(list))
    for row in conn.execute(query):
        rows[row[0]][row[1]].append(_counts(*row[2:]))
    return {
        ip_id: {name: Days.of(days) for name, days in by.items() if any(one.unknown_users for one in days)}
        for ip_id, by in rows.items()
    }


def _counts(day: date, delivered: Any, bounced: Any, unknown: Any) -> DayCounts:
    return DayCounts(day, int(delivered), int(bounced), unknown_users=int(unknown))
