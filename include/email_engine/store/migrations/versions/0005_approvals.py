"""Approvals and watch windows of deployments; what a host's whole configuration and a MailWizz's sources need"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

HERE = "email_engine"


def upgrade() -> None:
    op.add_column("mta_hosts", sa.Column("base_config", JSONB), schema=HERE)
    op.add_column("mta_hosts", sa.Column("health", JSONB), schema=HERE)
    op.add_column("mta_hosts", sa.Column("health_checked_at", sa.DateTime(timezone=True)), schema=HERE)
    addresses: sa.Column[list[str]] = sa.Column("addresses", ARRAY(INET), nullable=False, server_default="{}")
    op.add_column("mailwizz_instances", addresses, schema=HERE)
    op.create_table(
        "approvals",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("mta_host", sa.Text, nullable=False),
        sa.Column("fleet_version", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="pending"),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("previous_digest", sa.Text),
        sa.Column("breaches", JSONB, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("diff", sa.Text, nullable=False),
        sa.Column("rollback_to", sa.BigInteger),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("answered_by", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("dag_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.ForeignKeyConstraint(["mta_host"], [f"{HERE}.mta_hosts.name"], name="fk_approvals_mta_host"),
        sa.ForeignKeyConstraint(
            ["fleet_version"], [f"{HERE}.fleet_versions.version"], name="fk_approvals_fleet_version"
        ),
        sa.ForeignKeyConstraint(["rollback_to"], [f"{HERE}.deployments.id"], name="fk_approvals_rollback_to"),
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'refused', 'expired', 'superseded')",
            name=op.f("ck_approvals_status_known"),
        ),
        schema=HERE,
    )
    op.create_index(
        "uq_approvals_pending",
        "approvals",
        ["mta_host"],
        unique=True,
        schema=HERE,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.add_column("deployments", sa.Column("approval_id", sa.BigInteger), schema=HERE)
    op.add_column("deployments", sa.Column("baseline", JSONB), schema=HERE)
    op.add_column("deployments", sa.Column("watched", sa.Text), schema=HERE)
    op.create_foreign_key(
        "fk_deployments_approval_id",
        "deployments",
        "approvals",
        ["approval_id"],
        ["id"],
        source_schema=HERE,
        referent_schema=HERE,
    )
    op.create_check_constraint(
        op.f("ck_deployments_watched_known"),
        "deployments",
        "watched IN ('well', 'worse', 'superseded')",
        schema=HERE,
    )


def downgrade() -> None:
    for column in ("watched", "baseline", "approval_id"):
        op.drop_column("deployments", column, schema=HERE)
    op.drop_table("approvals", schema=HERE)
    op.drop_column("mailwizz_instances", "addresses", schema=HERE)
    for column in ("health_checked_at", "health", "base_config"):
        op.drop_column("mta_hosts", column, schema=HERE)
