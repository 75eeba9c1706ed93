"""What an IP really sent when it came aboard, as its fleet file says"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    said = sa.Column("warmed_to", sa.Integer, nullable=False, server_default="0")
    op.add_column("warmup_plans", said, schema="email_engine")
    name = op.f("ck_warmup_plans_warmed_to_not_negative")
    op.create_check_constraint(name, "warmup_plans", "warmed_to >= 0", schema="email_engine")


def downgrade() -> None:
    op.drop_column("warmup_plans", "warmed_to", schema="email_engine")
