"""Scores of IPs, and the speed that trouble took from them"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCORES = ("score", "score_low", "score_high")


def upgrade() -> None:
    paces = sa.Column("paces", JSONB, nullable=False, server_default="{}")
    op.add_column("warmup_plans", paces, schema="email_engine")
    for name in SCORES:
        op.add_column("warmup_plans", sa.Column(name, sa.Integer), schema="email_engine")


def downgrade() -> None:
    for name in ("paces", *SCORES):
        op.drop_column("warmup_plans", name, schema="email_engine")
