"""What a person who reads of a stop asks next: how much mail waits. Run it under tenant `*`."""

from collections.abc import Collection

from sqlalchemy import Connection, and_, func, select

from email_engine.plural import amount
from email_engine.store.schema import ips, mta_queues

SHOWN = 3


def waiting_words(conn: Connection, ip_ids: Collection[int]) -> str:
    """One line: messages in the queues of these IPs as `mta_health` last saw them, by mailbox provider; "" if none was seen."""
    q = mta_queues.c
    mine = and_(ips.c.mta_host == q.mta_host, ips.c.vmta_name == q.vmta)
    query = (
        select(q.provider, func.sum(q.recipients).label("n"), func.min(q.checked_at).label("at"))
        .join(ips, mine)
        .where(ips.c.id.in_(ip_ids), q.recipients > 0)
        .group_by(q.provider)
        .order_by(func.sum(q.recipients).desc(), q.provider)
    )
    rows = conn.execute(query).all()
    if not rows:
        return ""
    named = ", ".join(f"{row.provider} {row.n:,}" for row in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN} more providers" if len(rows) > SHOWN else ""
    total = sum(row.n for row in rows)
    oldest = min(row.at for row in rows)
    return f"Waiting in its queues at {oldest:%H:%M} UTC: {amount(total, 'message')} ({named}{more})."
