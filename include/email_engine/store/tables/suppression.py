"""Addresses that a bounce or a complaint speaks of, from its accounting file until MailWizz was read back."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

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
from email_engine.suppression.judgement import COUNTED, State
from email_engine.suppression.reasons import Reason
from email_engine.suppression.telling import Way

_listed = ", ".join(f"'{state}'" for state in State if state in COUNTED)

suppressions = Table(
    "suppressions",
    metadata,
    row_id(),
    of_tenant(),
    of_ip(),
    Column("file_id", BigInteger, ForeignKey(f"{SCHEMA}.accounting_files.id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("provider", Text, nullable=False),
    moment("at", nullable=False),
    Column("message_id", Text, nullable=False),
    Column("campaign", Text, nullable=False),
    Column("recipient_hash", Text),
    Column("sealed", LargeBinary),
    Column("state", Text, nullable=False, server_default="new"),
    Column("why", Text, nullable=False, server_default=""),
    moment("decided_at"),
    Column("mailwizz", Text),
    Column("campaign_uid", Text),
    Column("list_uid", Text),
    Column("subscriber_uid", Text),
    Column("way", Text),
    moment("posted_at"),
    moment("counted_at"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("trouble", Text, nullable=False, server_default=""),
    *of_run(),
    recorded(),
    Column("copy_of", BigInteger, ForeignKey(f"{SCHEMA}.suppressions.id", ondelete="CASCADE")),
    UniqueConstraint("copy_of", "mailwizz"),
    one_of("reason", *Reason),
    one_of("state", *State),
    one_of("way", *Way),
    CheckConstraint(f"(counted_at IS NOT NULL) = (state IN ({_listed}))", name="counted_is_final"),
    CheckConstraint(
        "counted_at IS NULL OR sealed IS NULL OR state = 'finding'", name="counted_keeps_no_address"
    ),
    Index("ix_suppressions_file_id", "file_id"),
    Index("ix_suppressions_recipient_hash", "recipient_hash"),
    Index("ix_suppressions_mailwizz_run_id", "mailwizz", "run_id"),
    Index("ix_suppressions_findings", "mailwizz", postgresql_where=text("state = 'finding'")),
    Index("ix_suppressions_sealed", "recorded_at", postgresql_where=text("sealed IS NOT NULL")),
    Index(
        "ix_suppressions_waiting",
        "state",
        "id",
        postgresql_where=text("state IN ('new', 'held', 'soft', 'open', 'posted')"),
    ),
)
"""One row an event. `mailwizz`: the instance whose campaign it was, known when it is judged; `posted_at`: when MailWizz was first told, noted
before that; `sealed`: the address, encrypted, as long as it is needed; `copy_of`: the row of another instance of the tenant's, whose
recipient this one may know too."""
