"""A pause that only a person ends has no date.

Revision ID: 0019
Revises: 0018
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# 365 days behind the stop stood for "until a person resumes it".
OPEN = """
UPDATE email_engine.warmup_plans SET pause_until = NULL
WHERE paused AND pause_until = last_list_stop_at + interval '365 days'
"""
CLOSED = "UPDATE email_engine.warmup_plans SET pause_until = now() + interval '365 days' WHERE paused AND pause_until IS NULL"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_warmup_plans_pause_has_an_end"), "warmup_plans", schema="email_engine")
    op.execute(OPEN)


def downgrade() -> None:
    op.execute(CLOSED)
    op.create_check_constraint(
        op.f("ck_warmup_plans_pause_has_an_end"),
        "warmup_plans",
        "NOT paused OR pause_until IS NOT NULL",
        schema="email_engine",
    )
