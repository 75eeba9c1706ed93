"""Beside every IP: when it graduates if all goes well, and what stands in its way"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("warmup_plans", sa.Column("graduates_on", sa.Date), schema="email_engine")
    op.add_column("warmup_plans", sa.Column("blocked_by", sa.Text), schema="email_engine")


def downgrade() -> None:
    for name in ("blocked_by", "graduates_on"):
        op.drop_column("warmup_plans", name, schema="email_engine")
