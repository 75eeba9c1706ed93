"""Delivery servers that a brake switched off: until when they handed mail over all the same, by the rows of MailWizz's usage log; and
campaigns that were paused because they went on.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

HERE = "email_engine"
SETTING = "current_setting('email_engine.tenant', true)"


def upgrade() -> None:
    op.create_table(
        "silences",
        sa.Column("brake_id", sa.BigInteger, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("server_id", sa.Integer, nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_row", sa.BigInteger),
        sa.Column("handed_over", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("quiet_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("silent_at", sa.DateTime(timezone=True)),
        sa.Column("proven_at", sa.DateTime(timezone=True)),
        sa.Column("told", sa.Text),
        sa.PrimaryKeyConstraint("brake_id", name="pk_silences"),
        sa.ForeignKeyConstraint(
            ["brake_id"], [f"{HERE}.brakes.id"], name="fk_silences_brake_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tenant"], [f"{HERE}.tenants.name"], name="fk_silences_tenant"),
        schema=HERE,
    )
    op.create_table(
        "paused_campaigns",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("brake_id", sa.BigInteger, nullable=False),
        sa.Column("mailwizz", sa.Text, nullable=False),
        sa.Column("campaign", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("resumed_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_paused_campaigns"),
        sa.ForeignKeyConstraint(["tenant"], [f"{HERE}.tenants.name"], name="fk_paused_campaigns_tenant"),
        sa.ForeignKeyConstraint(["brake_id"], [f"{HERE}.brakes.id"], name="fk_paused_campaigns_brake_id"),
        sa.ForeignKeyConstraint(
            ["mailwizz"], [f"{HERE}.mailwizz_instances.name"], name="fk_paused_campaigns_mailwizz"
        ),
        schema=HERE,
    )
    op.create_index(
        "uq_paused_campaigns_open", "paused_campaigns", ["brake_id", "campaign"], unique=True,
        postgresql_where=sa.text("resumed_at IS NULL"), schema=HERE,
    )  # fmt: skip
    mine = f"tenant = {SETTING} OR {SETTING} = '*'"
    for name in ("silences", "paused_campaigns"):
        op.execute(f"ALTER TABLE {HERE}.{name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {HERE}.{name} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_rows ON {HERE}.{name} USING ({mine}) WITH CHECK ({mine})")


def downgrade() -> None:
    op.drop_table("paused_campaigns", schema=HERE)
    op.drop_table("silences", schema=HERE)
