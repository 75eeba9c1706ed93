"""Who accepted a refused accounting file and why, and a file's size without what line ends make of it"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

HERE = "email_engine"
INDEX = "ix_accounting_files_mta_host_name"
NEW = ("plain_size", "accepted_at", "accepted_by", "accepted_because", "accepted_run_id")


def upgrade() -> None:
    op.add_column("accounting_files", sa.Column("plain_size", sa.BigInteger), schema=HERE)
    op.add_column("accounting_files", sa.Column("accepted_at", sa.DateTime(timezone=True)), schema=HERE)
    for name in ("accepted_by", "accepted_because", "accepted_run_id"):
        op.add_column("accounting_files", sa.Column(name, sa.Text), schema=HERE)
    op.create_index(INDEX, "accounting_files", ["mta_host", "name"], schema=HERE)
    # Their days were decided upon under the rule that was in force; a new hold would only surprise.
    op.execute(
        """
        UPDATE email_engine.accounting_files SET accepted_at = now(), accepted_by = 'upgrade',
            accepted_because = 'refused before refusals were kept until somebody accepts them'
        WHERE status = 'refused' AND recorded_at < now() - interval '2 days'
        """
    )
    op.create_check_constraint(
        op.f("ck_accounting_files_accepted_whole"),
        "accounting_files",
        "(accepted_at IS NULL) = (accepted_by IS NULL) AND (accepted_at IS NULL) = (accepted_because IS NULL)"
        " AND (accepted_at IS NULL OR status = 'refused')",
        schema=HERE,
    )


def downgrade() -> None:
    op.drop_index(INDEX, "accounting_files", schema=HERE)
    op.drop_constraint(op.f("ck_accounting_files_accepted_whole"), "accounting_files", schema=HERE)
    for name in NEW:
        op.drop_column("accounting_files", name, schema=HERE)
