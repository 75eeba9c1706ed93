"""The steps of the one-shot service `init`, each safe to repeat: roles and databases, the engine's connection, the login."""

import json
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from email_engine.errors import InputError, Unreachable
from email_engine.store.migrate import prepare_role

CONNECTION = "email_engine_db"
ADMIN = "admin"


def read_secret(folder: Path, name: str) -> str:
    """The text of one secret; InputError when it is missing, unreadable or empty. The text itself is never shown."""
    try:
        text = (folder / name).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        observed = getattr(error, "strerror", None) or "no text"
        raise InputError(
            f"secret {name}", observed, f"a file in {folder} that this user reads", "make secrets"
        ) from None
    if not text:
        raise InputError(f"secret {name}", "empty", "one line", "delete the file, then: make secrets")
    return text


def database_address(folder: Path, name: str) -> URL:
    """The URL of a secret, with user, password and database; InputError otherwise."""
    allowed = "postgresql://USER:PASSWORD@HOST/DATABASE"
    try:
        url = make_url(read_secret(folder, name))
    except (ArgumentError, ValueError):
        raise InputError(f"secret {name}", "no URL", allowed, "correct the file") from None
    if not (url.username and url.password and url.database):
        raise InputError(
            f"secret {name}", "user, password or database is missing", allowed, "correct the file"
        )
    return url


def prepare_databases(folder: Path) -> list[str]:
    """Airflow's role and database, and the engine's: neither is a superuser. Returns the names of the databases.

    The superuser logs in to the server that each address names. InputError, or Unreachable when he cannot."""
    password = read_secret(folder, "postgres_password")
    names = []
    for secret in ("airflow_database_url", "engine_database_url"):
        url = database_address(folder, secret)
        admin = url.set(username="postgres", password=password, database="postgres")
        try:
            prepare_role(admin, str(url.database), str(url.username), str(url.password))
        except psycopg.OperationalError as error:
            raise Unreachable(
                f"PostgreSQL of secret {secret}",
                str(error).strip().splitlines()[-1],
                "a server on which postgres may log in with the secret postgres_password",
                "a data volume keeps the password of its first start: put that secret back, or alter the role in psql",
            ) from None
        names.append(str(url.database))
    return names


def engine_connection(url: URL) -> dict[str, Any]:
    """The fields of Airflow's connection to the engine's database; a socket's folder may stand in `?host=`."""
    host = url.host or url.query.get("host") or ""
    extra = {key: value for key, value in url.query.items() if key.startswith("ssl")}
    fields: dict[str, Any] = {
        "conn_type": "postgres", "host": str(host), "schema": url.database, "login": url.username,
        "password": url.password, "description": "The engine's own database; init writes it at every start",
    }  # fmt: skip
    return fields | ({"port": url.port} if url.port else {}) | ({"extra": json.dumps(extra)} if extra else {})


def write_connection(folder: Path) -> None:
    """Puts the connection into Airflow's database, whatever stood there: the secret is the truth."""
    from airflow.models import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    fields = engine_connection(database_address(folder, "engine_database_url"))
    with create_session() as session:
        session.execute(delete(Connection).where(Connection.conn_id == CONNECTION))
        session.add(Connection(conn_id=CONNECTION, **fields))


def ensure_login(folder: Path) -> bool:
    """The user `admin` with the secret's password, if there is no such user yet; says whether it was made.

    Not by `airflow users create`, which wants the password among its words, where `ps` shows it."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    password = read_secret(folder, "admin_password")
    with get_application_builder() as builder:
        manager = builder.sm
        if manager.find_user(username=ADMIN):
            return False
        made = manager.add_user(
            ADMIN, "Airflow", "Admin", "admin@localhost", manager.find_role("Admin"), password=password
        )
    if not made:
        raise RuntimeError("Airflow did not make the user admin; its log above says why")
    return True
