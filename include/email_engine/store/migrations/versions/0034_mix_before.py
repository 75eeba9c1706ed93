"""Parts of an IP's mail by provider as they were before one was slowed: what is held or refused makes that part look small, and MailWizz
hands over as before.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    mix = sa.Column("mix_before", JSONB, nullable=False, server_default="{}")
    op.add_column("warmup_plans", mix, schema="email_engine")


def downgrade() -> None:
    op.drop_column("warmup_plans", "mix_before", schema="email_engine")
