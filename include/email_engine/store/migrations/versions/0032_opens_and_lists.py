"""Opens and clicks of a day's mail beside its statistics; reports about recipient lists; suppressions that another MailWizz of the
tenant's is told of too.

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

HERE = "email_engine"
SETTING = "current_setting('email_engine.tenant', true)"
DAYS, REPORTS, SUPPRESSIONS = "warmup_daily_stats", "recipient_list_reports", "suppressions"
COUNTED = (
    "subscribers", "bad_syntax", "special_domain", "null_mx", "dead_domain", "engaged", "engaged_lately", "machines_alone",
    "unjudged", "unknown_domain",
)  # fmt: skip
OPENS = ("machine_opened", "clicked", "machine_clicked")


def upgrade() -> None:
    for name in OPENS:
        op.add_column(DAYS, sa.Column(name, sa.Integer), schema=HERE)
    op.add_column(DAYS, sa.Column("opens_read_at", sa.DateTime(timezone=True)), schema=HERE)
    op.create_check_constraint(
        op.f(f"ck_{DAYS}_opens_not_negative"), DAYS,
        "opened >= 0 AND machine_opened >= 0 AND clicked >= 0 AND machine_clicked >= 0", schema=HERE,
    )  # fmt: skip
    op.add_column(SUPPRESSIONS, sa.Column("copy_of", sa.BigInteger), schema=HERE)
    op.create_foreign_key(
        f"fk_{SUPPRESSIONS}_copy_of", SUPPRESSIONS, SUPPRESSIONS, ["copy_of"], ["id"], ondelete="CASCADE",
        source_schema=HERE, referent_schema=HERE,
    )  # fmt: skip
    op.create_unique_constraint(
        f"uq_{SUPPRESSIONS}_copy_of_mailwizz", SUPPRESSIONS, ["copy_of", "mailwizz"], schema=HERE
    )
    op.create_table(
        REPORTS,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("mailwizz", sa.Text, nullable=False),
        sa.Column("list_uid", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in COUNTED),
        sa.Column("silent", sa.Integer),
        sa.Column("unsubscribed", sa.Integer),
        sa.Column("why_unknown", sa.Text, nullable=False, server_default=""),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dag_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name=f"pk_{REPORTS}"),
        sa.ForeignKeyConstraint(["tenant"], [f"{HERE}.tenants.name"], name=f"fk_{REPORTS}_tenant"),
        sa.UniqueConstraint("mailwizz", "list_uid", "day", name=f"uq_{REPORTS}_mailwizz_list_uid_day"),
        sa.CheckConstraint(
            " AND ".join(f"{name} >= 0" for name in COUNTED), name=op.f(f"ck_{REPORTS}_counts_not_negative")
        ),
        schema=HERE,
    )
    op.create_index(f"ix_{REPORTS}_tenant_day", REPORTS, ["tenant", "day"], schema=HERE)
    op.execute(f"ALTER TABLE {HERE}.{REPORTS} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {HERE}.{REPORTS} FORCE ROW LEVEL SECURITY")
    mine = f"tenant = {SETTING} OR {SETTING} = '*'"
    op.execute(f"CREATE POLICY tenant_rows ON {HERE}.{REPORTS} USING ({mine}) WITH CHECK ({mine})")


def downgrade() -> None:
    op.drop_table(REPORTS, schema=HERE)
    op.drop_constraint(f"uq_{SUPPRESSIONS}_copy_of_mailwizz", SUPPRESSIONS, schema=HERE)
    op.drop_column(SUPPRESSIONS, "copy_of", schema=HERE)
    op.drop_constraint(op.f(f"ck_{DAYS}_opens_not_negative"), DAYS, schema=HERE)
    for name in (*OPENS, "opens_read_at"):
        op.drop_column(DAYS, name, schema=HERE)
