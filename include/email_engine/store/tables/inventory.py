"""What the fleet file names: tenants, hosts, MailWizz instances, streams, IPs, domains."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB

from email_engine.store.tables.base import (
    SCHEMA,
    STATES,
    metadata,
    moment,
    of_ip,
    of_tenant,
    one_of,
    recorded,
    removed,
    row_id,
    unique_while_there,
)

tenants = Table(
    "tenants",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("daily_quota", BigInteger, nullable=False),
    Column("brand_domains", ARRAY(Text), nullable=False, server_default="{}"),
    removed(),
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
    Column("base_config", JSONB),
    moment("accounting_checked_at"),
    Column("health", JSONB),
    moment("health_checked_at"),
    removed(),
    unique_while_there("uq_mta_hosts_connection", "connection"),
)

mailwizz_instances = Table(
    "mailwizz_instances",
    metadata,
    Column("name", Text, primary_key=True),
    of_tenant(),
    Column("api_connection", Text, nullable=False),
    Column("db_connection", Text, nullable=False),
    Column("addresses", ARRAY(INET), nullable=False, server_default="{}"),
    removed(),
    UniqueConstraint("name", "tenant"),
    unique_while_there("uq_mailwizz_instances_api_connection", "api_connection"),
    unique_while_there("uq_mailwizz_instances_db_connection", "db_connection"),
)

streams = Table(
    "streams",
    metadata,
    of_tenant(primary_key=True),
    Column("name", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("consent", Text, nullable=False),
    Column("risk_class", Text, nullable=False),
    Column("pool", Text, nullable=False),
    Column("mailwizz", Text, nullable=False),
    Column("daily_quota", BigInteger),
    removed(),
    unique_while_there("uq_streams_pool", "pool"),
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
    row_id(),
    Column("address", INET, nullable=False, unique=True),
    Column("bind_address", INET),
    Column("hostname", Text, nullable=False),
    of_tenant(),
    Column("stream", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("status", Text, nullable=False),
    moment("status_since", nullable=False),
    Column("vmta_name", Text, nullable=False),
    Column("pool_name", Text, nullable=False),
    Column("mta_host", Text, ForeignKey(f"{SCHEMA}.mta_hosts.name"), nullable=False),
    Column("mailwizz", Text, nullable=False),
    Column("mailwizz_server_id", Integer),
    Column("server_learned", Boolean, nullable=False, server_default="false"),
    moment("quarantine_until"),
    Column("blacklisted_on", ARRAY(Text), nullable=False, server_default="{}"),
    moment("lists_checked_at"),
    moment("first_swept_at"),
    Column("moving_to", Text, ForeignKey(f"{SCHEMA}.mta_hosts.name")),
    Column("moving_bind", INET),
    moment("moving_since"),
    removed(),
    recorded("created_at"),
    one_of("status", *STATES),
    CheckConstraint("bind_address <> address", name="bind_address_is_another"),
    unique_while_there("uq_ips_bind_address", "mta_host", "bind_address"),
    unique_while_there("uq_ips_hostname", "hostname"),
    unique_while_there("uq_ips_vmta_name", "vmta_name"),
    unique_while_there("uq_ips_mailwizz_server", "mailwizz", "mailwizz_server_id"),
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
    row_id(),
    Column("name", Text, nullable=False, unique=True),
    of_tenant(),
    of_ip(unique=True),
    Column("dkim_selector", Text, nullable=False),
    Column("dkim_key_path", Text, nullable=False),
    Column("spf_valid", Boolean),
    Column("dkim_valid", Boolean),
    Column("dmarc_valid", Boolean),
    Column("ptr_valid", Boolean),
    Column("mx_valid", Boolean),
    moment("last_dns_check"),
    Column("listed_on", ARRAY(Text), nullable=False, server_default="{}"),
    Column("warmup_since", Date),
    Column("warmup_phase", Integer),
    Column("warmup_phase_started_on", Date),
    Column("replaced", Text),
    CheckConstraint("warmup_phase > 0", name="warmup_phase_positive"),
    CheckConstraint(
        "(warmup_since IS NULL) = (warmup_phase IS NULL) AND (warmup_since IS NULL) = (warmup_phase_started_on IS NULL)",
        name="warmup_is_whole",
    ),
    ForeignKeyConstraint(
        ["ip_id", "tenant"], [f"{SCHEMA}.ips.id", f"{SCHEMA}.ips.tenant"], name="fk_domains_ip_tenant"
    ),
)
