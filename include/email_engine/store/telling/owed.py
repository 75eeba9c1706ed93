"""Table `owed_news`: who wrote decisions and has not told of them yet. What a run that was killed in between owes, whoever sends next
tells from the decisions."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Delete, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from email_engine.store.engine import ALL_TENANTS, Store
from email_engine.store.schema import decisions, owed_news
from email_engine.store.telling.alerts import raise_alert, set_lock_timeout
from email_engine.warmup.proposal import STOPS, Action

OVERDUE = timedelta(minutes=10)
"""Longer than a run that lives takes from its decisions to its news."""
NO_NEWS = (Action.STAY, Action.HOLD, Action.ADVANCE, Action.IDLE, Action.CLEAN)
SHOWN = 20

log = logging.getLogger(__name__)


def owe(conn: Connection, tenant: str, dag_id: str, run_id: str) -> Delete | None:
    """In the transaction that decides; returns what `announce` pays with. None where a try of the same run before this one owes
    already: then all of it is told from the decisions."""
    row = {"tenant": tenant, "dag_id": dag_id, "run_id": run_id}
    made = insert(owed_news).values(row).on_conflict_do_nothing().returning(owed_news.c.run_id)
    return paid(tenant, dag_id, run_id) if conn.execute(made).first() else None


def paid(tenant: str, dag_id: str, run_id: str) -> Delete:
    """For the transaction that notes the news."""
    row = owed_news.c
    return delete(owed_news).where(row.tenant == tenant, row.dag_id == dag_id, row.run_id == run_id)


def tell_overdue(store: Store, after: timedelta = OVERDUE) -> int:
    """Raises an alert for each run that owes for so long, by the database's clock alone; how many. One that another sender has in hand is
    left to it."""
    row = owed_news.c
    with store.session(tenant=ALL_TENANTS) as conn:
        set_lock_timeout(conn)
        query = (
            select(owed_news).where(row.recorded_at < func.now() - after).with_for_update(skip_locked=True)
        )
        found = conn.execute(query.order_by(row.recorded_at)).all()
        for debt in found:
            _tell(conn, debt.tenant, debt.dag_id, debt.run_id, debt.recorded_at)
            conn.execute(paid(debt.tenant, debt.dag_id, debt.run_id))
    return len(found)


def _tell(conn: Connection, tenant: str, dag_id: str, run_id: str, at: datetime) -> None:
    row = decisions.c
    query = select(row.subject, row.action, row.reason).where(
        row.tenant == tenant, row.dag_id == dag_id, row.run_id == run_id, row.action.not_in(NO_NEWS)
    )
    made = conn.execute(query.order_by(row.id)).all()
    if not made:
        return
    severity = "critical" if any(one.action in STOPS for one in made) else "warning"
    lines = _lines([f"{one.subject}: {one.reason}" for one in made])
    title = f"{tenant}: what {dag_id} did at {at:%Y-%m-%d %H:%M} UTC and could not tell"
    raise_alert(
        conn, "owed_news", f"{tenant} {dag_id}", run_id, severity, "\n".join([title, *lines]), tenant, dag_id, run_id
    )  # fmt: skip
    log.warning("%s", title)


def _lines(lines: Sequence[str]) -> list[str]:
    every = list(dict.fromkeys(lines))
    return [*every[:SHOWN], *([f"and {len(every) - SHOWN} more"] if every[SHOWN:] else [])]
