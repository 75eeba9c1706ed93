"""What was changed outside, or is to be told: deployments, quotas, brakes, alerts."""

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

approvals = Table(
    "approvals",
    metadata,
    row_id(),
    Column("mta_host", Text, ForeignKey(f"{SCHEMA}.mta_hosts.name"), nullable=False),
    Column("fleet_version", BigInteger, ForeignKey(f"{SCHEMA}.fleet_versions.version"), nullable=False),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("digest", Text, nullable=False),
    Column("previous_digest", Text),
    Column("breaches", JSONB, nullable=False),
    Column("summary", Text, nullable=False),
    Column("diff", Text, nullable=False),
    Column("rollback_to", BigInteger, ForeignKey(f"{SCHEMA}.deployments.id")),
    Column("caused_by", Text, nullable=False, server_default=""),
    Column("only_tenant", Text),
    recorded("asked_at"),
    moment("answered_at"),
    Column("answered_by", Text),
    Column("reason", Text),
    *of_run(),
    one_of("status", "pending", "approved", "refused", "expired", "superseded"),
    Index("uq_approvals_pending", "mta_host", unique=True, postgresql_where=text("status = 'pending'")),
)

deployments = Table(
    "deployments",
    metadata,
    row_id(),
    Column("mta_host", Text, ForeignKey(f"{SCHEMA}.mta_hosts.name"), nullable=False),
    Column("fleet_version", BigInteger, ForeignKey(f"{SCHEMA}.fleet_versions.version"), nullable=False),
    Column("status", Text, nullable=False),
    Column("failed_step", Text),
    Column("message", Text),
    Column("digest", Text, nullable=False),
    Column("previous_digest", Text),
    Column("config", Text, nullable=False),
    Column("diff", Text, nullable=False),
    Column("caused_by", Text, nullable=False),
    Column("rolled_back_to", BigInteger, ForeignKey(f"{SCHEMA}.deployments.id")),
    Column("approval_id", BigInteger, ForeignKey(f"{SCHEMA}.approvals.id", use_alter=True)),
    Column("baseline", JSONB),
    Column("watched", Text),
    *of_run(),
    recorded("started_at"),
    moment("finished_at"),
    one_of("status", "applying", "verified", "failed", "rolled_back", "unchanged"),
    one_of("watched", "well", "worse", "superseded"),
    Index("uq_deployments_applying", "mta_host", unique=True, postgresql_where=text("status = 'applying'")),
)

quota_syncs = Table(
    "quota_syncs",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("mailwizz", Text, ForeignKey(f"{SCHEMA}.mailwizz_instances.name"), nullable=False),
    Column("server_id", Integer, nullable=False),
    Column("day", Date, nullable=False),
    Column("fleet_version", BigInteger, ForeignKey(f"{SCHEMA}.fleet_versions.version"), nullable=False),
    Column("old_daily_quota", Integer),
    Column("old_hourly_quota", Integer),
    Column("old_status", Text),
    Column("new_daily_quota", Integer),
    Column("new_hourly_quota", Integer),
    Column("new_status", Text),
    Column("result", Text, nullable=False),
    Column("message", Text),
    *of_run(),
    recorded(),
    one_of("result", "applied", "refused", "not_verified", "drift_mended"),
)

brakes = Table(
    "brakes",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("provider", Text, nullable=False, server_default="*"),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("decision_id", BigInteger, ForeignKey(f"{SCHEMA}.decisions.id")),
    moment("engaged_at", nullable=False),
    Column("powermta_holds", Boolean, nullable=False, server_default="false"),
    Column("mailwizz_holds", Boolean, nullable=False, server_default="false"),
    Column("message", Text),
    moment("checked_at"),
    moment("release_asked_at"),
    moment("released_at"),
    *of_run(),
    Index(
        "uq_brakes_engaged", "ip_id", "provider", unique=True, postgresql_where=text("released_at IS NULL")
    ),
)
"""`provider`: the mailbox provider whose queues alone stand still for the IP; `*`: all of its mail."""

