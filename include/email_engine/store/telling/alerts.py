"""Table `alerts`: what people are told, once for each (event, object, state) as long as it stands; an outbox.

The first line of a text is its title: what happened, in words. An alert is pending until it is sent, also when it was cleared
meanwhile: after an outage of the messenger nothing is lost. A sender leases alerts in one short transaction, sends outside of any,
and marks them in another, so that a slow messenger holds no row. Run it under tenant `*`: alerts of the platform carry no
tenant and are invisible to a tenant's session."""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Executable, and_, case, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from email_engine.errors import EngineError
from email_engine.store.engine import ALL_TENANTS, Store
from email_engine.store.schema import alerts

QUIET_FOR = timedelta(hours=6)
"""So long a quiet alert waits for another message to leave with."""
GATHERING = timedelta(seconds=60)
"""So long what a run tells is left to that run's own sender: another that came by would tear one message in two."""
LOCK_SECONDS = 2
TRIES = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Alert:
    """One row; `severity` is `critical`, `warning` or `info`; `text` is plain text."""

    id: int
    event: str
    object: str
    state: str
    severity: str
    text: str
    tenant: str | None
    dag_id: str | None
    run_id: str | None
    raised_at: datetime
    cleared_at: datetime | None = None
    task_id: str | None = None
    map_index: int | None = None
    sends: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """An alert that is not raised yet; as the arguments of `raise_alert`."""

    event: str
    object: str
    state: str
    severity: str
    text: str
    tenant: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    quiet: bool | None = None


def announce(store: Store, news: Iterable[News], paid: Executable | None = None) -> None:
    """Raises alerts in a transaction of their own, after what they tell of is committed: telling never stands before
    stopping. Waits at most two seconds for a row that somebody holds, three times; what could not be noted is logged.

    `paid`: what then says that the decisions behind the news are told (see `owed.paid`)."""
    told = list(news)
    for left in reversed(range(TRIES if told or paid is not None else 0)):
        try:
            with store.session(tenant=ALL_TENANTS) as conn:
                set_lock_timeout(conn)
                for each in told:
                    raise_alert(conn, **{name: getattr(each, name) for name in News.__dataclass_fields__})
                if paid is not None:
                    conn.execute(paid)
            return
        except (DBAPIError, EngineError) as error:
            seen = error.observed if isinstance(error, EngineError) else type(error.orig).__name__
            log.warning("%d alerts could not be noted (%s); %d tries left", len(told), seen, left)
    for each in told:
        log.error("not told: %s", each.text[:2000])


def set_lock_timeout(conn: Connection) -> None:
    """Of this transaction: whoever tells waits two seconds for a row that somebody holds, no longer."""
    conn.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
    conn.execute(text("SET LOCAL statement_timeout = '10s'"))


def raise_alert(
    conn: Connection,
    event: str,
    object: str,
    state: str,
    severity: str,
    text: str,
    tenant: str | None = None,
    dag_id: str | None = None,
    run_id: str | None = None,
    quiet: bool | None = None,
    task_id: str | None = None,
    map_index: int | None = None,
) -> int | None:
    """Opens an alert and returns its id; None when the same (event, object, state) is open already.

    `quiet`: it makes no message of its own but leaves with the next one; unless said, what is only info does. Another state of the same event and object is closed: a thing is in one state at a time, and going back to an
    earlier one is news again."""
    conn.execute(
        update(alerts)
        .where(alerts.c.event == event, alerts.c.object == object, alerts.c.state != state)
        .where(alerts.c.cleared_at.is_(None))
        .values(cleared_at=func.now())
    )
    row: dict[str, Any] = {
        "event": event,
        "object": object,
        "state": state,
        "severity": severity,
        "text": text,
    }
    row |= {
        "quiet": severity == "info" if quiet is None else quiet,
        "task_id": task_id,
        "map_index": map_index,
    }
    return conn.execute(
        insert(alerts)
        .values(**row, tenant=tenant, dag_id=dag_id, run_id=run_id)
        .on_conflict_do_nothing(
            index_elements=["event", "object", "state"], index_where=alerts.c.cleared_at.is_(None)
        )
        .returning(alerts.c.id)
    ).scalar()


def clear(conn: Connection, event: str, object: str) -> int:
    """Closes every open alert of the event and object; returns how many there were."""
    done = conn.execute(
        update(alerts)
        .where(alerts.c.event == event, alerts.c.object == object, alerts.c.cleared_at.is_(None))
        .values(cleared_at=func.now())
    )
    return done.rowcount


