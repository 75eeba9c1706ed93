"""Row-level security for every tenant's rows; decisions, state history and fleet versions are append-only"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TENANT_TABLES = (
    "alerts",
    "allowances",
    "blacklist_events",
    "brakes",
    "decisions",
    "delivery_stats",
    "dns_checks",
    "domains",
    "ip_state_history",
    "ips",
    "mailwizz_instances",
    "quota_syncs",
    "streams",
    "warmup_daily_stats",
    "warmup_plans",
)
APPEND_ONLY = ("decisions", "fleet_versions", "ip_state_history")
SETTING = "current_setting('email_engine.tenant', true)"


def upgrade() -> None:
    for table, column in [*((name, "tenant") for name in TENANT_TABLES), ("tenants", "name")]:
        op.execute(f"ALTER TABLE email_engine.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE email_engine.{table} FORCE ROW LEVEL SECURITY")
        mine = f"{column} = {SETTING} OR {SETTING} = '*'"
        op.execute(f"CREATE POLICY tenant_rows ON email_engine.{table} USING ({mine}) WITH CHECK ({mine})")
    op.execute(
        """
        CREATE FUNCTION email_engine.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '%.% is append-only: % refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'Add a row that says what changed.';
        END $$
        """
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON email_engine.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION email_engine.refuse_change()"
        )


def downgrade() -> None:
    for table in APPEND_ONLY:
        op.execute(f"DROP TRIGGER append_only ON email_engine.{table}")
    op.execute("DROP FUNCTION email_engine.refuse_change()")
    for table in (*TENANT_TABLES, "tenants"):
        op.execute(f"DROP POLICY tenant_rows ON email_engine.{table}")
        op.execute(f"ALTER TABLE email_engine.{table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE email_engine.{table} DISABLE ROW LEVEL SECURITY")
