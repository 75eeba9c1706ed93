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

UNKNOWN_BEFORE = "SELECT count(*) FROM email_engine.brakes WHERE provider <> '*' AND released_at IS NULL"


def upgrade() -> None:
    op.add_column("brakes", sa.Column("provider", sa.Text, nullable=False, server_default="*"), schema=HERE)
    _unique("ip_id", "provider")


def downgrade() -> None:
    """Raises RuntimeError while something stands that an older release could not handle."""
    op.execute("SELECT set_config('email_engine.tenant', '*', true)")
    standing: int = op.get_bind().execute(sa.text(UNKNOWN_BEFORE)).scalar_one()
    if standing:
        raise RuntimeError(
            f"{standing} suspended providers' queues stand still in PowerMTA, which an older release would not let go. Next: `email-engine fleet status` names them; wait until they ended, and downgrade then"
        )
    # an older release would take them for stops of the whole IP
    op.execute("DELETE FROM email_engine.brakes WHERE provider <> '*'")
    _unique("ip_id")
    op.drop_column("brakes", "provider", schema=HERE)


def _unique(*columns: str) -> None:
    op.drop_index(INDEX, "brakes", schema=HERE)
    op.create_index(INDEX, "brakes", list(columns), unique=True, postgresql_where=STANDING, schema=HERE)
