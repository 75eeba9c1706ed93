"""DKIM keys: the public half, on which hosts the private one lies, how far a rotation is.

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

HERE = "email_engine"
SETTING = "current_setting('email_engine.tenant', true)"
STAGES = "'making', 'made', 'seen', 'signing', 'overlap', 'revoking', 'revoked', 'removed'"


def _moment(name: str, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "dkim_keys",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("selector", sa.Text, nullable=False),
        sa.Column("key_path", sa.Text, nullable=False),
        sa.Column("public_key", sa.Text),
        sa.Column("bits", sa.Integer),
        sa.Column("hosts", ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("stage", sa.Text, nullable=False),
        _moment("since", nullable=False),
        _moment("made_at"),
        _moment("seen_at"),
        _moment("quiet_since"),
        sa.Column("dag_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_dkim_keys"),
        sa.UniqueConstraint("domain", "selector", name="uq_dkim_keys_domain_selector"),
        sa.ForeignKeyConstraint(["tenant"], [f"{HERE}.tenants.name"], name="fk_dkim_keys_tenant"),
        sa.CheckConstraint(f"stage IN ({STAGES})", name=op.f("ck_dkim_keys_stage_known")),
        sa.CheckConstraint(
            "stage = 'making' OR public_key IS NOT NULL OR made_at IS NULL",
            name=op.f("ck_dkim_keys_made_is_known"),
        ),
        schema=HERE,
    )
    op.create_index(
        "uq_dkim_keys_signing",
        "dkim_keys",
        ["domain"],
        unique=True,
        postgresql_where=sa.text("stage = 'signing'"),
        schema=HERE,
    )
    op.execute(f"ALTER TABLE {HERE}.dkim_keys ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {HERE}.dkim_keys FORCE ROW LEVEL SECURITY")
    mine = f"tenant = {SETTING} OR {SETTING} = '*'"
    op.execute(f"CREATE POLICY tenant_rows ON {HERE}.dkim_keys USING ({mine}) WITH CHECK ({mine})")


def downgrade() -> None:
    op.drop_table("dkim_keys", schema=HERE)
