"""Table `policies`: every policy that ever decided, by its digest, so that a decision can be made again."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from email_engine.store.tables.judgement import policies


def remember(conn: Connection, digest: str, document: Mapping[str, Any]) -> None:
    """Writes a policy down once."""
    statement = insert(policies).values(digest=digest, document=dict(document))
    conn.execute(statement.on_conflict_do_nothing(index_elements=["digest"]))


def find(conn: Connection, digest: str) -> dict[str, Any] | None:
    """The policy's values as plain JSON; None if it never decided here."""
    query = select(policies.c.document).where(policies.c.digest == digest)
    found: dict[str, Any] | None = conn.execute(query).scalar_one_or_none()
    return found
