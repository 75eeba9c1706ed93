"""The first tables, frozen: later changes of the schema are revisions of their own"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fleet_versions",
        sa.Column("version", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("dag_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_fleet_versions")),
        schema="email_engine",
    )
    op.create_table(
        "mta_hosts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("config_file", sa.Text(), nullable=False),
        sa.Column("accounting_dir", sa.Text(), nullable=False),
        sa.Column("removed", sa.Boolean(), server_default="false", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_mta_hosts")),
        schema="email_engine",
    )
    op.create_index(
        "uq_mta_hosts_connection",
        "mta_hosts",
        ["connection"],
        unique=True,
        schema="email_engine",
        postgresql_where=sa.text("NOT removed"),
    )
    op.create_table(
        "tenants",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("daily_quota", sa.BigInteger(), nullable=False),
        sa.Column("brand_domains", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("removed", sa.Boolean(), server_default="false", nullable=False),
        sa.CheckConstraint("mode IN ('observe', 'act')", name=op.f("ck_tenants_mode_known")),
        sa.CheckConstraint("daily_quota >= 0", name=op.f("ck_tenants_daily_quota_not_negative")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tenants")),
        schema="email_engine",
    )
    op.create_table(
        "accounting_files",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mta_host", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("modified", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("dag_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('taken', 'refused', 'duplicate')", name=op.f("ck_accounting_files_status_known")
        ),
        sa.ForeignKeyConstraint(
            ["mta_host"], ["email_engine.mta_hosts.name"], name=op.f("fk_accounting_files_mta_host")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounting_files")),
        sa.UniqueConstraint("mta_host", "digest", name=op.f("uq_accounting_files_mta_host_digest")),
        schema="email_engine",
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("dag_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("raised_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "severity IN ('critical', 'warning', 'info')", name=op.f("ck_alerts_severity_known")
        ),
        sa.ForeignKeyConstraint(["tenant"], ["email_engine.tenants.name"], name=op.f("fk_alerts_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        schema="email_engine",
    )
    op.create_index(
        "uq_alerts_open",
        "alerts",
        ["event", "object", "state"],
        unique=True,
        schema="email_engine",
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("run_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("applied", sa.Boolean(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("verdicts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("policy_digest", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dag_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["email_engine.tenants.name"], name=op.f("fk_decisions_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint(
            "pipeline", "subject", "run_key", "kind", name=op.f("uq_decisions_pipeline_subject_run_key_kind")
        ),
        schema="email_engine",
    )
    op.create_index(
        "ix_decisions_subject_as_of", "decisions", ["subject", "as_of"], unique=False, schema="email_engine"
    )
    op.create_table(
        "deployments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mta_host", sa.Text(), nullable=False),
        sa.Column("fleet_version", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("failed_step", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("previous_digest", sa.Text(), nullable=True),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("diff", sa.Text(), nullable=False),
        sa.Column("caused_by", sa.Text(), nullable=False),
        sa.Column("rolled_back_to", sa.BigInteger(), nullable=True),
        sa.Column("dag_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('applying', 'verified', 'failed', 'rolled_back', 'unchanged')",
            name=op.f("ck_deployments_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["fleet_version"],
            ["email_engine.fleet_versions.version"],
            name=op.f("fk_deployments_fleet_version"),
        ),
        sa.ForeignKeyConstraint(
            ["mta_host"], ["email_engine.mta_hosts.name"], name=op.f("fk_deployments_mta_host")
        ),
        sa.ForeignKeyConstraint(
            ["rolled_back_to"], ["email_engine.deployments.id"], name=op.f("fk_deployments_rolled_back_to")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployments")),
        schema="email_engine",
    )
    op.create_index(
        "uq_deployments_applying",
        "deployments",
        ["mta_host"],
        unique=True,
        schema="email_engine",
        postgresql_where=sa.text("status = 'applying'"),
    )
    op.create_table(
        "mailwizz_instances",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("api_connection", sa.Text(), nullable=False),
        sa.Column("db_connection", sa.Text(), nullable=False),
        sa.Column("removed", sa.Boolean(), server_default="false", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"], ["email_engine.tenants.name"], name=op.f("fk_mailwizz_instances_tenant")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_mailwizz_instances")),
        sa.UniqueConstraint("name", "tenant", name=op.f("uq_mailwizz_instances_name_tenant")),
        schema="email_engine",
    )
    op.create_index(
        "uq_mailwizz_instances_api_connection",
        "mailwizz_instances",
        ["api_connection"],
        unique=True,
        schema="email_engine",
        postgresql_where=sa.text("NOT removed"),
    )
    op.create_index(
        "uq_mailwizz_instances_db_connection",
        "mailwizz_instances",
        ["db_connection"],
        unique=True,
        schema="email_engine",
        postgresql_where=sa.text("NOT removed"),
    )
    op.create_table(
        "streams",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("risk_class", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("mailwizz", sa.Text(), nullable=False),
        sa.Column("daily_quota", sa.BigInteger(), nullable=True),
        sa.Column("removed", sa.Boolean(), server_default="false", nullable=False),
        sa.CheckConstraint(
            "risk_class IN ('protected', 'standard')", name=op.f("ck_streams_risk_class_known")
        ),
        sa.CheckConstraint("daily_quota > 0", name=op.f("ck_streams_daily_quota_positive")),
        sa.ForeignKeyConstraint(
            ["mailwizz", "tenant"],
            ["email_engine.mailwizz_instances.name", "email_engine.mailwizz_instances.tenant"],
            name=op.f("fk_streams_mailwizz_tenant"),
        ),
        sa.ForeignKeyConstraint(["tenant"], ["email_engine.tenants.name"], name=op.f("fk_streams_tenant")),
        sa.PrimaryKeyConstraint("tenant", "name", name=op.f("pk_streams")),
        sa.UniqueConstraint("tenant", "name", "pool", name=op.f("uq_streams_tenant_name_pool")),
        schema="email_engine",
    )
    op.create_index(
        "uq_streams_pool",
        "streams",
        ["pool"],
        unique=True,
        schema="email_engine",
        postgresql_where=sa.text("NOT removed"),
    )
    op.create_table(
        "ips",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("address", postgresql.INET(), nullable=False),
        sa.Column("hostname", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("vmta_name", sa.Text(), nullable=False),
        sa.Column("pool_name", sa.Text(), nullable=False),
        sa.Column("mta_host", sa.Text(), nullable=False),
        sa.Column("mailwizz", sa.Text(), nullable=False),
        sa.Column("mailwizz_server_id", sa.Integer(), nullable=False),
        sa.Column("quarantine_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("blacklisted_on", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("removed", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('standby', 'warming', 'active', 'retiring', 'resting', 'quarantine', 'abandoned')",
            name=op.f("ck_ips_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["mailwizz", "tenant"],
            ["email_engine.mailwizz_instances.name", "email_engine.mailwizz_instances.tenant"],
            name=op.f("fk_ips_mailwizz_tenant"),
        ),
        sa.ForeignKeyConstraint(["mta_host"], ["email_engine.mta_hosts.name"], name=op.f("fk_ips_mta_host")),
        sa.ForeignKeyConstraint(
            ["tenant", "stream", "pool_name"],
            ["email_engine.streams.tenant", "email_engine.streams.name", "email_engine.streams.pool"],
            name=op.f("fk_ips_tenant_stream_pool_name"),
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant"], ["email_engine.tenants.name"], name=op.f("fk_ips_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ips")),
        sa.UniqueConstraint("address", name=op.f("uq_ips_address")),
        sa.UniqueConstraint("id", "tenant", name=op.f("uq_ips_id_tenant")),
        schema="email_engine",
    )
    op.create_index(
        "uq_ips_hostname",
        "ips",
        ["hostname"],
        unique=True,
        schema="email_engine",
        postgresql_where=sa.text("NOT removed"),
    )
    op.create_index(
        "uq_ips_mailwizz_server",
        "ips",
        ["mailwizz", "mailwizz_server_id"],
        unique=True,
        schema="email_engine",
        postgresql_where=sa.text("NOT removed"),
    )
    op.create_index(
        "uq_ips_vmta_name",
        "ips",
        ["vmta_name"],
        unique=True,
        schema="email_engine",
        postgresql_where=sa.text("NOT removed"),
    )
    op.create_table(
        "allowances",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("ip_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("provider", sa.Text(), server_default="*", nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("fleet_version", sa.BigInteger(), nullable=False),
        sa.Column("decision_id", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("messages >= 0", name=op.f("ck_allowances_messages_not_negative")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["email_engine.decisions.id"], name=op.f("fk_allowances_decision_id")
        ),
        sa.ForeignKeyConstraint(
            ["fleet_version"],
            ["email_engine.fleet_versions.version"],
            name=op.f("fk_allowances_fleet_version"),
        ),
        sa.ForeignKeyConstraint(["ip_id"], ["email_engine.ips.id"], name=op.f("fk_allowances_ip_id")),
        sa.ForeignKeyConstraint(["tenant"], ["email_engine.tenants.name"], name=op.f("fk_allowances_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allowances")),
        sa.UniqueConstraint("ip_id", "day", "provider", name=op.f("uq_allowances_ip_id_day_provider")),
        schema="email_engine",
    )
    op.create_table(
        "blacklist_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("ip_id", sa.BigInteger(), nullable=False),
        sa.Column("list", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("codes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clean_observations", sa.Integer(), server_default="0", nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("dag_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "class IN ('reputation', 'policy', 'info')", name=op.f("ck_blacklist_events_class_known")
        ),
        sa.CheckConstraint(
            "severity IN ('high', 'medium', 'low', 'info')", name=op.f("ck_blacklist_events_severity_known")
        ),
        sa.ForeignKeyConstraint(["ip_id"], ["email_engine.ips.id"], name=op.f("fk_blacklist_events_ip_id")),
        sa.ForeignKeyConstraint(
            ["tenant"], ["email_engine.tenants.name"], name=op.f("fk_blacklist_events_tenant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blacklist_events")),
        schema="email_engine",
    )
    op.create_index(
        "uq_blacklist_events_open",
        "blacklist_events",
        ["ip_id", "zone"],
        unique=True,
        schema="email_engine",
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "brakes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("ip_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.BigInteger(), nullable=True),
        sa.Column("engaged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("powermta_holds", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("mailwizz_holds", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("release_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dag_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["email_engine.decisions.id"], name=op.f("fk_brakes_decision_id")
        ),
        sa.ForeignKeyConstraint(["ip_id"], ["email_engine.ips.id"], name=op.f("fk_brakes_ip_id")),
        sa.ForeignKeyConstraint(["tenant"], ["email_engine.tenants.name"], name=op.f("fk_brakes_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brakes")),
        schema="email_engine",
    )
    op.create_index(
        "uq_brakes_engaged",
        "brakes",
        ["ip_id"],
        unique=True,
        schema="email_engine",
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "delivery_stats",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("ip_id", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("bounced", sa.Integer(), nullable=False),
        sa.Column("deferred", sa.Integer(), nullable=False),
        sa.Column("complained", sa.Integer(), nullable=False),
        sa.Column(
            "bounce_categories", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.CheckConstraint(
            "attempts >= 0 AND delivered >= 0 AND bounced >= 0 AND deferred >= 0 AND complained >= 0",
            name=op.f("ck_delivery_stats_counts_not_negative"),
        ),
        sa.ForeignKeyConstraint(["ip_id"], ["email_engine.ips.id"], name=op.f("fk_delivery_stats_ip_id")),
        sa.ForeignKeyConstraint(
            ["tenant"], ["email_engine.tenants.name"], name=op.f("fk_delivery_stats_tenant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_stats")),
        sa.UniqueConstraint("ip_id", "provider", "hour", name=op.f("uq_delivery_stats_ip_id_provider_hour")),
        schema="email_engine",
    )
    op.create_index("ix_delivery_stats_hour", "delivery_stats", ["hour"], unique=False, schema="email_engine")
    op.create_table(
        "dns_checks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("ip_id", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("check_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("observed", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dag_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "severity IN ('error', 'warning', 'info')", name=op.f("ck_dns_checks_severity_known")
        ),
        sa.CheckConstraint("status IN ('ok', 'broken', 'unknown')", name=op.f("ck_dns_checks_status_known")),
        sa.ForeignKeyConstraint(["ip_id"], ["email_engine.ips.id"], name=op.f("fk_dns_checks_ip_id")),
        sa.ForeignKeyConstraint(["tenant"], ["email_engine.tenants.name"], name=op.f("fk_dns_checks_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dns_checks")),
        sa.UniqueConstraint(
            "ip_id",
            "subject",
            "check_id",
            "checked_at",
            name=op.f("uq_dns_checks_ip_id_subject_check_id_checked_at"),
        ),
        schema="email_engine",
    )
    op.create_index(
        "ix_dns_checks_checked_at", "dns_checks", ["checked_at"], unique=False, schema="email_engine"
    )
    op.create_table(
        "domains",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("ip_id", sa.BigInteger(), nullable=False),
        sa.Column("dkim_selector", sa.Text(), nullable=False),
        sa.Column("dkim_key_path", sa.Text(), nullable=False),
        sa.Column("spf_valid", sa.Boolean(), nullable=True),
        sa.Column("dkim_valid", sa.Boolean(), nullable=True),
        sa.Column("dmarc_valid", sa.Boolean(), nullable=True),
        sa.Column("ptr_valid", sa.Boolean(), nullable=True),
        sa.Column("mx_valid", sa.Boolean(), nullable=True),
        sa.Column("last_dns_check", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["ip_id", "tenant"],
            ["email_engine.ips.id", "email_engine.ips.tenant"],
            name="fk_domains_ip_tenant",
        ),
        sa.ForeignKeyConstraint(["ip_id"], ["email_engine.ips.id"], name=op.f("fk_domains_ip_id")),
        sa.ForeignKeyConstraint(["tenant"], ["email_engine.tenants.name"], name=op.f("fk_domains_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domains")),
        sa.UniqueConstraint("ip_id", name=op.f("uq_domains_ip_id")),
        sa.UniqueConstraint("name", name=op.f("uq_domains_name")),
        schema="email_engine",
    )
    op.create_table(
        "ip_state_history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("ip_id", sa.BigInteger(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=True),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.BigInteger(), nullable=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dag_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "to_status IN ('standby', 'warming', 'active', 'retiring', 'resting', 'quarantine', 'abandoned')",
            name=op.f("ck_ip_state_history_to_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["email_engine.decisions.id"], name=op.f("fk_ip_state_history_decision_id")
        ),
        sa.ForeignKeyConstraint(["ip_id"], ["email_engine.ips.id"], name=op.f("fk_ip_state_history_ip_id")),
        sa.ForeignKeyConstraint(
            ["tenant"], ["email_engine.tenants.name"], name=op.f("fk_ip_state_history_tenant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ip_state_history")),
        schema="email_engine",
    )
    op.create_table(
        "quota_syncs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("ip_id", sa.BigInteger(), nullable=False),
        sa.Column("mailwizz", sa.Text(), nullable=False),
        sa.Column("server_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("fleet_version", sa.BigInteger(), nullable=False),
        sa.Column("old_daily_quota", sa.Integer(), nullable=True),
        sa.Column("old_hourly_quota", sa.Integer(), nullable=True),
        sa.Column("old_status", sa.Text(), nullable=True),
        sa.Column("new_daily_quota", sa.Integer(), nullable=True),
        sa.Column("new_hourly_quota", sa.Integer(), nullable=True),
        sa.Column("new_status", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("dag_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "result IN ('applied', 'refused', 'not_verified', 'drift_mended')",
            name=op.f("ck_quota_syncs_result_known"),
        ),
        sa.ForeignKeyConstraint(
            ["fleet_version"],
            ["email_engine.fleet_versions.version"],
            name=op.f("fk_quota_syncs_fleet_version"),
        ),
        sa.ForeignKeyConstraint(["ip_id"], ["email_engine.ips.id"], name=op.f("fk_quota_syncs_ip_id")),
        sa.ForeignKeyConstraint(
            ["mailwizz"], ["email_engine.mailwizz_instances.name"], name=op.f("fk_quota_syncs_mailwizz")
        ),
        sa.ForeignKeyConstraint(
            ["tenant"], ["email_engine.tenants.name"], name=op.f("fk_quota_syncs_tenant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quota_syncs")),
        schema="email_engine",
    )
    op.create_table(
        "warmup_daily_stats",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("ip_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("allowance", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("bounced", sa.Integer(), nullable=False),
        sa.Column("deferred", sa.Integer(), nullable=False),
        sa.Column("complained", sa.Integer(), nullable=False),
        sa.Column("opened", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "allowance >= 0 AND sent >= 0 AND delivered >= 0 AND bounced >= 0 AND deferred >= 0 AND complained >= 0",
            name=op.f("ck_warmup_daily_stats_counts_not_negative"),
        ),
        sa.ForeignKeyConstraint(["ip_id"], ["email_engine.ips.id"], name=op.f("fk_warmup_daily_stats_ip_id")),
        sa.ForeignKeyConstraint(
            ["tenant"], ["email_engine.tenants.name"], name=op.f("fk_warmup_daily_stats_tenant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warmup_daily_stats")),
        sa.UniqueConstraint("ip_id", "day", name=op.f("uq_warmup_daily_stats_ip_id_day")),
        schema="email_engine",
    )
    op.create_table(
        "warmup_plans",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("ip_id", sa.BigInteger(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("phase_started_on", sa.Date(), nullable=True),
        sa.Column("sent_days_in_phase", sa.Integer(), server_default="0", nullable=False),
        sa.Column("current_daily_quota", sa.Integer(), nullable=False),
        sa.Column("target_daily_quota", sa.Integer(), nullable=False),
        sa.Column("bounce_rate_7d", sa.Float(), nullable=True),
        sa.Column("spam_rate_7d", sa.Float(), nullable=True),
        sa.Column("open_rate_7d", sa.Float(), nullable=True),
        sa.Column("paused", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("pause_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("last_stop_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "NOT paused OR pause_until IS NOT NULL", name=op.f("ck_warmup_plans_pause_has_an_end")
        ),
        sa.CheckConstraint("current_daily_quota >= 0", name=op.f("ck_warmup_plans_current_not_negative")),
        sa.CheckConstraint("phase >= 0", name=op.f("ck_warmup_plans_phase_not_negative")),
        sa.CheckConstraint("target_daily_quota > 0", name=op.f("ck_warmup_plans_target_positive")),
        sa.ForeignKeyConstraint(["ip_id"], ["email_engine.ips.id"], name=op.f("fk_warmup_plans_ip_id")),
        sa.ForeignKeyConstraint(
            ["tenant"], ["email_engine.tenants.name"], name=op.f("fk_warmup_plans_tenant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warmup_plans")),
        sa.UniqueConstraint("ip_id", name=op.f("uq_warmup_plans_ip_id")),
        schema="email_engine",
    )


def downgrade() -> None:
    op.drop_table("warmup_plans", schema="email_engine")
    op.drop_table("warmup_daily_stats", schema="email_engine")
    op.drop_table("quota_syncs", schema="email_engine")
    op.drop_table("ip_state_history", schema="email_engine")
    op.drop_table("domains", schema="email_engine")
    op.drop_table("dns_checks", schema="email_engine")
    op.drop_table("delivery_stats", schema="email_engine")
    op.drop_table("brakes", schema="email_engine")
    op.drop_table("blacklist_events", schema="email_engine")
    op.drop_table("allowances", schema="email_engine")
    op.drop_table("ips", schema="email_engine")
    op.drop_table("streams", schema="email_engine")
    op.drop_table("mailwizz_instances", schema="email_engine")
    op.drop_table("deployments", schema="email_engine")
    op.drop_table("decisions", schema="email_engine")
    op.drop_table("alerts", schema="email_engine")
    op.drop_table("accounting_files", schema="email_engine")
    op.drop_table("tenants", schema="email_engine")
    op.drop_table("mta_hosts", schema="email_engine")
    op.drop_table("fleet_versions", schema="email_engine")
