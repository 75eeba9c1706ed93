"""What was observed: accounting, block lists, DNS."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
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
    Column("heads", ARRAY(Text), nullable=False, server_default="{}"),
    Column("whole_bytes", BigInteger),
    Column("cut", Boolean, nullable=False, server_default="false"),
    Column("strangers", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("unknown_failures", Integer, nullable=False, server_default="0"),
    Column("plain_size", BigInteger),
    moment("accepted_at"),
    Column("accepted_by", Text),
    Column("accepted_because", Text),
    Column("accepted_run_id", Text),
    UniqueConstraint("mta_host", "digest"),
    one_of("status", "taken", "refused", "duplicate"),
    CheckConstraint(
        "(accepted_at IS NULL) = (accepted_by IS NULL) AND (accepted_at IS NULL) = (accepted_because IS NULL)"
        " AND (accepted_at IS NULL OR status = 'refused')",
        name="accepted_whole",
    ),
    Index("ix_accounting_files_mta_host_name", "mta_host", "name"),
)

accounting_quarantine = Table(
    "accounting_quarantine",
    metadata,
    row_id(),
    Column("file_id", BigInteger, ForeignKey(f"{SCHEMA}.accounting_files.id"), nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recipient_hash", Text),
    recorded(),
    Index("ix_accounting_quarantine_file_id", "file_id"),
)

delivery_events = Table(
    "delivery_events",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("file_id", BigInteger, ForeignKey(f"{SCHEMA}.accounting_files.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("provider", Text, nullable=False),
    moment("at", nullable=False),
    moment("counted_at", nullable=False),
    Column("counted_by", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("recipient_hash", Text),
    Column("message_id", Text, nullable=False),
    Column("campaign", Text, nullable=False),
    Column("reply", Text, nullable=False, server_default=""),
    one_of("kind", "bounce", "remote_bounce", "complaint"),
    one_of("counted_by", "record", "header", "message", "report"),
    Index("ix_delivery_events_file_id", "file_id"),
    Index("ix_delivery_events_ip_id_at", "ip_id", "at"),
    Index("ix_delivery_events_message_id", "message_id", postgresql_where=text("message_id <> ''")),
    Index("ix_delivery_events_recipient_hash", "recipient_hash"),
)


def _counts() -> tuple[Column[Any] | CheckConstraint, ...]:
    """What is counted of one IP at one mailbox provider."""
    numbers = ("attempts", "delivered", "bounced", "deferred", "complained")
    words = ("bounce_categories", "bounce_meanings", "deferral_meanings", "named_lists")
    return (
        *(Column(name, Integer, nullable=False) for name in numbers),
        *(Column(name, JSONB, nullable=False, server_default="{}") for name in words),
        CheckConstraint(" AND ".join(f"{name} >= 0" for name in numbers), name="counts_not_negative"),
    )


delivery_stats = Table(
    "delivery_stats",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("provider", Text, nullable=False),
    moment("hour", nullable=False),
    *_counts(),
    UniqueConstraint("ip_id", "provider", "hour"),
    Index("ix_delivery_stats_hour", "hour"),
)

# The sums of delivery_stats by UTC day, kept by the same transaction: judgement reads 30 days of every IP.
delivery_days = Table(
    "delivery_days",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("provider", Text, nullable=False),
    Column("day", Date, nullable=False),
    *_counts(),
    UniqueConstraint("ip_id", "provider", "day"),
    Index("ix_delivery_days_tenant_day", "tenant", "day"),
)

reply_texts = Table(
    "reply_texts",
    metadata,
    row_id(),
    Column("provider", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("meaning", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("example", Text, nullable=False),
    moment("first_seen_at", nullable=False),
    moment("last_seen_at", nullable=False),
    UniqueConstraint("provider", "outcome", "text"),
    one_of("outcome", "bounce", "deferral"),
    one_of("meaning", "address", "reputation", "rate", "auth", "content", "system", "unknown"),
    Index("ix_reply_texts_last_seen_at", "last_seen_at"),
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
    Column("acknowledged_ticket", Text),
    one_of("severity", "high", "medium", "low", "info"),
    one_of("class", "reputation", "policy", "info"),
    Index(
        "uq_blacklist_events_open", "ip_id", "zone", unique=True, postgresql_where=text("closed_at IS NULL")
    ),
)

domain_listings = Table(
    "domain_listings",
    metadata,
    row_id(),
    of_tenant(),
    Column("domain", Text, nullable=False),
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
    *of_run(),
    one_of("severity", "high", "medium", "low", "info"),
    one_of("class", "reputation", "policy", "info"),
    Index(
        "uq_domain_listings_open",
        "tenant",
        "domain",
        "zone",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
    ),
)
"""From the first to the last sight of a sending domain or hostname on a list of domains."""

blocklist_questions = Table(
    "blocklist_questions",
    metadata,
    Column("list", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("questions", BigInteger, nullable=False),
    CheckConstraint("questions >= 0", name="not_negative"),
)
delistings = Table(
    "delistings",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("listing_id", BigInteger, ForeignKey(f"{SCHEMA}.blacklist_events.id"), nullable=False),
    Column("status", Text, nullable=False, server_default="open"),
    Column("ended_because", Text),
    Column("dossier", JSONB, nullable=False, server_default="{}"),
    Column("question", Text, nullable=False, server_default="none"),
    moment("asked_at"),
    moment("answered_at"),
    Column("answered_by", Text),
    Column("cause", Text),
    Column("gives_up", Boolean, nullable=False, server_default="false"),
    Column("replaces", Boolean, nullable=False, server_default="false"),
    Column("checks", Integer, nullable=False, server_default="0"),
    Column("last_answer", Text),
    moment("last_checked_at"),
    moment("next_check_at"),
    moment("closed_at"),
    *of_run(),
    recorded("opened_at"),
    UniqueConstraint("listing_id"),
    one_of("status", "open", "cleared", "ended"),
    one_of("question", "none", "pending", "answered", "superseded", "expired"),
    one_of("last_answer", "listed", "not_listed", "unknown"),
    Index("ix_delistings_ip_id", "ip_id"),
)
"""One row a listing that is followed up. `cleared`: the listing is closed and a re-check later said so too; `ended`: nothing is left to
follow (`ended_because`). `cause`: the root cause that a person (`answered_by`) named; `gives_up`: they gave the IP up; `replaces`: and want one of
standby in its place."""

blocklist_answers = Table(
    "blocklist_answers",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("list", Text, nullable=False),
    Column("answer", Text, nullable=False),
    moment("asked_at", nullable=False),
    one_of("answer", "listed", "not_listed"),
    UniqueConstraint("ip_id", "list"),
)
"""What a list said last about an IP for which receivers named it."""

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
