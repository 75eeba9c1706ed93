"""What was observed: accounting, block lists, DNS."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from email_engine.store.tables.base import (
    SCHEMA,
    metadata,
    moment,
    of_ip,
    of_run,
    of_tenant,
    one_of,
    recorded,
    row_id,
)

accounting_files = Table(
    "accounting_files",
    metadata,
    row_id(),
    Column("mta_host", Text, ForeignKey(f"{SCHEMA}.mta_hosts.name"), nullable=False),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modified", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("records", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("message", Text),
    *of_run(),
    recorded(),
    UniqueConstraint("mta_host", "digest"),
    one_of("status", "taken", "refused", "duplicate"),
)

delivery_stats = Table(
    "delivery_stats",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("provider", Text, nullable=False),
    moment("hour", nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("bounced", Integer, nullable=False),
    Column("deferred", Integer, nullable=False),
    Column("complained", Integer, nullable=False),
    Column("bounce_categories", JSONB, nullable=False, server_default="{}"),
    UniqueConstraint("ip_id", "provider", "hour"),
    CheckConstraint(
        "attempts >= 0 AND delivered >= 0 AND bounced >= 0 AND deferred >= 0 AND complained >= 0",
        name="counts_not_negative",
    ),
    Index("ix_delivery_stats_hour", "hour"),
)

blacklist_events = Table(
    "blacklist_events",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("list", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("class", Text, nullable=False),
    Column("codes", ARRAY(Text), nullable=False),
    Column("reason", Text),
    moment("opened_at", nullable=False),
    moment("last_seen_at", nullable=False),
    Column("clean_observations", Integer, nullable=False, server_default="0"),
    moment("closed_at"),
    moment("acknowledged_until"),
    Column("acknowledged_by", Text),
    *of_run(),
    one_of("severity", "high", "medium", "low", "info"),
    one_of("class", "reputation", "policy", "info"),
    Index(
        "uq_blacklist_events_open", "ip_id", "zone", unique=True, postgresql_where=text("closed_at IS NULL")
    ),
)

dns_checks = Table(
    "dns_checks",
    metadata,
    row_id(),
    of_tenant(),
    Column("ip_id", BigInteger, ForeignKey(f"{SCHEMA}.ips.id"), nullable=False),
    Column("subject", Text, nullable=False),
    Column("check_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("observed", Text, nullable=False),
    Column("expected", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    moment("checked_at", nullable=False),
    *of_run(),
    one_of("status", "ok", "broken", "unknown"),
    one_of("severity", "error", "warning", "info"),
    UniqueConstraint("ip_id", "subject", "check_id", "checked_at"),
    Index("ix_dns_checks_checked_at", "checked_at"),
)
