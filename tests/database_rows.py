"""The rows of one test's database, kept to be put into an empty one of another test."""

from dataclasses import dataclass

import psycopg
from psycopg import sql
from sqlalchemy import make_url

SCHEMA = "email_engine"


@dataclass(frozen=True, slots=True)
class Kept:
    """`tables`: by name in COPY's binary form, those that have rows; `sequences`: by name the last number that was given."""

    tables: dict[str, bytes]
    sequences: dict[str, int]


def keep(superuser_url: str, database_url: str) -> Kept:
    with _connected(superuser_url, database_url) as conn:
        names = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (SCHEMA,)).fetchall()
        tables = {}
        for (name,) in names:
            whole = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(SCHEMA, name))
            if name == "alembic_version" or conn.execute(whole).fetchone() is None:
                continue
            out = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(SCHEMA, name))
            with conn.cursor().copy(out) as copy:
                tables[name] = b"".join(copy)
        last = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = %s AND last_value IS NOT NULL"
        return Kept(tables, dict(conn.execute(last, (SCHEMA,)).fetchall()))


def put(kept: Kept, superuser_url: str, database_url: str) -> None:
    """Into a migrated database without rows. Foreign keys are not asked: the rows stood together before."""
    with _connected(superuser_url, database_url) as conn:
        conn.execute("SET session_replication_role = replica")
        for name, rows in kept.tables.items():
            into = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(SCHEMA, name))
            with conn.cursor().copy(into) as copy:
                copy.write(rows)
        for name, last in kept.sequences.items():
            conn.execute("SELECT setval(%s::regclass, %s)", (f'{SCHEMA}."{name}"', last))


def _connected(superuser_url: str, database_url: str) -> psycopg.Connection:
    where = make_url(superuser_url).set(drivername="postgresql", database=make_url(database_url).database)
    return psycopg.connect(where.render_as_string(hide_password=False))
