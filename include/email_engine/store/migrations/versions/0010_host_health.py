"""What was seen of the MTA hosts: a row a look, and their queues by virtual MTA and mailbox provider"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

HERE = "email_engine"


def upgrade() -> None:
    op.create_table(
        "mta_health",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("mta_host", sa.Text, nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worst", sa.Text, nullable=False),
        sa.Column("reachable", sa.Boolean, nullable=False),
        sa.Column("version", sa.Text),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("config_digest", sa.Text),
        sa.Column("deployed_digest", sa.Text),
        sa.Column("reloaded_at", sa.DateTime(timezone=True)),
        sa.Column("disk_path", sa.Text),
        sa.Column("disk_used_rate", sa.Float),
        sa.Column("clock_offset_seconds", sa.Float),
        sa.Column("accounting_file", sa.Text),
        sa.Column("accounting_file_at", sa.DateTime(timezone=True)),
        sa.Column("recipients", sa.BigInteger),
        sa.Column("running", sa.BigInteger),
        sa.Column("backoff", sa.BigInteger),
        sa.Column("oldest_since", sa.DateTime(timezone=True)),
        sa.Column("checks", JSONB, nullable=False),
        sa.Column("dag_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.ForeignKeyConstraint(["mta_host"], [f"{HERE}.mta_hosts.name"], name="fk_mta_health_mta_host"),
        sa.CheckConstraint(
            "worst IN ('good', 'unknown', 'info', 'warning', 'critical')",
            name=op.f("ck_mta_health_worst_known"),
        ),
        sa.CheckConstraint(
            "disk_used_rate BETWEEN 0 AND 1", name=op.f("ck_mta_health_disk_used_rate_is_a_ratio")
        ),
        sa.UniqueConstraint("mta_host", "checked_at", name="uq_mta_health_mta_host_checked_at"),
        schema=HERE,
    )
    op.create_table(
        "mta_queues",
        sa.Column("mta_host", sa.Text, nullable=False),
        sa.Column("vmta", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queues", sa.Integer, nullable=False),
        sa.Column("recipients", sa.BigInteger, nullable=False),
        sa.Column("paused", sa.BigInteger, nullable=False),
        sa.Column("backoff", sa.BigInteger, nullable=False),
        sa.Column("waiting_since", sa.DateTime(timezone=True)),
        sa.Column("looks", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("mta_host", "vmta", "provider", name="pk_mta_queues"),
        sa.ForeignKeyConstraint(["mta_host"], [f"{HERE}.mta_hosts.name"], name="fk_mta_queues_mta_host"),
        sa.CheckConstraint(
            "queues >= 0 AND recipients >= 0 AND paused >= 0 AND backoff >= 0",
            name=op.f("ck_mta_queues_counts_not_negative"),
        ),
        schema=HERE,
    )
    op.create_index("ix_mta_queues_waiting_since", "mta_queues", ["waiting_since"], schema=HERE)


def downgrade() -> None:
    op.drop_table("mta_queues", schema=HERE)
    op.drop_table("mta_health", schema=HERE)
