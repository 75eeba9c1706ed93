"""Brings a database to the newest tables, and makes the role and database that the engine lives in."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from psycopg import connect as psycopg_connect
from psycopg import sql
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from email_engine.store.engine import unavailable
from email_engine.store.schema import SCHEMA

SCRIPTS = Path(__file__).parent / "migrations"
LOCK = 0x656D61696C
"""Key of the advisory lock: two upgrades at once run one after the other."""


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's settings, by hand instead of an ini file."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(url: str | URL, revision: str = "head") -> None:
    """Upgrades in one transaction; does nothing when the database is there already.

    Raises `Unreachable` or `AccessDenied` when there is no connection to be had."""
    # a role named like the schema would have it in its search path, and Alembic would take it for the default one
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"), connect_args={"options": "-c search_path=public"}
    )
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            connection.execute(text("SELECT set_config('email_engine.tenant', '*', true)"))
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            command.upgrade(alembic_config(connection), revision)
    except OperationalError as error:
        raise unavailable(url, error) from None
    finally:
        engine.dispose()


def prepare_role(admin_url: str | URL, database: str, role: str, password: str) -> str:
    """A login role that row-level security binds (no superuser, no BYPASSRLS) and a database that it owns.

    Safe to repeat: the password is set anew. The server sees only its SCRAM digest. Returns the SQLAlchemy URL of
    `role` on `database`, password included."""
    parsed = make_url(admin_url)
    libpq = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg_connect(libpq, autocommit=True) as connection:
        digest = connection.pgconn.encrypt_password(
            password.encode(), role.encode(), b"scram-sha-256"
        ).decode()
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
        connection.execute(
            sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE PASSWORD {}").format(
                sql.SQL("ALTER" if known else "CREATE"), sql.Identifier(role), sql.Literal(digest)
            )
        )
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone():
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(role))
            )
    mine = parsed.set(drivername="postgresql+psycopg", username=role, password=password, database=database)
    return mine.render_as_string(hide_password=False)
