"""What the receiver answered to each bounce, so that a stop can name the reply that weighs most; earlier ones have none.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "delivery_events",
        sa.Column("reply", sa.Text, nullable=False, server_default=""),
        schema="email_engine",
    )


def downgrade() -> None:
    op.drop_column("delivery_events", "reply", schema="email_engine")
