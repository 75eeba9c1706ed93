"""One row a cause of trouble, and alerts that are leased while they are sent"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

HERE = "email_engine"


def upgrade() -> None:
    op.add_column("alerts", sa.Column("leased_until", sa.DateTime(timezone=True)), schema=HERE)
    op.add_column("alerts", sa.Column("sends", sa.Integer, nullable=False, server_default="0"), schema=HERE)
    op.add_column(
        "alerts", sa.Column("quiet", sa.Boolean, nullable=False, server_default="false"), schema=HERE
    )
    op.add_column("alerts", sa.Column("task_id", sa.Text), schema=HERE)
    op.add_column("alerts", sa.Column("map_index", sa.Integer), schema=HERE)
    unsent = sa.text("sent_at IS NULL")
    op.create_index("ix_alerts_unsent", "alerts", ["id"], schema=HERE, postgresql_where=unsent)
    op.create_table(
        "incidents",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("observed", sa.Text, nullable=False),
        sa.Column("allowed", sa.Text, nullable=False),
        sa.Column("next_step", sa.Text, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer, nullable=False, server_default="1"),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("dag_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("task_id", sa.Text),
        sa.Column("map_index", sa.Integer),
        sa.Column("origins", ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("runs", ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.CheckConstraint(
            "severity IN ('critical', 'warning', 'info')", name=op.f("ck_incidents_severity_known")
        ),
        sa.CheckConstraint("times > 0", name=op.f("ck_incidents_times_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        schema=HERE,
    )
    still_open = sa.text("closed_at IS NULL")
    op.create_index(
        "uq_incidents_open", "incidents", ["cause"], unique=True, schema=HERE, postgresql_where=still_open
    )


def downgrade() -> None:
    op.drop_table("incidents", schema=HERE)
    op.drop_index("ix_alerts_unsent", table_name="alerts", schema=HERE)
    for name in ("leased_until", "sends", "quiet", "task_id", "map_index"):
        op.drop_column("alerts", name, schema=HERE)
