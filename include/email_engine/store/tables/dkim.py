"""DKIM keys: the public half, where the private one lies, and how far a rotation is."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY

from email_engine.dkim.stages import KeyStage
from email_engine.store.tables.base import metadata, moment, of_run, of_tenant, one_of, recorded, row_id

dkim_keys = Table(
    "dkim_keys",
    metadata,
    row_id(),
    of_tenant(),
    Column("domain", Text, nullable=False),
    Column("selector", Text, nullable=False),
    Column("key_path", Text, nullable=False),
    Column("public_key", Text),
    Column("bits", Integer),
    Column("hosts", ARRAY(Text), nullable=False, server_default="{}"),
    Column("stage", Text, nullable=False),
    moment("since", nullable=False),
    moment("made_at"),
    moment("seen_at"),
    moment("quiet_since"),
    *of_run(),
    recorded(),
    one_of("stage", *KeyStage),
    CheckConstraint("stage = 'making' OR public_key IS NOT NULL OR made_at IS NULL", name="made_is_known"),
    UniqueConstraint("domain", "selector"),
    Index("uq_dkim_keys_signing", "domain", unique=True, postgresql_where=text("stage = 'signing'")),
)
