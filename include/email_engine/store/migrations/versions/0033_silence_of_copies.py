"""A brake listens to every delivery server that names its virtual MTA, not to one alone.

Revision ID: 0033
Revises: 0032
"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

HERE = "email_engine"


def upgrade() -> None:
    op.drop_constraint("pk_silences", "silences", schema=HERE)
    op.create_primary_key("pk_silences", "silences", ["brake_id", "server_id"], schema=HERE)


def downgrade() -> None:
    op.execute("DELETE FROM email_engine.silences")  # what was heard is heard anew
    op.drop_constraint("pk_silences", "silences", schema=HERE)
    op.create_primary_key("pk_silences", "silences", ["brake_id"], schema=HERE)
