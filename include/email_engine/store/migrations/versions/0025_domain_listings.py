"""Domains on lists of domains, and how many questions each list was asked in a day.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

HERE = "email_engine"
SETTING = "current_setting('email_engine.tenant', true)"


def upgrade() -> None:
    op.add_column(
        "domains", sa.Column("listed_on", ARRAY(sa.Text), nullable=False, server_default="{}"), schema=HERE
    )
    op.create_table(
        "domain_listings",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("list", sa.Text, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("class", sa.Text, nullable=False),
        sa.Column("codes", ARRAY(sa.Text), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clean_observations", sa.Integer, nullable=False, server_default="0"),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("dag_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_domain_listings"),
        sa.ForeignKeyConstraint(["tenant"], [f"{HERE}.tenants.name"], name="fk_domain_listings_tenant"),
        sa.CheckConstraint(
            "severity IN ('high', 'medium', 'low', 'info')", name=op.f("ck_domain_listings_severity_known")
        ),
        sa.CheckConstraint(
            "class IN ('reputation', 'policy', 'info')", name=op.f("ck_domain_listings_class_known")
        ),
        schema=HERE,
    )
    op.create_index(
        "uq_domain_listings_open",
        "domain_listings",
        ["tenant", "domain", "zone"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
        schema=HERE,
    )
    op.execute(f"ALTER TABLE {HERE}.domain_listings ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {HERE}.domain_listings FORCE ROW LEVEL SECURITY")
    mine = f"tenant = {SETTING} OR {SETTING} = '*'"
    op.execute(f"CREATE POLICY tenant_rows ON {HERE}.domain_listings USING ({mine}) WITH CHECK ({mine})")
    op.create_table(
        "blocklist_questions",
        sa.Column("list", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("questions", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("list", "day", name="pk_blocklist_questions"),
        sa.CheckConstraint("questions >= 0", name=op.f("ck_blocklist_questions_not_negative")),
        schema=HERE,
    )


def downgrade() -> None:
    op.drop_table("blocklist_questions", schema=HERE)
    op.drop_table("domain_listings", schema=HERE)
    op.drop_column("domains", "listed_on", schema=HERE)
