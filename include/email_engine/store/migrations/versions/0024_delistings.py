"""What follows a listing: its dossier, the cause that a person names, its re-checks; and when block lists first answered about an IP.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

HERE = "email_engine"
SETTING = "current_setting('email_engine.tenant', true)"
STATUSES = "'open', 'cleared', 'ended'"
QUESTIONS = "'none', 'pending', 'answered', 'superseded', 'expired'"


def _moment(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True))


def upgrade() -> None:
    op.add_column("blacklist_events", sa.Column("acknowledged_ticket", sa.Text), schema=HERE)
    op.add_column("ips", _moment("first_swept_at"), schema=HERE)
    # those of every tenant, whatever role migrates
    op.execute("SELECT set_config('email_engine.tenant', '*', true)")
    op.execute("UPDATE email_engine.ips SET first_swept_at = lists_checked_at")
    op.create_table(
        "delistings",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("ip_id", sa.BigInteger, nullable=False),
        sa.Column("listing_id", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="open"),
        sa.Column("ended_because", sa.Text),
        sa.Column("dossier", JSONB, nullable=False, server_default="{}"),
        sa.Column("question", sa.Text, nullable=False, server_default="none"),
        _moment("asked_at"),
        _moment("answered_at"),
        sa.Column("answered_by", sa.Text),
        sa.Column("cause", sa.Text),
        sa.Column("gives_up", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("replaces", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("checks", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_answer", sa.Text),
        _moment("last_checked_at"),
        _moment("next_check_at"),
        _moment("closed_at"),
        sa.Column("dag_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_delistings"),
        sa.UniqueConstraint("listing_id", name="uq_delistings_listing_id"),
        sa.ForeignKeyConstraint(["tenant"], [f"{HERE}.tenants.name"], name="fk_delistings_tenant"),
        sa.ForeignKeyConstraint(["ip_id"], [f"{HERE}.ips.id"], name="fk_delistings_ip_id"),
        sa.ForeignKeyConstraint(
            ["listing_id"], [f"{HERE}.blacklist_events.id"], name="fk_delistings_listing_id"
        ),
        sa.CheckConstraint(f"status IN ({STATUSES})", name=op.f("ck_delistings_status_known")),
        sa.CheckConstraint(f"question IN ({QUESTIONS})", name=op.f("ck_delistings_question_known")),
        sa.CheckConstraint(
            "last_answer IN ('listed', 'not_listed', 'unknown')", name=op.f("ck_delistings_last_answer_known")
        ),
        schema=HERE,
    )
    op.create_index("ix_delistings_ip_id", "delistings", ["ip_id"], schema=HERE)
    op.execute("ALTER TABLE email_engine.delistings ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE email_engine.delistings FORCE ROW LEVEL SECURITY")
    mine = f"tenant = {SETTING} OR {SETTING} = '*'"
    op.execute(f"CREATE POLICY tenant_rows ON email_engine.delistings USING ({mine}) WITH CHECK ({mine})")


def downgrade() -> None:
    op.drop_table("delistings", schema=HERE)
    op.drop_column("ips", "first_swept_at", schema=HERE)
    op.drop_column("blacklist_events", "acknowledged_ticket", schema=HERE)
