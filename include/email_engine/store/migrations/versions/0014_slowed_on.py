"""When speed was taken, and when an IP paused for a bad list"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    slowed = sa.Column("slowed_on", JSONB, nullable=False, server_default="{}")
    op.add_column("warmup_plans", slowed, schema="email_engine")
    stopped = sa.Column("last_list_stop_at", sa.DateTime(timezone=True))
    op.add_column("warmup_plans", stopped, schema="email_engine")


def downgrade() -> None:
    for name in ("slowed_on", "last_list_stop_at"):
        op.drop_column("warmup_plans", name, schema="email_engine")
