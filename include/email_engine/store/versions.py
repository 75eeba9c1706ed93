"""The fleet version: a number that grows with every change that a deployment or a sync must follow."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select

from email_engine.store.schema import fleet_versions


def bump(conn: Connection, reason: str, run_ids: tuple[str | None, str | None] = (None, None)) -> int:
    """A new version; `run_ids` is (dag_id, run_id)."""
    dag_id, run_id = run_ids
    statement = insert(fleet_versions).values(reason=reason, dag_id=dag_id, run_id=run_id)
    return int(conn.execute(statement.returning(fleet_versions.c.version)).scalar_one())


def current(conn: Connection) -> int:
    """The newest version, 0 in an empty database."""
    return int(conn.execute(select(func.coalesce(func.max(fleet_versions.c.version), 0))).scalar_one())


@dataclass(frozen=True, slots=True)
class Version:
    """What made a version: `reason` in words, and the run where one did."""

    version: int
    reason: str
    dag_id: str | None
    run_id: str | None


def between(conn: Connection, after: int, up_to: int, most: int) -> tuple[Version, ...]:
    """The newest versions above `after`, up to and with `up_to`; newest first."""
    table = fleet_versions.c
    query = (
        select(table.version, table.reason, table.dag_id, table.run_id)
        .where(table.version > after, table.version <= up_to)
        .order_by(table.version.desc())
        .limit(most)
    )
    return tuple(Version(**row) for row in conn.execute(query).mappings())


def made_by(conn: Connection, dag_id: str, run_id: str) -> int | None:
    """The newest version that a DAG run made, None if it made none."""
    mine = (fleet_versions.c.dag_id == dag_id) & (fleet_versions.c.run_id == run_id)
    return conn.execute(select(func.max(fleet_versions.c.version)).where(mine)).scalar_one()
