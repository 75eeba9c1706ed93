"""What MailWizz's delivery servers handed over today, by their usage log: a row for each message, kept for 90 days."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, func, select


def count_usage(
    conn: Connection, log: Table, now: datetime, server_ids: Collection[int], until: datetime | None = None
) -> dict[int, int]:
    """Messages in the UTC day of `now` (aware), by server id, those before `until` alone if it is given. The servers are named because MailWizz's only index over the
    time begins with them: by time alone the whole log is read."""
    if not server_ids:
        return {}
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    end = day + timedelta(days=1)
    if until is not None:
        end = min(end, until.astimezone(UTC).replace(tzinfo=None))
    rows: Any = conn.execute(
        select(log.c.server_id, func.count())
        .where(log.c.server_id.in_(sorted(server_ids)))
        .where(log.c.date_added >= day, log.c.date_added < end)
        .group_by(log.c.server_id)
    )
    return {int(server_id): int(count) for server_id, count in rows}
