"""Opens and clicks of the mail of an IP and UTC day, in columns of `warmup_daily_stats`. Sessions of the tenant."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, Float, bindparam, cast, func, select, update

from email_engine.mailer.opens import OpenCounts
from email_engine.store import schema as s
from email_engine.warmup.observation import Opens, midnight

RIPE = timedelta(days=1)
"""So long after its day the mail of a day had its chance to be opened."""
_D = s.warmup_daily_stats.c
NOTHING = OpenCounts()


def sending_ips(conn: Connection, mailwizz: str) -> dict[int, int]:
    """Id of the delivery server -> id of its IP, of one MailWizz instance."""
    query = select(s.ips.c.mailwizz_server_id, s.ips.c.id).where(
        s.ips.c.mailwizz == mailwizz, s.ips.c.mailwizz_server_id.is_not(None), ~s.ips.c.removed
    )
    return {int(row[0]): int(row[1]) for row in conn.execute(query)}


def keep(
    conn: Connection,
    ips: Mapping[int, int],
    counts: Mapping[tuple[int, date], OpenCounts],
    first: date,
    as_of: datetime,
) -> int:
    """Writes what was counted of the mail from `first` on over what stood there; a day without an open counts none. How many rows.

    Args:
        ips: delivery server -> IP (`sending_ips`).
        counts: by delivery server and UTC day of the mail, all that there are.

    A row keeps its counts where fewer are found than before: MailWizz forgot some of its logs. Days that the warm-up did not close, and
    those of a tenant in `observe`, have no row."""
    query = (
        select(
            _D.id, _D.ip_id, _D.day, _D.opened, _D.machine_opened, _D.clicked, _D.machine_clicked,
        )
        .where(_D.ip_id.in_(list(ips.values())), _D.day >= first)
        .order_by(_D.id)
        .with_for_update()
    )  # fmt: skip
    by_ip = {(ips[server], day): found for (server, day), found in counts.items() if server in ips}
    values = []
    for row in conn.execute(query).all():
        now = by_ip.get((row.ip_id, row.day), NOTHING)
        before = OpenCounts(
            row.opened or 0, row.machine_opened or 0, row.clicked or 0, row.machine_clicked or 0
        )
        if now.total >= before.total:
            values.append(asdict(now) | {"row": row.id, "opens_read_at": as_of})
    if values:
        conn.execute(update(s.warmup_daily_stats).where(_D.id == bindparam("row")), values)
    _keep_rates(conn, ips, as_of)
    return len(values)


def _keep_rates(conn: Connection, ips: Mapping[int, int], as_of: datetime) -> None:
    """`open_rate_7d` of the warm-up plans: people who opened, of what was delivered on days that are ripe."""
    first = as_of.date() - timedelta(days=7)
    rate = (
        select(cast(func.sum(_D.opened), Float) / func.nullif(func.sum(_D.delivered), 0))
        .where(_D.ip_id == s.warmup_plans.c.ip_id, _D.day >= first, _D.opened.is_not(None))
        .scalar_subquery()
    )
    conn.execute(
        update(s.warmup_plans).where(s.warmup_plans.c.ip_id.in_(list(ips.values()))).values(open_rate_7d=rate)
    )


def opens_of_ips(conn: Connection, tenant: str, day: date, days: int) -> dict[int, Opens]:
    """By IP, what was opened of the mail of the `days` days up to the UTC `day` that had its chance, where that is known."""
    query = select(_D.ip_id, _D.day, _D.delivered, _D.opened, _D.machine_opened, _D.opens_read_at).where(
        _D.tenant == tenant, _D.day > day - timedelta(days=days), _D.day <= day, _D.opened.is_not(None)
    )
    found: dict[int, Opens] = {}
    for row in conn.execute(query):
        if row.opens_read_at is None or row.opens_read_at < midnight(row.day + timedelta(days=1)) + RIPE:
            continue
        before = found.get(row.ip_id, Opens())
        found[row.ip_id] = Opens(
            before.delivered + row.delivered,
            before.opened + row.opened,
            before.machine_opened + (row.machine_opened or 0),
        )
    return found
