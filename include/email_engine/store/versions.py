"""The fleet version: a number that grows with every change that a deployment or a sync must follow."""

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


def made_by(conn: Connection, dag_id: str, run_id: str) -> int | None:
    """The newest version that a DAG run made, None if it made none."""
    mine = (fleet_versions.c.dag_id == dag_id) & (fleet_versions.c.run_id == run_id)
    return conn.execute(select(func.max(fleet_versions.c.version)).where(mine)).scalar_one()
