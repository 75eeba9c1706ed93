"""What was decided about IPs and what came of it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from email_engine.store.tables.base import (
    SCHEMA,
    STATES,
    metadata,
    moment,
    of_ip,
    of_run,
    of_tenant,
    one_of,
    recorded,
    row_id,
)

warmup_plans = Table(
    "warmup_plans",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(unique=True),
    Column("schedule", Text, nullable=False),
    Column("phase", Integer, nullable=False),
    Column("phase_started_on", Date),
    Column("sent_days_in_phase", Integer, nullable=False, server_default="0"),
    Column("current_daily_quota", Integer, nullable=False),
    Column("target_daily_quota", Integer, nullable=False),
    Column("bounce_rate_7d", Float),
    Column("spam_rate_7d", Float),
    Column("open_rate_7d", Float),
    Column("paused", Boolean, nullable=False, server_default="false"),
    moment("pause_until"),
    Column("pause_reason", Text),
    moment("last_stop_at"),
    moment("completed_at"),
    CheckConstraint("phase >= 0", name="phase_not_negative"),
    CheckConstraint("current_daily_quota >= 0", name="current_not_negative"),
    CheckConstraint("target_daily_quota > 0", name="target_positive"),
    CheckConstraint("NOT paused OR pause_until IS NOT NULL", name="pause_has_an_end"),
)

warmup_daily_stats = Table(
    "warmup_daily_stats",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("day", Date, nullable=False),
    Column("phase", Integer, nullable=False),
    Column("allowance", Integer, nullable=False),
    Column("sent", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("bounced", Integer, nullable=False),
    Column("deferred", Integer, nullable=False),
    Column("complained", Integer, nullable=False),
    Column("opened", Integer),
    UniqueConstraint("ip_id", "day"),
    CheckConstraint(
        "allowance >= 0 AND sent >= 0 AND delivered >= 0 AND bounced >= 0 AND deferred >= 0 AND complained >= 0",
        name="counts_not_negative",
    ),
)

fleet_versions = Table(
    "fleet_versions",
    metadata,
    Column("version", BigInteger, Identity(always=True), primary_key=True),
    Column("reason", Text, nullable=False),
    *of_run(),
    recorded(),
)

decisions = Table(
    "decisions",
    metadata,
    row_id(),
    of_tenant(),
    Column("pipeline", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("run_key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("applied", Boolean, nullable=False),
    Column("inputs", JSONB, nullable=False),
    Column("verdicts", JSONB, nullable=False),
    Column("policy_digest", Text, nullable=False),
    moment("as_of", nullable=False),
    *of_run(),
    recorded(),
    UniqueConstraint("pipeline", "subject", "run_key", "kind"),
    Index("ix_decisions_subject_as_of", "subject", "as_of"),
)

policies = Table(
    "policies",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("document", JSONB, nullable=False),
    recorded(),
)

allowances = Table(
    "allowances",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("day", Date, nullable=False),
    Column("provider", Text, nullable=False, server_default="*"),
    Column("messages", Integer, nullable=False),
    Column("fleet_version", BigInteger, ForeignKey(f"{SCHEMA}.fleet_versions.version"), nullable=False),
    Column("decision_id", BigInteger, ForeignKey(f"{SCHEMA}.decisions.id")),
    recorded(),
    UniqueConstraint("ip_id", "day", "provider"),
    CheckConstraint("messages >= 0", name="messages_not_negative"),
)

ip_state_history = Table(
    "ip_state_history",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("from_status", Text),
    Column("to_status", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("decision_id", BigInteger, ForeignKey(f"{SCHEMA}.decisions.id")),
    moment("as_of", nullable=False),
    *of_run(),
    recorded(),
    one_of("to_status", *STATES),
)
