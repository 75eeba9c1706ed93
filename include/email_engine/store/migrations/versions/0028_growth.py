"""A domain that comes to a warm IP has a warm-up of its own; `replaced`: the warm domain that it took the place of. An IP that
moves to another MTA host stays at its old one (`mta_host`) until that sends from it no more; `moving_*`: where it goes, and since when.

Revision ID: 0028
Revises: 0027
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

HERE = "email_engine"
COLUMNS = {
    "warmup_since": sa.Date,
    "warmup_phase": sa.Integer,
    "warmup_phase_started_on": sa.Date,
    "replaced": sa.Text,
}
MOVING: dict[str, type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any]] = {
    "moving_to": sa.Text,
    "moving_bind": postgresql.INET,
    "moving_since": sa.DateTime(timezone=True),
}
WHOLE = "(warmup_since IS NULL) = (warmup_phase IS NULL) AND (warmup_since IS NULL) = (warmup_phase_started_on IS NULL)"


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column("domains", sa.Column(name, kind), schema=HERE)
    for name, rule in (("warmup_phase_positive", "warmup_phase > 0"), ("warmup_is_whole", WHOLE)):
        op.create_check_constraint(op.f(f"ck_domains_{name}"), "domains", rule, schema=HERE)
    for name, made in MOVING.items():
        op.add_column("ips", sa.Column(name, made), schema=HERE)
    op.create_foreign_key(
        op.f("fk_ips_moving_to"),
        "ips",
        "mta_hosts",
        ["moving_to"],
        ["name"],
        source_schema=HERE,
        referent_schema=HERE,
    )


def downgrade() -> None:
    for name in MOVING:
        op.drop_column("ips", name, schema=HERE)
    for name in COLUMNS:
        op.drop_column("domains", name, schema=HERE)
