"""Fills MailWizz's tables from the world, once: what is there already stays as others left it."""

import hashlib
import random
from datetime import datetime

from .config import CampaignSeed, CustomerSeed, InstanceConfig, ServerSeed
from .database import Database
from .php_serialize import meta_data

_INSERT_KEY = "INSERT INTO {customer_api_key} (customer_id, key, date_added) VALUES (%s, %s, %s)"
_INSERT_PUBLIC_KEY = "INSERT INTO {customer_api_key} (customer_id, public, date_added) VALUES (%s, %s, %s)"
UID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def uid(*parts: object) -> str:
    """A MailWizz uid (13 letters and digits, a letter first) that the same parts always give."""
    number = int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:9])
    letters = UID_LETTERS[number % 26]
    while len(letters) < 13:
        number, rest = divmod(number, 36)
        letters += UID_LETTERS[rest]
    return letters


def add_server(database: Database, config: InstanceConfig, server: ServerSeed, now: datetime) -> None:
    headers = {"x-virtual-mta": server.vmta, "x-job": "[CAMPAIGN_UID]"} if server.vmta else {}
    database.run(
        """INSERT INTO {delivery_server} (server_id, customer_id, type, name, hostname, from_email, probability,
        hourly_quota, daily_quota, monthly_quota, meta_data, status, date_added, last_updated)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
        server.server_id,
        config.customer_id if config.scope == "customer" else None,
        "smtp-pmta" if config.version >= (1, 9, 15) else "smtp",
        server.name,
        server.hostname,
        f"{server.name}@{config.name}.example",
        server.probability,
        server.hourly_quota,
        server.daily_quota,
        server.monthly_quota,
        meta_data(headers),
        server.status,
        now,
        now,
    )


def _customer(database: Database, config: InstanceConfig, customer: CustomerSeed, now: datetime) -> None:
    """The customer of an API key, in a group without limits, and the key (in full: MailWizz keeps it in clear)."""
    if database.row("SELECT 1 FROM {customer} WHERE customer_id = %s", customer.customer_id):
        return
    group_id = database.number(
        "INSERT INTO {customer_group} (name, date_added) VALUES ('Customers', %s) RETURNING group_id", now
    )
    database.run(
        "INSERT INTO {customer} (customer_id, customer_uid, group_id, date_added) VALUES (%s, %s, %s, %s)",
        customer.customer_id, uid(config.seed, "customer", customer.customer_id), group_id, now,
    )  # fmt: skip
    insert = _INSERT_KEY if config.version >= (2,) else _INSERT_PUBLIC_KEY
    database.run(insert, customer.customer_id, customer.api_key, now)


def audience(campaign: CampaignSeed, list_id: int, seed: int, stamp: datetime) -> list[str]:
    """Confirmed subscribers as COPY lines (uid, list, email, source, status, date): each domain gets its share."""
    rng = random.Random(f"{seed}/{campaign.uid}")
    domains = rng.choices(
        list(campaign.providers), weights=list(campaign.providers.values()), k=campaign.audience
    )
    return [
        f"{uid(seed, campaign.uid, n)}\t{list_id}\treader{n}.{campaign.uid}@{domain}\timport\tconfirmed\t{stamp}"
        for n, domain in enumerate(domains, 1)
    ]


def _campaign(database: Database, config: InstanceConfig, campaign: CampaignSeed, now: datetime) -> None:
    if database.row("SELECT 1 FROM {campaign} WHERE campaign_uid = %s", campaign.uid):
        return
    list_id = database.number(
        "INSERT INTO {list} (list_uid, customer_id, name, date_added) VALUES (%s, %s, %s, %s) RETURNING list_id",
        list_uid(config, campaign.uid),
        campaign.customer_id,
        f"Readers of {campaign.name}",
        now,
    )
    database.run(
        """WITH made AS (INSERT INTO {campaign} (campaign_uid, customer_id, list_id, name, from_email, status,
        send_at, date_added, last_updated) VALUES (%s, %s, %s, %s, %s, 'sending', %s, %s, %s) RETURNING campaign_id)
        INSERT INTO {campaign_option} (campaign_id) SELECT campaign_id FROM made""",
        campaign.uid,
        campaign.customer_id,
        list_id,
        campaign.name,
        campaign.mail_from,
        now,
        now,
        now,
    )
    database.copy(
        "COPY {list_subscriber} (subscriber_uid, list_id, email, source, status, date_added) FROM STDIN",
        audience(campaign, list_id, config.seed, now),
    )


def list_uid(config: InstanceConfig, campaign_uid: str) -> str:
    """The uid of the list that belongs to a campaign of the world."""
    return uid(config.seed, "list", campaign_uid)


def seed_tables(database: Database, config: InstanceConfig, now: datetime) -> None:
    """`now`: naive UTC, for the date columns. Rows that exist are left alone."""
    with database.transaction():
        for customer in config.customers:
            _customer(database, config, customer, now)
        for server in config.servers:
            add_server(database, config, server, now)
        for campaign in config.campaigns:
            _campaign(database, config, campaign, now)
