"""Accounting by UTC day beside that by hour: what judgement reads"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

HERE = "email_engine"
SETTING = "current_setting('email_engine.tenant', true)"
COUNTS = ("attempts", "delivered", "bounced", "deferred", "complained")
WORDS = ("bounce_categories", "bounce_meanings", "deferral_meanings", "named_lists")


def upgrade() -> None:
    op.create_table(
        "delivery_days",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("ip_id", sa.BigInteger, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in COUNTS),
        *(sa.Column(name, JSONB, nullable=False, server_default="{}") for name in WORDS),
        sa.PrimaryKeyConstraint("id", name="pk_delivery_days"),
        sa.UniqueConstraint("ip_id", "provider", "day", name="uq_delivery_days_ip_id_provider_day"),
        sa.ForeignKeyConstraint(["tenant"], [f"{HERE}.tenants.name"], name="fk_delivery_days_tenant"),
        sa.ForeignKeyConstraint(["ip_id"], [f"{HERE}.ips.id"], name="fk_delivery_days_ip_id"),
        sa.CheckConstraint(
            "attempts >= 0 AND delivered >= 0 AND bounced >= 0 AND deferred >= 0 AND complained >= 0",
            name=op.f("ck_delivery_days_counts_not_negative"),
        ),
        schema=HERE,
    )
    op.create_index("ix_delivery_days_tenant_day", "delivery_days", ["tenant", "day"], schema=HERE)
    op.execute("ALTER TABLE email_engine.delivery_days ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE email_engine.delivery_days FORCE ROW LEVEL SECURITY")
    mine = f"tenant = {SETTING} OR {SETTING} = '*'"
    op.execute(f"CREATE POLICY tenant_rows ON email_engine.delivery_days USING ({mine}) WITH CHECK ({mine})")
    op.execute("LOCK TABLE email_engine.delivery_stats IN SHARE MODE")
    op.execute(fill())


def fill() -> str:
    """The days of all hours; words are summed one by one."""
    words = ", ".join(_WORDS_OF_DAY.replace("COLUMN", name) for name in WORDS)
    joined = " ".join(f"LEFT JOIN {name} USING (ip_id, provider, day)" for name in WORDS)
    return _FILL.replace("WORDS", words).replace("JOINED", joined)


_WORDS_OF_DAY = """
COLUMN AS (SELECT ip_id, provider, day, jsonb_object_agg(key, n) AS words FROM (
    SELECT ip_id, provider, day, key, sum(value::int) AS n FROM hours, jsonb_each_text(COLUMN)
    GROUP BY ip_id, provider, day, key) AS one_by_one GROUP BY ip_id, provider, day)
"""
_FILL = """
WITH hours AS (SELECT *, timezone('UTC', hour)::date AS day FROM email_engine.delivery_stats), WORDS,
days AS (
    SELECT min(tenant) AS tenant, ip_id, provider, day, sum(attempts) AS attempts, sum(delivered) AS delivered,
           sum(bounced) AS bounced, sum(deferred) AS deferred, sum(complained) AS complained
    FROM hours GROUP BY ip_id, provider, day)
INSERT INTO email_engine.delivery_days (
    tenant, ip_id, provider, day, attempts, delivered, bounced, deferred, complained,
    bounce_categories, bounce_meanings, deferral_meanings, named_lists)
SELECT tenant, ip_id, provider, day, attempts, delivered, bounced, deferred, complained,
       coalesce(bounce_categories.words, '{}'), coalesce(bounce_meanings.words, '{}'),
       coalesce(deferral_meanings.words, '{}'), coalesce(named_lists.words, '{}')
FROM days JOINED
"""


def downgrade() -> None:
    op.drop_table("delivery_days", schema=HERE)
