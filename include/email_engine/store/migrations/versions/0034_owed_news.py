"""Runs that wrote decisions and have not told of them yet.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

HERE, TABLE = "email_engine", "owed_news"
SETTING = "current_setting('email_engine.tenant', true)"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("dag_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("tenant", "dag_id", "run_id", name=f"pk_{TABLE}"),
        sa.ForeignKeyConstraint(["tenant"], [f"{HERE}.tenants.name"], name=f"fk_{TABLE}_tenant"),
        schema=HERE,
    )
    op.execute(f"ALTER TABLE {HERE}.{TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {HERE}.{TABLE} FORCE ROW LEVEL SECURITY")
    mine = f"tenant = {SETTING} OR {SETTING} = '*'"
    op.execute(f"CREATE POLICY tenant_rows ON {HERE}.{TABLE} USING ({mine}) WITH CHECK ({mine})")


def downgrade() -> None:
    op.drop_table(TABLE, schema=HERE)
