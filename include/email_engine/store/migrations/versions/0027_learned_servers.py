"""An IP may not have its delivery server yet: the quota sync learns it.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

HERE = "email_engine"


def upgrade() -> None:
    op.alter_column("ips", "mailwizz_server_id", nullable=True, schema=HERE)


def downgrade() -> None:
    ips = sa.table("ips", sa.column("id"), sa.column("mailwizz_server_id"), schema=HERE)
    unknown = ips.c.mailwizz_server_id.is_(None)
    op.execute(ips.update().where(unknown).values(mailwizz_server_id=-ips.c.id))
    op.alter_column("ips", "mailwizz_server_id", nullable=False, schema=HERE)