def lease(
    conn: Connection,
    now: datetime,
    until: datetime,
    *,
    also_quiet: bool = False,
    limit: int = 500,
    of_run: tuple[str, str] | None = None,
) -> tuple[Alert, ...]:
    """Unsent alerts, gravest and oldest first, which are this sender's alone until `until`; nothing while all of them are
    quiet and young, unless `also_quiet`. `of_run`: DAG and run of the sender, who leaves those of the last seconds to other runs'."""
    columns = [alerts.c[name] for name in Alert.__dataclass_fields__]
    free = or_(alerts.c.leased_until.is_(None), alerts.c.leased_until <= now)
    waiting = select(alerts.c.id).where(alerts.c.sent_at.is_(None), free)
    if of_run is not None:
        own = and_(alerts.c.dag_id == of_run[0], alerts.c.run_id == of_run[1])
        # what lies ahead was noted before the clock was put right
        fresh = alerts.c.raised_at.between(func.now() - GATHERING, func.now())
        waiting = waiting.where(or_(alerts.c.run_id.is_(None), alerts.c.dag_id.is_(None), own, ~fresh))
    loud = or_(alerts.c.quiet.is_(False), alerts.c.raised_at <= now - QUIET_FOR)
    if not also_quiet and conn.execute(waiting.where(loud).limit(1)).first() is None:
        return ()
    chosen = waiting.order_by(_gravity(), alerts.c.raised_at, alerts.c.id).limit(limit)
    mine = chosen.with_for_update(skip_locked=True).cte("mine")
    leased = update(alerts).where(alerts.c.id == mine.c.id).values(leased_until=until).returning(*columns)
    rank = {"critical": 0, "warning": 1}
    found = [Alert(**row) for row in conn.execute(leased).mappings()]
    return tuple(sorted(found, key=lambda a: (rank.get(a.severity, 2), a.raised_at, a.id)))


def pending(conn: Connection, *, limit: int = 500) -> tuple[Alert, ...]:
    """Unsent alerts, gravest and oldest first, whoever has them."""
    columns = [alerts.c[name] for name in Alert.__dataclass_fields__]
    order = (_gravity(), alerts.c.raised_at, alerts.c.id)
    rows = conn.execute(select(*columns).where(alerts.c.sent_at.is_(None)).order_by(*order).limit(limit))
    return tuple(Alert(**row) for row in rows.mappings())


def _gravity() -> Any:
    return case({"critical": 0, "warning": 1}, value=alerts.c.severity, else_=2)


def standing(conn: Connection, *events: str) -> tuple[Alert, ...]:
    """Open alerts of these events, oldest first."""
    columns = [alerts.c[name] for name in Alert.__dataclass_fields__]
    rows = conn.execute(
        select(*columns)
        .where(alerts.c.event.in_(events), alerts.c.cleared_at.is_(None))
        .order_by(alerts.c.id)
    )
    return tuple(Alert(**row) for row in rows.mappings())


def trying(conn: Connection, ids: Collection[int]) -> None:
    """Counted before a message leaves: a sender that is killed on the way may have delivered it."""
    conn.execute(update(alerts).where(alerts.c.id.in_(ids)).values(sends=alerts.c.sends + 1))


def mark_sent(conn: Connection, ids: Collection[int], at: datetime) -> None:
    """`at`: when the messenger took them (aware)."""
    values = {"sent_at": at, "failure": None, "leased_until": None}
    conn.execute(update(alerts).where(alerts.c.id.in_(ids)).values(**values))


def give_back(
    conn: Connection,
    ids: Collection[int],
    failure: str,
    until: datetime | None = None,
    *,
    not_sent: Collection[int] = (),
) -> None:
    """Notes why sending failed; the alerts stay pending and are not tried before `until`. `not_sent`: those of them that
    surely did not reach anybody though they were counted as tried."""
    conn.execute(update(alerts).where(alerts.c.id.in_(ids)).values(failure=failure[:500], leased_until=until))
    counted = alerts.c.id.in_(not_sent) & (alerts.c.sends > 0)
    conn.execute(update(alerts).where(counted).values(sends=alerts.c.sends - 1))


def was_sent(conn: Connection, event: str, object: str, state: str) -> bool:
    """Did people hear of it, may they have, or is a sender at it?"""
    mine = (alerts.c.event == event, alerts.c.object == object, alerts.c.state == state)
    told = or_(alerts.c.sent_at.is_not(None), alerts.c.sends > 0, alerts.c.leased_until > func.now())
    return conn.execute(select(alerts.c.id).where(*mine, told).limit(1)).first() is not None
