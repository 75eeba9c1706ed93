"""Whether a delivery server was learned by its header: what was learned is learned anew where it does not hold any more.

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

HERE = "email_engine"


def upgrade() -> None:
    op.add_column(
        "ips", sa.Column("server_learned", sa.Boolean(), nullable=False, server_default="false"), schema=HERE
    )


def downgrade() -> None:
    op.drop_column("ips", "server_learned", schema=HERE)
