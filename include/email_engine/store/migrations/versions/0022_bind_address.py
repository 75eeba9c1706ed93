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

UNKNOWN_BEFORE = "SELECT count(*) FROM email_engine.ips WHERE bind_address IS NOT NULL AND NOT removed"


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
    """Raises RuntimeError while something stands that an older release could not handle."""
    op.execute("SELECT set_config('email_engine.tenant', '*', true)")
    standing: int = op.get_bind().execute(sa.text(UNKNOWN_BEFORE)).scalar_one()
    if standing:
        raise RuntimeError(
            f"{standing} IPs have a bind address, which this release alone renders. Next: take bind_address out of the fleet file, deploy, and downgrade then"
        )
    op.drop_index("uq_ips_bind_address", "ips", schema=HERE)
    op.drop_constraint(op.f("ck_ips_bind_address_is_another"), "ips", schema=HERE)
    op.drop_column("ips", "bind_address", schema=HERE)
