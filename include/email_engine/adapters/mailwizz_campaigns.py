"""Campaigns that should send now, out of MailWizz's tables: when each last sent, and for silent ones what may hold them back.

Every statement is bounded: newest log rows by primary key, a list's subscribers up to a number, usage by server ids."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, case, exists, func, or_, select

from email_engine.adapters.mailwizz_readable import Reading
from email_engine.mailer.model import DeliveryServer
from email_engine.mailer.senders import CustomerQuota, LiveCampaign, Senders
from email_engine.mailer.silent_campaigns import (
    CampaignsSeen,
    DueCampaign,
    Recipients,
    WindowUsage,
    allowed_servers,
)
from email_engine.mailer.unreadable import Unreadable

NEWEST_ROWS = 50_000
"""Rows of the delivery log that are read for all campaigns together."""
MOST_SUBSCRIBERS = 50_000
"""Subscribers of one list that are looked at."""
MOST_COUNTED = 50
"""Campaigns whose waiting messages are counted."""
SENDING = ("sending", "processing")
AUTORESPONDER = "autoresponder"
"""Sends when somebody subscribes: its silence says nothing."""


@dataclass(frozen=True, slots=True)
class _Row:
    due: DueCampaign
    list_id: int


def read_campaigns(
    reading: Reading,
    servers: tuple[DeliveryServer, ...] | Unreadable,
    senders: Senders,
    now: datetime,
    silent_after: timedelta,
) -> CampaignsSeen | Unreadable:
    """`now`: the database's clock (aware UTC)."""
    tables = reading.tables("campaign", "campaign_to_delivery_server", "campaign_delivery_log")
    if isinstance(tables, Unreadable):
        return tables
    campaigns, _, log = tables
    if senders.campaigns is None:
        return Unreadable(
            "customer_id of the campaigns cannot be read with this login",
            "grant it as `email-engine mailwizz grants` prints it",
        )
    found = reading.tried("campaigns", lambda: _due(reading, campaigns, log, senders.campaigns or (), now))
    if isinstance(found, Unreadable):
        return found
    silent = [row for row in found if row.due.silent(now, silent_after)]
    looked = {row.due.campaign.campaign_id: _look(reading, row) for row in silent}
    due = tuple(looked.get(row.due.campaign.campaign_id, row.due) for row in found)
    waiting, uncounted = _waiting(reading, found)
    still = [row.due.campaign for row in silent]
    used = _server_ids(still, servers, senders)
    return CampaignsSeen(
        due, servers, senders, _usage(reading, used, now), _customer_usage(reading, still, senders, servers, now),
        waiting, uncounted,
    )  # fmt: skip


def _due(
    reading: Reading, campaigns: Table, log: Table, live: Iterable[LiveCampaign], now: datetime
) -> tuple[_Row, ...]:
    known = {campaign.campaign_id: campaign for campaign in live}
    if not known:
        return ()
    rows = []
    for row in reading.conn.execute(select(campaigns).where(campaigns.c.campaign_id.in_(known))).mappings():
        since = _utc(row.get("send_at"))
        begun = str(row["status"]).strip() in SENDING
        if (
            str(row.get("type") or "").strip() == AUTORESPONDER
            or (since or now) > now
            or not (begun or since)
        ):
            continue
        campaign = known[int(row["campaign_id"])]
        rows.append(
            _Row(
                DueCampaign(campaign, since, segmented=row.get("segment_id") is not None),
                int(row["list_id"] or 0),
            )
        )
    newest = _newest(reading, log, [row.due.campaign.campaign_id for row in rows])
    return tuple(replace(row, due=_dated(row.due, newest[row.due.campaign.campaign_id])) for row in rows)


def _dated(due: DueCampaign, newest: datetime | Unreadable | None) -> DueCampaign:
    return replace(due, proven=False) if isinstance(newest, Unreadable) else replace(due, newest=newest)


def _newest(reading: Reading, log: Table, campaign_ids: list[int]) -> dict[int, datetime | Unreadable | None]:
    """When each campaign last handed a message over. The newest rows of all by primary key; the campaigns that are not among them
    by their own index, one row each."""
    if not campaign_ids:
        return {}
    rows = (
        select(log.c.campaign_id, log.c.date_added)
        .order_by(log.c.log_id.desc())
        .limit(NEWEST_ROWS)
        .subquery()
    )
    grouped: Any = reading.conn.execute(
        select(rows.c.campaign_id, func.max(rows.c.date_added)).group_by(rows.c.campaign_id)
    )
    found: dict[int, datetime | Unreadable | None] = {int(campaign): _utc(at) for campaign, at in grouped}
    for campaign_id in sorted(set(campaign_ids) - set(found)):
        found[campaign_id] = reading.tried(
            "its newest delivery", partial(_last, reading.conn, log, campaign_id)
        )
    return found


def _last(conn: Connection, log: Table, campaign_id: int) -> datetime | None:
    last = conn.execute(select(func.max(log.c.log_id)).where(log.c.campaign_id == campaign_id)).scalar()
    if last is None:
        return None
    return _utc(conn.execute(select(log.c.date_added).where(log.c.log_id == last)).scalar())


