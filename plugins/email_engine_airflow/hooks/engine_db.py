"""The engine's database from an Airflow connection of the provider's own type `postgres`."""

from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import BaseHook
from sqlalchemy import URL, text

from email_engine.adapters import connections
from email_engine.errors import EngineError
from email_engine.store.engine import Store
from email_engine.store.schema import SCHEMA
from email_engine_airflow.hooks.fields import fields_of

DEFAULT_CONNECTION = "email_engine_db"


class EngineDbHook(PostgresHook):
    """Gives a `Store`. The connection's host may be a folder with PostgreSQL's unix socket; its extra `sslmode`,
    `sslrootcert`, `sslcert` and `sslkey` are passed on.

    Args:
        engine_db_conn_id: Airflow connection of type `postgres`."""

    conn_name_attr = "engine_db_conn_id"
    default_conn_name = DEFAULT_CONNECTION

    def __init__(self, engine_db_conn_id: str = DEFAULT_CONNECTION) -> None:
        BaseHook.__init__(self)  # of the provider's hook only connection and form are used
        self.engine_db_conn_id = engine_db_conn_id
        self._testing = False

    def url(self) -> URL:
        """The database's address, password included."""
        return connections.engine_url(fields_of(self.get_connection(self.engine_db_conn_id), self._testing))

    def get_conn(self) -> Store:  # type: ignore[override]
        """A new store; call `dispose()` on it, or let the task's end do so."""
        return Store(self.url())

    async def aget_conn(self) -> Store:
        """Like `get_conn`, for the triggerer; the store itself blocks, use it in a thread."""
        return Store(connections.engine_url(fields_of(await self.aget_connection(self.engine_db_conn_id))))

    def test_connection(self) -> tuple[bool, str]:  # type: ignore[override]
        """Logs in, looks for the engine's tables and for a role that row-level security binds."""
        self._testing = True
        try:
            store = self.get_conn()
        except EngineError as error:
            return False, str(error)
        try:
            with store.session() as conn:
                found = conn.execute(
                    text("SELECT to_regclass(:table)"), {"table": f"{SCHEMA}.alembic_version"}
                ).scalar()
                unbound: bool = conn.execute(
                    text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
                ).scalar_one()
                if found is None:
                    return False, f"{store!r} has no schema {SCHEMA}: run the engine's migrations"
                revision = conn.execute(text(f"SELECT version_num FROM {SCHEMA}.alembic_version")).scalar()  # noqa: S608
        except EngineError as error:
            return False, str(error)
        finally:
            store.dispose()
        if unbound:
            return False, f"{store!r}: the role bypasses row-level security; use a role that is no superuser"
        return True, f"{store!r} answers, tables at revision {revision}"
