"""Table `alerts`: what people are told, once for each (event, object, state) as long as it stands.

An alert is pending until it is sent, also when it was cleared meanwhile: after an outage of the messenger nothing is
lost. Run it under tenant `*`: alerts of the platform carry no tenant and are invisible to a tenant's session."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, func, select, update
from sqlalchemy.dialects.postgresql import insert

from email_engine.store.schema import alerts


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
) -> int | None:
    """Opens an alert and returns its id; None when the same (event, object, state) is open already.

    Another state of the same event and object is closed: a thing is in one state at a time, and going back to an
    earlier one is news again."""
    conn.execute(
        update(alerts)
        .where(alerts.c.event == event, alerts.c.object == object, alerts.c.state != state)
        .where(alerts.c.cleared_at.is_(None))
        .values(cleared_at=func.now())
    )
    row = {"event": event, "object": object, "state": state, "severity": severity, "text": text}
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


def pending(conn: Connection, *, limit: int = 500) -> tuple[Alert, ...]:
    """Unsent alerts, gravest and oldest first.

    The rows stay locked until the transaction ends and rows that another sender holds are left out, so that two DAG
    runs never send the same alert."""
    gravity = case({"critical": 0, "warning": 1}, value=alerts.c.severity, else_=2)
    columns = [alerts.c[name] for name in Alert.__dataclass_fields__]
    rows = conn.execute(
        select(*columns)
        .where(alerts.c.sent_at.is_(None))
        .order_by(gravity, alerts.c.raised_at, alerts.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return tuple(Alert(**row) for row in rows.mappings())


def standing(conn: Connection, *events: str) -> tuple[Alert, ...]:
    """Open alerts of these events, oldest first."""
    columns = [alerts.c[name] for name in Alert.__dataclass_fields__]
    rows = conn.execute(
        select(*columns)
        .where(alerts.c.event.in_(events), alerts.c.cleared_at.is_(None))
        .order_by(alerts.c.id)
    )
    return tuple(Alert(**row) for row in rows.mappings())


def mark_sent(conn: Connection, ids: Collection[int], at: datetime) -> None:
    """`at`: when the messenger took them (aware)."""
    conn.execute(update(alerts).where(alerts.c.id.in_(ids)).values(sent_at=at, failure=None))


def mark_failed(conn: Connection, ids: Collection[int], failure: str) -> None:
    """Notes why sending failed; the alerts stay pending."""
    conn.execute(update(alerts).where(alerts.c.id.in_(ids)).values(failure=failure))
