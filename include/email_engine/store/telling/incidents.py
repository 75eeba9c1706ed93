"""Table `incidents`: one row a cause of trouble while it lasts, however many tasks and runs meet it.

Opening one is told, repeats only count, and its end is told once. Run it under tenant `*`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Text, any_, cast, select, update
from sqlalchemy.dialects.postgresql import insert

from email_engine.plural import amount
from email_engine.store.schema import incidents
from email_engine.store.telling import alerts

EVENT = "incident"
KEPT = 50


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a task met. `cause` names the thing that is wrong, whoever meets it: `database`, `host mta-1`, `connection
    powermta_mta-1`, `fleet file`; `title` says it in words; `origin` names the task whose success proves that it is over.

    `details`: further lines for people, such as the stops that wait for a host. `tenant`: whose alone it is; None where it is
    the installation's."""

    cause: str
    title: str
    severity: str
    observed: str
    allowed: str
    next_step: str
    origin: str
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    details: tuple[str, ...] = ()
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """One row."""

    id: int
    cause: str
    title: str
    severity: str
    observed: str
    next_step: str
    opened_at: datetime
    last_seen_at: datetime
    times: int
    closed_at: datetime | None


_COLUMNS = [incidents.c[name] for name in Incident.__dataclass_fields__]


def note(conn: Connection, trouble: Trouble, at: datetime) -> bool:
    """Opens the incident, or counts it once more; True if it is new, and then an alert is raised.

    A clear of the same run counts again: it was met again."""
    ids = {name: getattr(trouble, name) for name in ("dag_id", "run_id", "task_id", "map_index")}
    said = ("cause", "title", "severity", "observed", "allowed", "next_step")
    row = {name: getattr(trouble, name) for name in said}
    run = f"{trouble.dag_id} {trouble.run_id}"
    made = conn.execute(
        insert(incidents)
        .values(**row, **ids, opened_at=at, last_seen_at=at, origins=[trouble.origin], runs=[run])
        .on_conflict_do_nothing(index_elements=["cause"], index_where=incidents.c.closed_at.is_(None))
        .returning(incidents.c.id)
    ).scalar_one_or_none()
    if made is None:
        _count(conn, trouble, run, at)
        return False
    lines = [
        trouble.title,
        f"Seen: {trouble.observed}",
        f"Expected: {trouble.allowed}",
        f"Next: {trouble.next_step}",
    ]
    told = "\n".join([*lines, *trouble.details])
    alerts.raise_alert(
        conn, EVENT, trouble.cause, f"open {made}", trouble.severity, told, trouble.tenant, **ids
    )
    return True


def _count(conn: Connection, trouble: Trouble, run: str, at: datetime) -> None:
    known = incidents.c.cause == trouble.cause
    held = conn.execute(
        select(incidents).where(known, incidents.c.closed_at.is_(None)).with_for_update()
    ).one_or_none()
    if held is None:
        return  # it ended at this very moment; who meets it again opens the next one
    values = {
        "times": held.times + 1,
        "last_seen_at": max(held.last_seen_at, at),
        "origins": _added(held.origins, trouble.origin),
        "runs": _added(held.runs, run),
    }
    conn.execute(update(incidents).where(incidents.c.id == held.id).values(**values))


def answered(conn: Connection, dag_id: str, run_id: str, at: datetime) -> None:
    """A run that failed needs no word more: its mistake was answered in the run, or told by an alert of its own."""
    words = {
        "title": "answered in the run",
        "observed": "",
        "allowed": "",
        "next_step": "",
        "severity": "info",
    }
    run = f"{dag_id} {run_id}"
    row = {"cause": f"answered {run}", "opened_at": at, "last_seen_at": at, "closed_at": at, "runs": [run]}
    conn.execute(insert(incidents).values(**words, **row, dag_id=dag_id, run_id=run_id))


def _added(known: Sequence[str], new: str) -> list[str]:
    """`new` once, as the newest, of `KEPT` at most."""
    return [*(name for name in known if name != new), new][-KEPT:]


def over(conn: Connection, cause: str, at: datetime, said: str, tenant: str | None = None) -> bool:
    """The trouble is over; False if none of this cause was open. `said`: the title of the news, in words; `tenant`: as it was
    opened.

    Who was never told of the trouble is told nothing of its end."""
    return _close(conn, incidents.c.cause == cause, at, said, tenant) > 0


def proved_over(conn: Connection, origin: str, at: datetime, but: Collection[str] = ()) -> int:
    """A task went well: what it had met is over, except the causes `but`. Returns how many incidents that closed."""
    mine = cast(origin, Text) == any_(incidents.c.origins)
    return _close(conn, mine & incidents.c.cause.not_in(but), at, None)


def _close(
    conn: Connection, which: ColumnElement[bool], at: datetime, said: str | None, tenant: str | None = None
) -> int:
    closed = (
        update(incidents)
        .where(which, incidents.c.closed_at.is_(None))
        .values(closed_at=at)
        .returning(*_COLUMNS)
    )
    found = [Incident(**row) for row in conn.execute(closed).mappings()]
    for incident in found:
        alerts.clear(conn, EVENT, incident.cause)
        if not alerts.was_sent(conn, EVENT, incident.cause, f"open {incident.id}"):
            continue
        lasted = _words(incident.last_seen_at - incident.opened_at, at - incident.opened_at)
        seen = "seen once" if incident.times == 1 else f"seen {incident.times} times"
        lines = [said or f"Over: {incident.title}", f"It lasted {lasted}, {seen}."]
        alerts.raise_alert(
            conn, EVENT, incident.cause, f"over {incident.id}", "info", "\n".join(lines), tenant, quiet=False
        )
    return len(found)


def _words(seen: timedelta, whole: timedelta) -> str:
    minutes = max(int(max(seen, whole).total_seconds() // 60), 0)
    if minutes < 1:
        return "less than a minute"
    hours, rest = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    parts = [(days, "day"), (hours_left, "hour"), (rest, "minute")]
    return " ".join(amount(n, what) for n, what in parts if n)


def standing(conn: Connection) -> tuple[Incident, ...]:
    """Open incidents, oldest first."""
    rows = conn.execute(select(*_COLUMNS).where(incidents.c.closed_at.is_(None)).order_by(incidents.c.id))
    return tuple(Incident(**row) for row in rows.mappings())


def met_by(conn: Connection, dag_id: str, run_id: str) -> bool:
    """Did a task of this run note an incident, new or not?"""
    run = cast(f"{dag_id} {run_id}", Text)
    return (
        conn.execute(select(incidents.c.id).where(run == any_(incidents.c.runs)).limit(1)).first() is not None
    )
