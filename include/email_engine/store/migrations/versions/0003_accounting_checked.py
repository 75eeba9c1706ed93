"""When a host was last seen to hold no accounting file that was not taken: an idle host writes none"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "mta_hosts", sa.Column("accounting_checked_at", sa.DateTime(timezone=True)), schema="email_engine"
    )


def downgrade() -> None:
    op.drop_column("mta_hosts", "accounting_checked_at", schema="email_engine")
