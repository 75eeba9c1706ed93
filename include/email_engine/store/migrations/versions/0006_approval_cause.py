"""What an approval was asked for: by whom, and for which tenant alone"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

HERE = "email_engine"


def upgrade() -> None:
    op.add_column(
        "approvals", sa.Column("caused_by", sa.Text, nullable=False, server_default=""), schema=HERE
    )
    op.add_column("approvals", sa.Column("only_tenant", sa.Text), schema=HERE)


def downgrade() -> None:
    for column in ("only_tenant", "caused_by"):
        op.drop_column("approvals", column, schema=HERE)
