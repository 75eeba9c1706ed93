"""Addresses that bounces and complaints speak of, until MailWizz was told and read back.

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

HERE = "email_engine"
TABLE = "suppressions"
SETTING = "current_setting('email_engine.tenant', true)"
REASONS = "'hard', 'soft', 'complaint'"
STATES = (
    "'new', 'held', 'soft', 'open', 'posted', 'stored', 'already', 'not_ours', 'finding', 'excused', 'reset', 'spent',"
    " 'expired'"
)
WAYS = "'webhook', 'feedback', 'status'"
COUNTED = "'stored', 'already', 'not_ours', 'finding'"
WAITING = "state IN ('new', 'held', 'soft', 'open', 'posted')"


def _moment(name: str, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("ip_id", sa.BigInteger, nullable=False),
        sa.Column("file_id", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        _moment("at", nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("campaign", sa.Text, nullable=False),
        sa.Column("recipient_hash", sa.Text),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("state", sa.Text, nullable=False, server_default="new"),
        sa.Column("why", sa.Text, nullable=False, server_default=""),
        _moment("decided_at"),
        sa.Column("mailwizz", sa.Text),
        sa.Column("campaign_uid", sa.Text),
        sa.Column("list_uid", sa.Text),
        sa.Column("subscriber_uid", sa.Text),
        sa.Column("way", sa.Text),
        _moment("posted_at"),
        _moment("counted_at"),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("trouble", sa.Text, nullable=False, server_default=""),
        sa.Column("dag_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name=f"pk_{TABLE}"),
        sa.ForeignKeyConstraint(["tenant"], [f"{HERE}.tenants.name"], name=f"fk_{TABLE}_tenant"),
        sa.ForeignKeyConstraint(["ip_id"], [f"{HERE}.ips.id"], name=f"fk_{TABLE}_ip_id"),
        sa.ForeignKeyConstraint(["file_id"], [f"{HERE}.accounting_files.id"], name=f"fk_{TABLE}_file_id"),
        _check("reason_known", f"reason IN ({REASONS})"),
        _check("state_known", f"state IN ({STATES})"),
        _check("way_known", f"way IN ({WAYS})"),
        _check("counted_is_final", f"(counted_at IS NOT NULL) = (state IN ({COUNTED}))"),
        _check("counted_keeps_no_address", "counted_at IS NULL OR sealed IS NULL OR state = 'finding'"),
        schema=HERE,
    )
    for columns in (["file_id"], ["recipient_hash"], ["mailwizz", "run_id"]):
        op.create_index(f"ix_{TABLE}_{'_'.join(columns)}", TABLE, columns, schema=HERE)
    for name, columns, where in (
        ("waiting", ["state", "id"], WAITING),
        ("findings", ["mailwizz"], "state = 'finding'"),
        ("sealed", ["recorded_at"], "sealed IS NOT NULL"),
    ):
        op.create_index(f"ix_{TABLE}_{name}", TABLE, columns, postgresql_where=sa.text(where), schema=HERE)
    op.execute(f"ALTER TABLE {HERE}.{TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {HERE}.{TABLE} FORCE ROW LEVEL SECURITY")
    mine = f"tenant = {SETTING} OR {SETTING} = '*'"
    op.execute(f"CREATE POLICY tenant_rows ON {HERE}.{TABLE} USING ({mine}) WITH CHECK ({mine})")


def _check(name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck_{TABLE}_{name}"))


def downgrade() -> None:
    op.drop_table(TABLE, schema=HERE)
