"""Rates and scores of every IP at every mailbox provider"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

HERE = "email_engine"
SETTING = "current_setting('email_engine.tenant', true)"


def upgrade() -> None:
    op.create_table(
        "reputation",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("ip_id", sa.BigInteger, nullable=False),
        sa.Column("provider", sa.Text, nullable=False, server_default="*"),
        sa.Column("messages", sa.Integer, nullable=False),
        sa.Column("rates", JSONB, nullable=False),
        sa.Column("score", sa.Integer),
        sa.Column("score_low", sa.Integer),
        sa.Column("score_high", sa.Integer),
        sa.Column("lost", JSONB, nullable=False, server_default="{}"),
        sa.Column("verdicts", JSONB, nullable=False, server_default="{}"),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dag_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_reputation"),
        sa.UniqueConstraint("ip_id", "provider", name="uq_reputation_ip_id_provider"),
        sa.ForeignKeyConstraint(["tenant"], [f"{HERE}.tenants.name"], name="fk_reputation_tenant"),
        sa.ForeignKeyConstraint(["ip_id"], [f"{HERE}.ips.id"], name="fk_reputation_ip_id"),
        schema=HERE,
    )
    op.execute("ALTER TABLE email_engine.reputation ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE email_engine.reputation FORCE ROW LEVEL SECURITY")
    mine = f"tenant = {SETTING} OR {SETTING} = '*'"
    op.execute(f"CREATE POLICY tenant_rows ON email_engine.reputation USING ({mine}) WITH CHECK ({mine})")


def downgrade() -> None:
    op.drop_table("reputation", schema=HERE)
