"""What MailWizz hands over at this moment, by its own logs: read by row ids, never by dates of two clocks."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import column, desc, func, select, table

from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.mailer.silence import Rows

NEWEST_DELIVERIES = 5_000
LATEST_ROWS = 1_000_000
"""So many rows of the delivery log of one server, of so many of all servers, say which campaigns are under way: nobody counts a log of
millions, and a busy neighbour hides nobody."""
UNDER_WAY = ("sending", "processing", "pending-sending")


@dataclass(frozen=True, slots=True)
class Campaign:
    """`uid` is how the API calls it."""

    uid: str
    name: str
    customer_id: int


def newest_usage(database: MailwizzDb) -> int | None:
    """The id of the usage log's newest row; None: it has none. EngineError where it cannot be read."""
    log = _usage_log(database)
    with database.transaction() as conn:
        found: Any = conn.execute(select(func.max(log.c.log_id))).scalar()
        return None if found is None else int(found)


def usage_since(
    database: MailwizzDb, last_row: int | None, server_ids: Collection[int], lately: datetime
) -> dict[int, Rows]:
    """Rows behind `last_row`, by server id, for each of these servers, and whether it has any since `lately` (aware). EngineError where the
    log cannot be read."""
    newest = newest_usage(database)
    logged = _logged(database, server_ids, lately)
    if newest is None or newest == last_row:
        return {server_id: Rows(newest, 0, server_id in logged) for server_id in server_ids}
    log = _usage_log(database)
    with database.transaction() as conn:
        rows: Any = conn.execute(
            select(log.c.server_id, func.count())
            .where(
                log.c.log_id > (last_row or 0),
                log.c.log_id <= newest,
                log.c.server_id.in_(sorted(server_ids)),
            )
            .group_by(log.c.server_id)
        )
        counts = {int(server_id): int(count) for server_id, count in rows}
    return {n: Rows(newest, counts.get(n, 0), n in logged or n in counts) for n in server_ids}


def _logged(database: MailwizzDb, server_ids: Collection[int], lately: datetime) -> frozenset[int]:
    """One look into the index a server: nobody counts a busy server's day."""
    log = _usage_log(database)
    server = table(f"{database.database.table_prefix}delivery_server", column("server_id"))
    begin = lately.astimezone(UTC).replace(tzinfo=None)
    rows = select(log.c.log_id).where(log.c.server_id == server.c.server_id, log.c.date_added >= begin)
    query = select(server.c.server_id).where(server.c.server_id.in_(sorted(server_ids)), rows.exists())
    with database.transaction() as conn:
        found: Any = conn.execute(query).scalars()
        return frozenset(int(server_id) for server_id in found)


def campaigns_through(database: MailwizzDb, server_id: int) -> tuple[Campaign, ...]:
    """Campaigns under way that handed mail to this server lately, by name. EngineError where the logs cannot be read."""
    prefix = database.database.table_prefix
    log = table(
        f"{prefix}campaign_delivery_log", column("log_id"), column("campaign_id"), column("server_id")
    )
    campaign = table(
        f"{prefix}campaign", column("campaign_id"), column("campaign_uid"), column("name"), column("customer_id"),
        column("status"),
    )  # fmt: skip
    last = select(func.max(log.c.log_id)).scalar_subquery()
    newest = (
        select(log.c.campaign_id)
        .where(log.c.server_id == server_id, log.c.log_id > last - LATEST_ROWS)
        .order_by(desc(log.c.log_id))
        .limit(NEWEST_DELIVERIES)
        .subquery()
    )
    query = (
        select(campaign.c.campaign_uid, campaign.c.name, campaign.c.customer_id)
        .join(newest, newest.c.campaign_id == campaign.c.campaign_id)
        .where(campaign.c.status.in_(UNDER_WAY))
        .distinct()
        .order_by(campaign.c.name)
    )
    with database.transaction() as conn:
        rows: Any = conn.execute(query)
        return tuple(Campaign(str(uid), str(name), int(owner)) for uid, name, owner in rows)


def campaign_of_each_customer(database: MailwizzDb) -> dict[int, str]:
    """The uid of some campaign by customer's id, of those that have one. EngineError where the table cannot be read."""
    name = f"{database.database.table_prefix}campaign"
    campaign = table(name, column("campaign_uid"), column("customer_id"))
    query = select(campaign.c.customer_id, func.max(campaign.c.campaign_uid)).group_by(campaign.c.customer_id)
    with database.transaction() as conn:
        rows: Any = conn.execute(query)
        return {int(owner): str(uid) for owner, uid in rows}


def _usage_log(database: MailwizzDb) -> Any:
    name = f"{database.database.table_prefix}delivery_server_usage_log"
    return table(name, column("log_id"), column("server_id"), column("date_added"))


def campaign_owners(database: MailwizzDb, uids: Collection[str]) -> dict[str, int]:
    """The customer's id of each of these campaigns that MailWizz has. EngineError where the table cannot be read."""
    name = f"{database.database.table_prefix}campaign"
    campaign = table(name, column("campaign_uid"), column("customer_id"))
    query = select(campaign.c.campaign_uid, campaign.c.customer_id)
    with database.transaction() as conn:
        rows: Any = conn.execute(query.where(campaign.c.campaign_uid.in_(sorted(uids))))
        return {str(uid): int(owner) for uid, owner in rows}
