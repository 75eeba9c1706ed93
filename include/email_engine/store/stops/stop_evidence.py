"""What a person who reads of a stop asks next: how much mail waits, and which mail went wrong. Run it under tenant `*`."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time

from sqlalchemy import Connection, and_, func, or_, select

from email_engine.plural import amount
from email_engine.store.schema import delivery_days, delivery_events, ips, mta_queues, reply_texts

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


def worst_words(conn: Connection, ip_id: int, day: date) -> list[str]:
    """At most three lines: the provider, campaign and reply text with most of the bad mail of an IP on a UTC day."""
    d, e = delivery_days.c, delivery_events.c
    bad = d.bounced + d.complained
    worst = conn.execute(
        select(d.provider, d.delivered, d.bounced, d.complained)
        .where(d.ip_id == ip_id, d.day == day, bad > 0)
        .order_by(bad.desc(), d.provider)
        .limit(1)
    ).one_or_none()
    if worst is None:
        return []
    told = f"{worst.bounced} of {amount(worst.delivered + worst.bounced, 'message')} bounced"
    told += f", {amount(worst.complained, 'complaint')}" if worst.complained else ""
    lines = [f"Worst at {worst.provider}: {told}."]
    since = datetime.combine(day, time(), UTC)
    campaigns = conn.execute(
        select(e.campaign, func.count().label("n"))
        .where(e.ip_id == ip_id, e.counted_at >= since, e.campaign != "")
        .group_by(e.campaign)
        .order_by(func.count().desc(), e.campaign)
        .limit(1)
    ).one_or_none()
    if campaigns is not None:
        lines.append(f"Most of it from campaign {campaigns.campaign[:80]} ({campaigns.n}).")
    r = reply_texts.c
    # reply texts are kept for each provider, not for each IP: what was said there on that day
    said = conn.execute(
        select(r.text)
        .where(r.provider == worst.provider, r.last_seen_at >= since)
        .where(or_(r.outcome == "bounce", worst.bounced == 0))
        .order_by(r.count.desc(), r.id)
        .limit(1)
    ).scalar_one_or_none()
    if said:
        lines.append(f'{worst.provider} says: "{said[:160]}"')
    return lines
