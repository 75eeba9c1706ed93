"""The engine's tables (PostgreSQL schema `email_engine`); migrations make exactly this."""

from email_engine.store.tables.base import SCHEMA, metadata
from email_engine.store.tables.changes import (
    alerts,
    approvals,
    brakes,
    deployments,
    incidents,
    owed_news,
    paused_campaigns,
    quota_syncs,
    silences,
)
from email_engine.store.tables.dkim import dkim_keys
from email_engine.store.tables.health import mta_health, mta_queues
from email_engine.store.tables.hygiene import recipient_list_reports
from email_engine.store.tables.inventory import domains, ips, mailwizz_instances, mta_hosts, streams, tenants
from email_engine.store.tables.judgement import (
    allowances,
    decisions,
    fleet_versions,
    ip_state_history,
    reputation,
    warmup_daily_stats,
    warmup_plans,
)
from email_engine.store.tables.signals import (
    accounting_files,
    accounting_quarantine,
    blacklist_events,
    blocklist_answers,
    blocklist_questions,
    delistings,
    delivery_days,
    delivery_events,
    delivery_stats,
    dns_checks,
    domain_listings,
    reply_texts,
)
from email_engine.store.tables.suppression import suppressions

__all__ = [
    "SCHEMA",
    "TENANT_TABLES",
    "accounting_files",
    "accounting_quarantine",
    "alerts",
    "allowances",
    "approvals",
    "blacklist_events",
    "blocklist_answers",
    "blocklist_questions",
    "brakes",
    "decisions",
    "delistings",
    "delivery_days",
    "delivery_events",
    "delivery_stats",
    "deployments",
    "dkim_keys",
    "dns_checks",
    "domain_listings",
    "domains",
    "fleet_versions",
    "incidents",
    "ip_state_history",
    "ips",
    "mailwizz_instances",
    "metadata",
    "mta_health",
    "mta_hosts",
    "mta_queues",
    "owed_news",
    "paused_campaigns",
    "quota_syncs",
    "recipient_list_reports",
    "reply_texts",
    "reputation",
    "silences",
    "streams",
    "suppressions",
    "tenants",
    "warmup_daily_stats",
    "warmup_plans",
]

TENANT_TABLES = (*(t for t in metadata.tables.values() if "tenant" in t.c), tenants)
"""Tables under row-level security; alerts without a tenant are the platform's and seen only with tenant `*`."""
