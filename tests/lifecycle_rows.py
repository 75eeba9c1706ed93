"""Signals about an IP in the engine's database, for tests of what waits for them."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, update
from sqlalchemy.dialects.postgresql import insert

from email_engine.store import schema as s


def well_known(conn: Connection, ip_id: int, at: datetime, tenant: str = "aurora") -> None:
    """Block lists answered about the IP at `at`, and its DNS was right then and a week before."""
    conn.execute(update(s.ips).where(s.ips.c.id == ip_id).values(lists_checked_at=at))
    good = {
        "tenant": tenant, "ip_id": ip_id, "subject": "a", "check_id": "spf", "status": "ok", "severity": "error",
        "observed": "", "expected": "", "remedy": "",
    }  # fmt: skip
    rows = [good | {"checked_at": at - timedelta(days=days)} for days in (7, 0)]
    conn.execute(insert(s.dns_checks).values(rows).on_conflict_do_nothing())
