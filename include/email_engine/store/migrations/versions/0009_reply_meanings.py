"""What receivers meant by their replies: counted per hour, and each wording once; strangers and unknown texts of a file"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

HERE = "email_engine"
MEANINGS = ("bounce_meanings", "deferral_meanings", "named_lists")
NUMBERS = ("strangers", "failures", "unknown_failures")


def upgrade() -> None:
    for name in MEANINGS:
        op.add_column(
            "delivery_stats", sa.Column(name, JSONB, nullable=False, server_default="{}"), schema=HERE
        )
    for name in NUMBERS:
        op.add_column(
            "accounting_files", sa.Column(name, sa.Integer, nullable=False, server_default="0"), schema=HERE
        )
    op.create_table(
        "reply_texts",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("meaning", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("example", sa.Text, nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("provider", "outcome", "text", name="uq_reply_texts_provider_outcome_text"),
        sa.CheckConstraint("outcome IN ('bounce', 'deferral')", name=op.f("ck_reply_texts_outcome_known")),
        sa.CheckConstraint(
            "meaning IN ('address', 'reputation', 'rate', 'auth', 'content', 'system', 'unknown')",
            name=op.f("ck_reply_texts_meaning_known"),
        ),
        schema=HERE,
    )
    op.create_index("ix_reply_texts_last_seen_at", "reply_texts", ["last_seen_at"], schema=HERE)


def downgrade() -> None:
    op.drop_table("reply_texts", schema=HERE)
    for name in NUMBERS:
        op.drop_column("accounting_files", name, schema=HERE)
    for name in MEANINGS:
        op.drop_column("delivery_stats", name, schema=HERE)
