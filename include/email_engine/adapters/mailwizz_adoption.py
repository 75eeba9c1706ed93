"""What an adoption asks MailWizz beside its servers: messages that wait, and whether it knows the Message-Ids of accounting. Only read.

Every statement is bounded: by the campaigns that are live, by the ids that are named, and by time."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table, func, select
from sqlalchemy.exc import DBAPIError

from email_engine.adapters.mailwizz_adoption_columns import ARCHIVE, LOG, OPTIONAL, READ, SERVER
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.adapters.mailwizz_health import STATEMENT_SECONDS
from email_engine.adapters.mailwizz_readable import Reading, bound_statements
from email_engine.fleet import names
from email_engine.mailer.senders import LiveCampaign
from email_engine.mailer.unreadable import Unreadable
from email_engine.mailer.waiting import KnownIds, WaitingCampaign

MOST_CAMPAIGNS = 200
MOST_SUBSCRIBERS = 5_000_000
"""Of one list, counted by its index."""
AUTORESPONDER = "autoresponder"


def sender_domains(database: MailwizzDb) -> dict[int, str]:
    """The domain of the address that each delivery server sends as unless a campaign has its own, by server id; without those that are
    none, and empty where it cannot be read: it is a hint. Raises EngineError where the database is away."""
    with _reading(database) as reading:
        servers = reading.table(SERVER)
        if isinstance(servers, Unreadable):
            return {}

        def read() -> list[Any]:
            return list(reading.conn.execute(select(servers.c.server_id, servers.c.from_email)))

        found = reading.tried("from_email of the delivery servers", read)
    rows = [] if isinstance(found, Unreadable) else found
    domains = {int(server): str(address or "").rpartition("@")[2].strip().lower() for server, address in rows}
    return {server: domain for server, domain in domains.items() if names.hostname(domain) is None}


def read_waiting(database: MailwizzDb) -> tuple[WaitingCampaign, ...] | Unreadable:
    """Every live campaign. Raises EngineError where the database is away."""
    live = database.senders().campaigns
    if live is None:
        why = "campaigns cannot be read with this login"
        return Unreadable(why, "grant it as `email-engine mailwizz grants` prints it")
    with _reading(database) as reading:
        tables = reading.tables("campaign", "campaign_option", "list_subscriber")
        if isinstance(tables, Unreadable):
            return tables
        counted = [_waiting(reading, tables, campaign) for campaign in live[:MOST_CAMPAIGNS]]
        why = f"more than {MOST_CAMPAIGNS} campaigns are live, and it was not counted"
        return (*counted, *(WaitingCampaign(campaign, None, None, why) for campaign in live[MOST_CAMPAIGNS:]))


def _waiting(reading: Reading, tables: tuple[Table, ...], campaign: LiveCampaign) -> WaitingCampaign:
    campaigns, options, subscribers = tables

    def count() -> WaitingCampaign:
        found = reading.conn.execute(select(campaigns).where(campaigns.c.campaign_id == campaign.campaign_id))
        row: Any = found.mappings().first()
        if row is None:
            return WaitingCampaign(campaign, 0)
        send_at = row.get("send_at")
        starts = send_at.replace(tzinfo=UTC) if isinstance(send_at, datetime) else None
        if str(row.get("type") or "").strip() == AUTORESPONDER:
            return WaitingCampaign(
                campaign, None, starts, "it is an autoresponder and sends when somebody subscribes"
            )
        if row.get("segment_id") is not None:
            return WaitingCampaign(
                campaign, None, starts, "it goes to a segment, which only MailWizz can count"
            )
        done: Any = reading.conn.execute(
            select(options.c.processed_count).where(options.c.campaign_id == campaign.campaign_id)
        ).scalar()
        if done is not None and int(done) < 0:
            return WaitingCampaign(campaign, None, starts, "its counter is off, and its log is not counted")
        some = (
            select(subscribers.c.subscriber_id)
            .where(subscribers.c.list_id == row["list_id"], subscribers.c.status == "confirmed")
            .limit(MOST_SUBSCRIBERS)
            .subquery()
        )
        confirmed = int(reading.conn.execute(select(func.count()).select_from(some)).scalar_one())
        return WaitingCampaign(campaign, max(confirmed - int(done or 0), 0), starts)

    found = reading.tried("its subscribers", count)
    return WaitingCampaign(campaign, None, None, found.told) if isinstance(found, Unreadable) else found


def known_ids(database: MailwizzDb, message_ids: Collection[str]) -> KnownIds | Unreadable:
    """Those of the ids that the delivery log or its archive has. Raises EngineError where the database is away."""
    with _reading(database) as reading:
        log = reading.table(LOG)
        if isinstance(log, Unreadable):
            return log
        found = reading.tried("the delivery log", lambda: _lookup(reading, log, message_ids))
        if isinstance(found, Unreadable):
            return found
        archive = reading.table(ARCHIVE)
        left = set(message_ids) - set(found)
        if not left or isinstance(archive, Unreadable):
            return found
        older = reading.tried("the archived delivery log", lambda: _lookup(reading, archive, left))
        return found if isinstance(older, Unreadable) else {**older, **found}


def _lookup(reading: Reading, log: Table, ids: Collection[str]) -> Mapping[str, int | None]:
    rows: Any = reading.conn.execute(
        select(log.c.email_message_id, log.c.server_id).where(log.c.email_message_id.in_(sorted(ids)))
    )
    return {str(message_id): None if server is None else int(server) for message_id, server in rows}


@contextmanager
def _reading(database: MailwizzDb) -> Iterator[Reading]:
    """A session whose statements end by themselves."""
    engine, failure = database.database.engine(), None
    try:
        with engine.begin() as conn:
            bound_statements(conn, STATEMENT_SECONDS)
            yield Reading(conn, database.database.table_prefix, READ, OPTIONAL)
    except DBAPIError as error:
        failure = database.database.failure(error)
    finally:
        engine.dispose()
    if failure is not None:
        raise failure
