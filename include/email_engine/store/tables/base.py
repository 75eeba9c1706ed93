"""The columns and rules that tables share, and the schema that they stand in."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    Text,
    func,
    text,
)

SCHEMA = "email_engine"
metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)


def one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{v}'" for v in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def row_id() -> Column:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def of_tenant(**kw: Any) -> Column:
    return Column("tenant", Text, ForeignKey(f"{SCHEMA}.tenants.name"), nullable=False, **kw)


def of_ip(**kw: Any) -> Column:
    return Column("ip_id", BigInteger, ForeignKey(f"{SCHEMA}.ips.id"), nullable=False, **kw)


def recorded(name: str = "recorded_at") -> Column:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def moment(name: str, nullable: bool = True) -> Column:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def removed() -> Column:
    """Gone from the fleet file; the row stays because history points at it, its names are free again."""
    return Column("removed", Boolean, nullable=False, server_default="false")


def unique_while_there(name: str, *columns: str) -> Index:
    return Index(name, *columns, unique=True, postgresql_where=text("NOT removed"))


def of_run() -> tuple[Column, Column]:
    return Column("dag_id", Text), Column("run_id", Text)


STATES = ("standby", "warming", "active", "retiring", "resting", "quarantine", "abandoned")
