"""Bounces and complaints one by one, unreadable accounting rows, and what tells a copy of a file from the file"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

HERE = "email_engine"
SETTING = "current_setting('email_engine.tenant', true)"


def upgrade() -> None:
    heads: sa.Column[list[str]] = sa.Column("heads", ARRAY(sa.Text), nullable=False, server_default="{}")
    op.add_column("accounting_files", heads, schema=HERE)
    op.add_column("accounting_files", sa.Column("whole_bytes", sa.BigInteger), schema=HERE)
    op.add_column(
        "accounting_files", sa.Column("cut", sa.Boolean, nullable=False, server_default="false"), schema=HERE
    )
    op.create_table(
        "accounting_quarantine",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("file_id", sa.BigInteger, nullable=False),
        sa.Column("line", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("recipient_hash", sa.Text),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        _reference("accounting_quarantine", "file_id", "accounting_files.id"),
        schema=HERE,
    )
    _index("accounting_quarantine", "file_id")
    op.create_table(
        "delivery_events",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("ip_id", sa.BigInteger, nullable=False),
        sa.Column("file_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_by", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("recipient_hash", sa.Text),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("campaign", sa.Text, nullable=False),
        _reference("delivery_events", "tenant", "tenants.name"),
        _reference("delivery_events", "ip_id", "ips.id"),
        _reference("delivery_events", "file_id", "accounting_files.id"),
        sa.CheckConstraint(
            "kind IN ('bounce', 'remote_bounce', 'complaint')", name=op.f("ck_delivery_events_kind_known")
        ),
        sa.CheckConstraint(
            "counted_by IN ('record', 'header', 'message', 'report')",
            name=op.f("ck_delivery_events_counted_by_known"),
        ),
        schema=HERE,
    )
    _index("delivery_events", "file_id")
    _index("delivery_events", "ip_id", "at")
    _index("delivery_events", "recipient_hash")
    op.create_index(
        "ix_delivery_events_message_id",
        "delivery_events",
        ["message_id"],
        schema=HERE,
        postgresql_where=sa.text("message_id <> ''"),
    )
    op.execute("ALTER TABLE email_engine.delivery_events ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE email_engine.delivery_events FORCE ROW LEVEL SECURITY")
    mine = f"tenant = {SETTING} OR {SETTING} = '*'"
    op.execute(
        f"CREATE POLICY tenant_rows ON email_engine.delivery_events USING ({mine}) WITH CHECK ({mine})"
    )


def downgrade() -> None:
    op.drop_table("delivery_events", schema=HERE)
    op.drop_table("accounting_quarantine", schema=HERE)
    for column in ("cut", "whole_bytes", "heads"):
        op.drop_column("accounting_files", column, schema=HERE)


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{HERE}.{target}"], name=f"fk_{table}_{column}")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns), schema=HERE)
