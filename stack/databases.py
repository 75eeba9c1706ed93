"""Databases and roles inside the embedded PostgreSQL: Airflow's, the engine's, and one for each MailWizz of the lab."""

from collections.abc import Mapping
from urllib.parse import quote

import psycopg
from psycopg import sql
from sqlalchemy import URL

from stack.postgres import Cluster


def ensure_database(cluster: Cluster, name: str, password: str) -> None:
    """A login role that is no superuser, and a database of the same name that it owns."""
    with psycopg.connect(cluster.url().replace("+psycopg", ""), autocommit=True) as connection:
        role = sql.Identifier(name)
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
        verb = sql.SQL("ALTER" if known else "CREATE")
        connection.execute(
            sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD {}").format(
                verb, role, sql.Literal(password)
            )
        )
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))


def database_url(cluster: Cluster, name: str, password: str, driver: str = "psycopg") -> str:
    """SQLAlchemy URL over the cluster's socket."""
    folder = quote(str(cluster.socket_folder))
    return f"postgresql+{driver}://{quote(name)}:{quote(password)}@/{quote(name)}?host={folder}"


def server_of(cluster: Cluster) -> URL:
    """The cluster as an address without a login."""
    return URL.create("postgresql", query={"host": str(cluster.socket_folder)})


def ensure_all(cluster: Cluster, secrets: Mapping[str, str], mailwizz: tuple[str, ...]) -> None:
    ensure_database(cluster, "airflow", secrets["airflow_db"])
    ensure_database(cluster, "email_engine", secrets["engine_db"])
    for instance in mailwizz:
        ensure_database(cluster, instance, secrets[f"{instance}_db"])