def _look(reading: Reading, row: _Row) -> DueCampaign:
    tables = reading.tables("list_subscriber", "campaign_delivery_log")
    if isinstance(tables, Unreadable):
        return replace(row.due, recipients=tables)
    subscribers, log = tables
    campaign_id = row.due.campaign.campaign_id
    found = reading.tried(
        "the list's subscribers",
        lambda: _recipients(reading.conn, subscribers, log, row.list_id, campaign_id),
    )
    return replace(row.due, recipients=found)


def _recipients(
    conn: Connection, subscribers: Table, log: Table, list_id: int, campaign_id: int
) -> Recipients:
    some = _confirmed(subscribers, list_id, MOST_SUBSCRIBERS)
    sent = exists().where(log.c.campaign_id == campaign_id, log.c.subscriber_id == some.c.subscriber_id)
    counts: Any = conn.execute(
        select(func.count(), func.sum(case((sent, 0), else_=1))).select_from(some)
    ).one()
    confirmed = int(counts[0])
    return Recipients(confirmed, int(counts[1] or 0), capped=confirmed >= MOST_SUBSCRIBERS)


def _confirmed(subscribers: Table, list_id: int, most: int) -> Any:
    chosen = select(subscribers.c.subscriber_id).where(
        subscribers.c.list_id == list_id, subscribers.c.status == "confirmed"
    )
    return chosen.limit(most).subquery()


def _waiting(reading: Reading, rows: tuple[_Row, ...]) -> tuple[int | None, int]:
    """Messages still to hand over by MailWizz's own counters, and campaigns for which that is not told: their counter is off, or
    their list is too long to count."""
    tables = reading.tables("campaign_option", "list_subscriber")
    if isinstance(tables, Unreadable):
        return None, len(rows)
    options, subscribers = tables
    counted = reading.tried(
        "counters",
        lambda: [_one_waits(reading.conn, options, subscribers, row) for row in rows[:MOST_COUNTED]],
    )
    if isinstance(counted, Unreadable):
        return None, len(rows)
    known = [count for count in counted if count is not None]
    return (sum(known) if known or not rows else None), len(rows) - len(known)


def _one_waits(conn: Connection, options: Table, subscribers: Table, row: _Row) -> int | None:
    processed: Any = conn.execute(
        select(options.c.processed_count).where(options.c.campaign_id == row.due.campaign.campaign_id)
    ).scalar()
    if processed is None or processed < 0 or row.due.segmented:
        return None
    confirmed = conn.execute(
        select(func.count()).select_from(_confirmed(subscribers, row.list_id, MOST_SUBSCRIBERS))
    ).scalar_one()
    return None if confirmed >= MOST_SUBSCRIBERS else max(confirmed - int(processed), 0)


def _server_ids(
    campaigns: Iterable[LiveCampaign], servers: tuple[DeliveryServer, ...] | Unreadable, senders: Senders
) -> frozenset[int]:
    known = () if isinstance(servers, Unreadable) else servers
    allowed = (allowed_servers(campaign, known, senders) or () for campaign in campaigns)
    return frozenset(server.server_id for several in allowed for server in several)


def _usage(
    reading: Reading, server_ids: frozenset[int], now: datetime
) -> Mapping[int, WindowUsage] | Unreadable:
    log = reading.table("delivery_server_usage_log")
    if isinstance(log, Unreadable) or not server_ids:
        return log if isinstance(log, Unreadable) else {}
    hour = now.replace(minute=0, second=0, microsecond=0, tzinfo=None)
    asked = (
        select(log.c.server_id, func.sum(case((log.c.date_added >= hour, 1), else_=0)), func.count())
        .where(log.c.server_id.in_(server_ids), log.c.date_added >= hour.replace(hour=0))
        .group_by(log.c.server_id)
    )
    return reading.tried(
        "the usage log",
        lambda: {
            int(row[0]): WindowUsage(int(row[1] or 0), int(row[2])) for row in reading.conn.execute(asked)
        },
    )


def _customer_usage(
    reading: Reading,
    campaigns: Iterable[LiveCampaign],
    senders: Senders,
    servers: tuple[DeliveryServer, ...] | Unreadable,
    now: datetime,
) -> Mapping[int, tuple[tuple[CustomerQuota, int], ...]] | Unreadable:
    """What counted against each quota in the span that ends now: MailWizz does not tell when its own spans began. Up to the
    quota is counted, and no further."""
    log = reading.table("delivery_server_usage_log")
    if isinstance(log, Unreadable):
        return log
    ids = [] if isinstance(servers, Unreadable) else [server.server_id for server in servers]
    customers = {campaign.customer_id for campaign in campaigns} & set(senders.customers or {})

    def used(customer_id: int, quota: CustomerQuota) -> int:
        since = (now - timedelta(days=quota.days)).replace(tzinfo=None)
        countable = or_(log.c.customer_countable.is_(None), log.c.customer_countable == "yes")
        rows = select(log.c.server_id).where(
            log.c.server_id.in_(ids), log.c.date_added >= since, log.c.customer_id == customer_id, countable
        )
        return int(
            reading.conn.execute(
                select(func.count()).select_from(rows.limit(quota.most).subquery())
            ).scalar_one()
        )

    def all_of(customer_id: int) -> tuple[tuple[CustomerQuota, int], ...]:
        quotas = (senders.customers or {})[customer_id].quotas
        return tuple((quota, used(customer_id, quota)) for quota in quotas)

    return reading.tried(
        "the usage log", lambda: {customer_id: all_of(customer_id) for customer_id in sorted(customers)}
    )


def _utc(value: Any) -> datetime | None:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else None
