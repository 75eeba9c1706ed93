"""Outages of mailbox providers as the accounting of the whole fleet shows them: one truth for suppression and for the judgement of IPs."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Integer, Text, cast, func, or_, select

from email_engine.accounting.replies import Meaning
from email_engine.store.schema import delivery_stats, ips
from email_engine.suppression.outage import (
    FoundOutages,
    Outage,
    ProviderHour,
    SenderMail,
    find_outages,
    tell_apart,
)
from email_engine.suppression.policy import OutagePolicy

_HOURS = delivery_stats.c
_UNKNOWN = func.sum(
    func.coalesce(cast(_HOURS.bounce_meanings[Meaning.ADDRESS.value].astext, Integer), 0)
).label("unknown")
_SETTLED = func.sum(_HOURS.delivered + _HOURS.bounced).label("settled")


def outages_within(
    conn: Connection,
    asked: Sequence[ColumnElement[bool]],
    policy: OutagePolicy,
    limit: float,
    as_of: datetime,
) -> FoundOutages:
    """In the hours that any of `asked` (of table delivery_stats) names. Session of tenant `*`: an outage is everybody's, and the mail
    of all senders tells it from bad recipient lists. `limit`: the rate (0..1) up to which unknown users are usual."""
    if not asked:
        return FoundOutages({}, {})
    query = (
        select(_HOURS.provider, _HOURS.hour, _UNKNOWN, _SETTLED)
        .where(or_(*asked))
        .group_by(_HOURS.provider, _HOURS.hour)
    )
    hours = [
        ProviderHour(row.provider, row.hour, int(row.unknown), int(row.settled))
        for row in conn.execute(query)
    ]
    outages = find_outages(hours, policy, as_of)
    return tell_apart(outages, lambda outage: _mail_of(conn, outage), policy, limit)


def _mail_of(conn: Connection, outage: Outage) -> list[SenderMail]:
    """By IP, in the hours with false answers."""
    query = (
        select(_HOURS.tenant, ips.c.stream, cast(ips.c.id, Text).label("ip"), _UNKNOWN, _SETTLED)
        .join(ips, ips.c.id == _HOURS.ip_id)
        .where(_HOURS.provider == outage.provider, _HOURS.hour.in_(outage.hours))
        .group_by(_HOURS.tenant, ips.c.stream, ips.c.id)
    )
    return [
        SenderMail(row.tenant, row.stream, row.ip, int(row.unknown), int(row.settled))
        for row in conn.execute(query)
    ]
