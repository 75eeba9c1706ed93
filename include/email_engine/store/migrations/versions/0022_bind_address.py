"""What PowerMTA binds, where the world sees an IP under another address.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import INET

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

HERE = "email_engine"


def upgrade() -> None:
    op.add_column("ips", sa.Column("bind_address", INET), schema=HERE)
    op.create_check_constraint(
        op.f("ck_ips_bind_address_is_another"), "ips", "bind_address <> address", schema=HERE
    )
    op.create_index(
        "uq_ips_bind_address", "ips", ["mta_host", "bind_address"], unique=True, schema=HERE,
        postgresql_where=sa.text("NOT removed"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("uq_ips_bind_address", "ips", schema=HERE)
    op.drop_constraint(op.f("ck_ips_bind_address_is_another"), "ips", schema=HERE)
    op.drop_column("ips", "bind_address", schema=HERE)