silences = Table(
    "silences",
    metadata,
    Column("brake_id", BigInteger, ForeignKey(f"{SCHEMA}.brakes.id", ondelete="CASCADE"), primary_key=True),
    of_tenant(),
    Column("server_id", Integer, primary_key=True, autoincrement=False),
    moment("began_at", nullable=False),
    Column("last_row", BigInteger),
    Column("handed_over", BigInteger, nullable=False, server_default="0"),
    moment("quiet_since", nullable=False),
    moment("silent_at"),
    moment("proven_at"),
    Column("told", Text),
)
"""What a delivery server handed over after a brake switched it off, by the rows of MailWizz's usage log: `last_row` is the newest row's id."""

paused_campaigns = Table(
    "paused_campaigns",
    metadata,
    row_id(),
    of_tenant(),
    Column("brake_id", BigInteger, ForeignKey(f"{SCHEMA}.brakes.id"), nullable=False),
    Column("mailwizz", Text, ForeignKey(f"{SCHEMA}.mailwizz_instances.name"), nullable=False),
    Column("campaign", Text, nullable=False),
    Column("name", Text, nullable=False),
    moment("paused_at", nullable=False),
    Column("verified", Boolean, nullable=False, server_default="false"),
    moment("resumed_at"),
    Column("outcome", Text),
    Index(
        "uq_paused_campaigns_open",
        "brake_id",
        "campaign",
        unique=True,
        postgresql_where=text("resumed_at IS NULL"),
    ),
)
"""Campaigns that the engine paused (noted before it is tried, `verified` after), by their uid, and what became of them at the release."""

alerts = Table(
    "alerts",
    metadata,
    row_id(),
    Column("tenant", Text, ForeignKey(f"{SCHEMA}.tenants.name")),
    Column("event", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("text", Text, nullable=False),
    *of_run(),
    recorded("raised_at"),
    moment("sent_at"),
    moment("cleared_at"),
    Column("failure", Text),
    moment("leased_until"),
    Column("sends", Integer, nullable=False, server_default="0"),
    Column("quiet", Boolean, nullable=False, server_default="false"),
    Column("task_id", Text),
    Column("map_index", Integer),
    one_of("severity", "critical", "warning", "info"),
    Index(
        "uq_alerts_open", "event", "object", "state", unique=True, postgresql_where=text("cleared_at IS NULL")
    ),
    Index("ix_alerts_unsent", "id", postgresql_where=text("sent_at IS NULL")),
)
"""`leased_until`: a sender has it, or it must wait so long. `sends`: how often it may have reached people without their messenger
saying so. `quiet`: news that can wait for the next message. `task_id`, `map_index`: whose log tells more."""

owed_news = Table(
    "owed_news",
    metadata,
    Column("tenant", Text, ForeignKey(f"{SCHEMA}.tenants.name"), primary_key=True),
    Column("dag_id", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    recorded(),
)
"""Runs that wrote decisions about a tenant's IPs and have not told of them: written with the decisions, gone with the news."""

incidents = Table(
    "incidents",
    metadata,
    row_id(),
    Column("cause", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("observed", Text, nullable=False),
    Column("allowed", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    moment("opened_at", nullable=False),
    moment("last_seen_at", nullable=False),
    Column("times", Integer, nullable=False, server_default="1"),
    moment("closed_at"),
    *of_run(),
    Column("task_id", Text),
    Column("map_index", Integer),
    Column("origins", ARRAY(Text), nullable=False, server_default="{}"),
    Column("runs", ARRAY(Text), nullable=False, server_default="{}"),
    one_of("severity", "critical", "warning", "info"),
    CheckConstraint("times > 0", name="times_positive"),
    Index("uq_incidents_open", "cause", unique=True, postgresql_where=text("closed_at IS NULL")),
)
"""One row a cause of trouble while it lasts. `origins`: tasks that met it, any of which proves by its success that it is over;
`runs`: DAG runs that met it (the newest 50 of each)."""
