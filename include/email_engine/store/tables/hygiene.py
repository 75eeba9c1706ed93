"""What `list_hygiene` found in the recipient lists of a MailWizz: numbers alone, never an address."""

from sqlalchemy import CheckConstraint, Column, Date, Index, Integer, Table, Text, UniqueConstraint

from email_engine.store.tables.base import metadata, moment, of_run, of_tenant, recorded, row_id

COUNTED = (
    "subscribers", "bad_syntax", "special_domain", "null_mx", "dead_domain", "engaged", "engaged_lately", "machines_alone",
    "unjudged", "unknown_domain",
)  # fmt: skip
"""Columns that are never unknown."""

recipient_list_reports = Table(
    "recipient_list_reports",
    metadata,
    row_id(),
    of_tenant(),
    Column("mailwizz", Text, nullable=False),
    Column("list_uid", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("day", Date, nullable=False),
    *(Column(name, Integer, nullable=False) for name in COUNTED),
    Column("silent", Integer),
    Column("unsubscribed", Integer),
    Column("why_unknown", Text, nullable=False, server_default=""),
    moment("looked_at", nullable=False),
    *of_run(),
    recorded(),
    UniqueConstraint("mailwizz", "list_uid", "day"),
    CheckConstraint(" AND ".join(f"{name} >= 0" for name in COUNTED), name="counts_not_negative"),
    Index("ix_recipient_list_reports_tenant_day", "tenant", "day"),
)
"""One row a list and UTC day. `subscribers`: looked at; each is in one of bad_syntax, special_domain, null_mx, dead_domain, engaged,
machines_alone, silent, unjudged. `engaged_lately`: the part of `engaged` of the last weeks; `unknown_domain`: the part of all whose domain could
not be looked at; `silent`: NULL where MailWizz does not know it; `unsubscribed`: the part of all that unsubscribed, NULL where policy leaves them
out; `why_unknown`: what could not be told and why."""
