"""What stopped an IP by its rates lately, and what block lists said about IPs for which receivers named them.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

HERE = "email_engine"
SETTING = "current_setting('email_engine.tenant', true)"


def upgrade() -> None:
    op.add_column(
        "warmup_plans", sa.Column("stops", JSONB, nullable=False, server_default="[]"), schema="email_engine"
    )
    # What the one stop that was known was for is not known: it counts, and as no kind of its own.
    op.execute(
        """
        UPDATE email_engine.warmup_plans
        SET stops = jsonb_build_array(jsonb_build_object('day', (last_stop_at AT TIME ZONE 'UTC')::date, 'kind', 'score'))
        WHERE last_stop_at > now() - interval '30 days'
        """
    )
    op.create_table(
        "blocklist_answers",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("ip_id", sa.BigInteger, nullable=False),
        sa.Column("list", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_blocklist_answers"),
        sa.UniqueConstraint("ip_id", "list", name="uq_blocklist_answers_ip_id_list"),
        sa.ForeignKeyConstraint(["tenant"], [f"{HERE}.tenants.name"], name="fk_blocklist_answers_tenant"),
        sa.ForeignKeyConstraint(["ip_id"], [f"{HERE}.ips.id"], name="fk_blocklist_answers_ip_id"),
        sa.CheckConstraint(
            "answer IN ('listed', 'not_listed')", name=op.f("ck_blocklist_answers_answer_known")
        ),
        schema=HERE,
    )
    op.execute("ALTER TABLE email_engine.blocklist_answers ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE email_engine.blocklist_answers FORCE ROW LEVEL SECURITY")
    mine = f"tenant = {SETTING} OR {SETTING} = '*'"
    op.execute(
        f"CREATE POLICY tenant_rows ON email_engine.blocklist_answers USING ({mine}) WITH CHECK ({mine})"
    )


def downgrade() -> None:
    op.drop_table("blocklist_answers", schema=HERE)
    op.drop_column("warmup_plans", "stops", schema="email_engine")
