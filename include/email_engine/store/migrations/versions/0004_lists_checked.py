"""When block lists were last seen to answer about an IP: silence of the lists is no clean bill"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ips", sa.Column("lists_checked_at", sa.DateTime(timezone=True)), schema="email_engine")


def downgrade() -> None:
    op.drop_column("ips", "lists_checked_at", schema="email_engine")
