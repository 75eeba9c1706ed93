"""What `mta_health` saw of the hosts: one row a look, and the queues as they stood at the last one."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from email_engine.store.tables.base import SCHEMA, metadata, moment, of_run, one_of, row_id

LEVELS = ("good", "unknown", "info", "warning", "critical")

mta_health = Table(
    "mta_health",
    metadata,
    row_id(),
    Column("mta_host", Text, ForeignKey(f"{SCHEMA}.mta_hosts.name"), nullable=False),
    moment("checked_at", nullable=False),
    Column("worst", Text, nullable=False),
    Column("reachable", Boolean, nullable=False),
    Column("version", Text),
    moment("started_at"),
    Column("config_digest", Text),
    Column("deployed_digest", Text),
    moment("reloaded_at"),
    Column("disk_path", Text),
    Column("disk_used_rate", Float),
    Column("clock_offset_seconds", Float),
    Column("accounting_file", Text),
    moment("accounting_file_at"),
    Column("recipients", BigInteger),
    Column("running", BigInteger),
    Column("backoff", BigInteger),
    moment("oldest_since"),
    Column("checks", JSONB, nullable=False),
    *of_run(),
    one_of("worst", *LEVELS),
    CheckConstraint("disk_used_rate BETWEEN 0 AND 1", name="disk_used_rate_is_a_ratio"),
    UniqueConstraint("mta_host", "checked_at"),
)
"""`checks`: name to level. NULL: it could not be seen. `oldest_since`: running mail waits at least since then."""

mta_queues = Table(
    "mta_queues",
    metadata,
    Column("mta_host", Text, ForeignKey(f"{SCHEMA}.mta_hosts.name"), primary_key=True),
    Column("vmta", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    moment("checked_at", nullable=False),
    Column("queues", Integer, nullable=False),
    Column("recipients", BigInteger, nullable=False),
    Column("paused", BigInteger, nullable=False),
    Column("backoff", BigInteger, nullable=False),
    moment("waiting_since"),
    Column("looks", JSONB, nullable=False),
    CheckConstraint(
        "queues >= 0 AND recipients >= 0 AND paused >= 0 AND backoff >= 0", name="counts_not_negative"
    ),
    Index("ix_mta_queues_waiting_since", "waiting_since"),
)
"""`paused`, `backoff`: recipients of them. `waiting_since`: some of them wait at least since then; `looks`: how that is known."""
