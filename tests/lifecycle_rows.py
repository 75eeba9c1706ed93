"""Signals about an IP in the engine's database, for tests of what waits for them."""

from datetime import datetime

from sqlalchemy import Connection, insert, update

from email_engine.store import schema as s


def well_known(conn: Connection, ip_id: int, at: datetime, tenant: str = "aurora") -> None:
    """Block lists answered about the IP at `at`, and its DNS was right then."""
    conn.execute(update(s.ips).where(s.ips.c.id == ip_id).values(lists_checked_at=at))
    conn.execute(
        insert(s.dns_checks).values(
            tenant=tenant, ip_id=ip_id, subject="a", check_id="spf", status="ok", severity="error",
            observed="", expected="", remedy="", checked_at=at,
        )
    )  # fmt: skip
