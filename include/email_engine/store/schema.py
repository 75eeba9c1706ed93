"""The engine's tables (PostgreSQL schema `email_engine`); migrations make exactly this."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB

SCHEMA = "email_engine"
metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)


def one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{v}'" for v in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def _id() -> Column:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _tenant(**kw: Any) -> Column:
    return Column("tenant", Text, ForeignKey(f"{SCHEMA}.tenants.name"), nullable=False, **kw)


def _ip(**kw: Any) -> Column:
    return Column("ip_id", BigInteger, ForeignKey(f"{SCHEMA}.ips.id"), nullable=False, **kw)


def _at(name: str = "recorded_at") -> Column:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def _time(name: str, nullable: bool = True) -> Column:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _removed() -> Column:
    """Gone from the fleet file; the row stays because history points at it, its names are free again."""
    return Column("removed", Boolean, nullable=False, server_default="false")


def _unique_while_there(name: str, *columns: str) -> Index:
    return Index(name, *columns, unique=True, postgresql_where=text("NOT removed"))


def _run() -> tuple[Column, Column]:
    return Column("dag_id", Text), Column("run_id", Text)


STATES = ("standby", "warming", "active", "retiring", "resting", "quarantine", "abandoned")

tenants = Table(
    "tenants",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("daily_quota", BigInteger, nullable=False),
    Column("brand_domains", ARRAY(Text), nullable=False, server_default="{}"),
    _removed(),
    one_of("mode", "observe", "act"),
    CheckConstraint("daily_quota >= 0", name="daily_quota_not_negative"),
)

mta_hosts = Table(
    "mta_hosts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("connection", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("config_file", Text, nullable=False),
    Column("accounting_dir", Text, nullable=False),
    _time("accounting_checked_at"),
    _removed(),
    _unique_while_there("uq_mta_hosts_connection", "connection"),
)

mailwizz_instances = Table(
    "mailwizz_instances",
    metadata,
    Column("name", Text, primary_key=True),
    _tenant(),
    Column("api_connection", Text, nullable=False),
    Column("db_connection", Text, nullable=False),
    _removed(),
    UniqueConstraint("name", "tenant"),
    _unique_while_there("uq_mailwizz_instances_api_connection", "api_connection"),
    _unique_while_there("uq_mailwizz_instances_db_connection", "db_connection"),
)

streams = Table(
    "streams",
    metadata,
    _tenant(primary_key=True),
    Column("name", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("consent", Text, nullable=False),
    Column("risk_class", Text, nullable=False),
    Column("pool", Text, nullable=False),
    Column("mailwizz", Text, nullable=False),
    Column("daily_quota", BigInteger),
    _removed(),
    _unique_while_there("uq_streams_pool", "pool"),
    CheckConstraint("daily_quota > 0", name="daily_quota_positive"),
    one_of("risk_class", "protected", "standard"),
    UniqueConstraint("tenant", "name", "pool"),
    ForeignKeyConstraint(
        ["mailwizz", "tenant"], [f"{SCHEMA}.mailwizz_instances.name", f"{SCHEMA}.mailwizz_instances.tenant"]
    ),
)

ips = Table(
    "ips",
    metadata,
    _id(),
    Column("address", INET, nullable=False, unique=True),
    Column("hostname", Text, nullable=False),
    _tenant(),
    Column("stream", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("status", Text, nullable=False),
    _time("status_since", nullable=False),
    Column("vmta_name", Text, nullable=False),
    Column("pool_name", Text, nullable=False),
    Column("mta_host", Text, ForeignKey(f"{SCHEMA}.mta_hosts.name"), nullable=False),
    Column("mailwizz", Text, nullable=False),
    Column("mailwizz_server_id", Integer, nullable=False),
    _time("quarantine_until"),
    Column("blacklisted_on", ARRAY(Text), nullable=False, server_default="{}"),
    _time("lists_checked_at"),
    _removed(),
    _at("created_at"),
    one_of("status", *STATES),
    _unique_while_there("uq_ips_hostname", "hostname"),
    _unique_while_there("uq_ips_vmta_name", "vmta_name"),
    _unique_while_there("uq_ips_mailwizz_server", "mailwizz", "mailwizz_server_id"),
    UniqueConstraint("id", "tenant"),
    ForeignKeyConstraint(
        ["tenant", "stream", "pool_name"],
        [f"{SCHEMA}.streams.tenant", f"{SCHEMA}.streams.name", f"{SCHEMA}.streams.pool"],
        onupdate="CASCADE",
    ),
    ForeignKeyConstraint(
        ["mailwizz", "tenant"], [f"{SCHEMA}.mailwizz_instances.name", f"{SCHEMA}.mailwizz_instances.tenant"]
    ),
)

domains = Table(
    "domains",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    _tenant(),
    _ip(unique=True),
    Column("dkim_selector", Text, nullable=False),
    Column("dkim_key_path", Text, nullable=False),
    Column("spf_valid", Boolean),
    Column("dkim_valid", Boolean),
    Column("dmarc_valid", Boolean),
    Column("ptr_valid", Boolean),
    Column("mx_valid", Boolean),
    _time("last_dns_check"),
    ForeignKeyConstraint(
        ["ip_id", "tenant"], [f"{SCHEMA}.ips.id", f"{SCHEMA}.ips.tenant"], name="fk_domains_ip_tenant"
    ),
)

warmup_plans = Table(
    "warmup_plans",
    metadata,
    _id(),
    _tenant(),
    _ip(unique=True),
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
    _time("pause_until"),
    Column("pause_reason", Text),
    _time("last_stop_at"),
    _time("completed_at"),
    CheckConstraint("phase >= 0", name="phase_not_negative"),
    CheckConstraint("current_daily_quota >= 0", name="current_not_negative"),
    CheckConstraint("target_daily_quota > 0", name="target_positive"),
    CheckConstraint("NOT paused OR pause_until IS NOT NULL", name="pause_has_an_end"),
)

warmup_daily_stats = Table(
    "warmup_daily_stats",
    metadata,
    _id(),
    _tenant(),
    _ip(),
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
    *_run(),
    _at(),
)

decisions = Table(
    "decisions",
    metadata,
    _id(),
    _tenant(),
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
    _time("as_of", nullable=False),
    *_run(),
    _at(),
    UniqueConstraint("pipeline", "subject", "run_key", "kind"),
    Index("ix_decisions_subject_as_of", "subject", "as_of"),
)

allowances = Table(
    "allowances",
    metadata,
    _id(),
    _tenant(),
    _ip(),
    Column("day", Date, nullable=False),
    Column("provider", Text, nullable=False, server_default="*"),
    Column("messages", Integer, nullable=False),
    Column("fleet_version", BigInteger, ForeignKey(f"{SCHEMA}.fleet_versions.version"), nullable=False),
    Column("decision_id", BigInteger, ForeignKey(f"{SCHEMA}.decisions.id")),
    _at(),
    UniqueConstraint("ip_id", "day", "provider"),
    CheckConstraint("messages >= 0", name="messages_not_negative"),
)

ip_state_history = Table(
    "ip_state_history",
    metadata,
    _id(),
    _tenant(),
    _ip(),
    Column("from_status", Text),
    Column("to_status", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("decision_id", BigInteger, ForeignKey(f"{SCHEMA}.decisions.id")),
    _time("as_of", nullable=False),
    *_run(),
    _at(),
    one_of("to_status", *STATES),
)

accounting_files = Table(
    "accounting_files",
    metadata,
    _id(),
    Column("mta_host", Text, ForeignKey(f"{SCHEMA}.mta_hosts.name"), nullable=False),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modified", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("records", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("message", Text),
    *_run(),
    _at(),
    UniqueConstraint("mta_host", "digest"),
    one_of("status", "taken", "refused", "duplicate"),
)

delivery_stats = Table(
    "delivery_stats",
    metadata,
    _id(),
    _tenant(),
    _ip(),
    Column("provider", Text, nullable=False),
    _time("hour", nullable=False),
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
    _id(),
    _tenant(),
    _ip(),
    Column("list", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("class", Text, nullable=False),
    Column("codes", ARRAY(Text), nullable=False),
    Column("reason", Text),
    _time("opened_at", nullable=False),
    _time("last_seen_at", nullable=False),
    Column("clean_observations", Integer, nullable=False, server_default="0"),
    _time("closed_at"),
    _time("acknowledged_until"),
    Column("acknowledged_by", Text),
    *_run(),
    one_of("severity", "high", "medium", "low", "info"),
    one_of("class", "reputation", "policy", "info"),
    Index(
        "uq_blacklist_events_open", "ip_id", "zone", unique=True, postgresql_where=text("closed_at IS NULL")
    ),
)

dns_checks = Table(
    "dns_checks",
    metadata,
    _id(),
    _tenant(),
    Column("ip_id", BigInteger, ForeignKey(f"{SCHEMA}.ips.id"), nullable=False),
    Column("subject", Text, nullable=False),
    Column("check_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("observed", Text, nullable=False),
    Column("expected", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    _time("checked_at", nullable=False),
    *_run(),
    one_of("status", "ok", "broken", "unknown"),
    one_of("severity", "error", "warning", "info"),
    UniqueConstraint("ip_id", "subject", "check_id", "checked_at"),
    Index("ix_dns_checks_checked_at", "checked_at"),
)

deployments = Table(
    "deployments",
    metadata,
    _id(),
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
    *_run(),
    _at("started_at"),
    _time("finished_at"),
    one_of("status", "applying", "verified", "failed", "rolled_back", "unchanged"),
    Index("uq_deployments_applying", "mta_host", unique=True, postgresql_where=text("status = 'applying'")),
)

quota_syncs = Table(
    "quota_syncs",
    metadata,
    _id(),
    _tenant(),
    _ip(),
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
    *_run(),
    _at(),
    one_of("result", "applied", "refused", "not_verified", "drift_mended"),
)

brakes = Table(
    "brakes",
    metadata,
    _id(),
    _tenant(),
    _ip(),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("decision_id", BigInteger, ForeignKey(f"{SCHEMA}.decisions.id")),
    _time("engaged_at", nullable=False),
    Column("powermta_holds", Boolean, nullable=False, server_default="false"),
    Column("mailwizz_holds", Boolean, nullable=False, server_default="false"),
    Column("message", Text),
    _time("checked_at"),
    _time("release_asked_at"),
    _time("released_at"),
    *_run(),
    Index("uq_brakes_engaged", "ip_id", unique=True, postgresql_where=text("released_at IS NULL")),
)

alerts = Table(
    "alerts",
    metadata,
    _id(),
    Column("tenant", Text, ForeignKey(f"{SCHEMA}.tenants.name")),
    Column("event", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("text", Text, nullable=False),
    *_run(),
    _at("raised_at"),
    _time("sent_at"),
    _time("cleared_at"),
    Column("failure", Text),
    one_of("severity", "critical", "warning", "info"),
    Index(
        "uq_alerts_open", "event", "object", "state", unique=True, postgresql_where=text("cleared_at IS NULL")
    ),
)

TENANT_TABLES = (*(t for t in metadata.tables.values() if "tenant" in t.c), tenants)
"""Tables under row-level security; alerts without a tenant are the platform's and seen only with tenant `*`."""
