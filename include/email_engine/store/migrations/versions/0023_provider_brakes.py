"""Brakes of one mailbox provider: a suspended provider's queues stand still for an IP whose other mail goes on.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

HERE = "email_engine"
INDEX = "uq_brakes_engaged"
STANDING = sa.text("released_at IS NULL")


def upgrade() -> None:
    op.add_column("brakes", sa.Column("provider", sa.Text, nullable=False, server_default="*"), schema=HERE)
    _unique("ip_id", "provider")


def downgrade() -> None:
    # an older release would take them for stops of the whole IP
    op.execute("DELETE FROM email_engine.brakes WHERE provider <> '*'")
    _unique("ip_id")
    op.drop_column("brakes", "provider", schema=HERE)


def _unique(*columns: str) -> None:
    op.drop_index(INDEX, "brakes", schema=HERE)
    op.create_index(INDEX, "brakes", list(columns), unique=True, postgresql_where=STANDING, schema=HERE)
