"""The incident of a clock that was ahead: runs and decisions for a time that has not come. Run it under tenant `*`."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from email_engine.plural import amount
from email_engine.store.judgement import decisions
from email_engine.store.telling import alerts, incidents

CAUSE = "clock"
UNTOLD = timedelta(days=1)
"""An incident that nobody could be told of for so long ends without being told."""


@dataclass(frozen=True, slots=True)
class MovedRuns:
    """Airflow runs that lay in the future and were moved to the present: how many, how many of them were not finished, the
    latest of their times (aware), their DAGs."""

    count: int
    unfinished: int
    latest: datetime
    dags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """Who looks: the names that the incident bears."""

    origin: str
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None


def look(conn: Connection, at: datetime, who: Seen, moved: MovedRuns | None = None) -> None:
    """Opens or counts the incident where runs were moved or decisions lie in the future; else ends it, once people were told."""
    count, latest = decisions.in_future(conn)
    seen = []
    if moved is not None:
        whose = f"{amount(moved.count, 'run')} of {', '.join(moved.dags)}"
        rest = f", {moved.unfinished} of them not finished" if moved.unfinished else ""
        seen.append(f"{whose}, the latest for {moved.latest:%Y-%m-%d %H:%M} UTC{rest}")
    if latest is not None:
        seen.append(f"{amount(count, 'decision')}, the latest for {latest:%Y-%m-%d %H:%M} UTC")
    if not seen:
        _end(conn, at)
        return
    title = "Runs lay in the future" if moved else "Decisions lie in the future"
    done = "the runs were moved to the present and schedules go on; " if moved else ""
    stay = "; days that were closed too early stay closed until their time has come" if count else ""
    trouble = incidents.Trouble(
        CAUSE, f"{title}: a clock was ahead", "warning",
        "; ".join([*seen, f"it is {at:%Y-%m-%d %H:%M} UTC"]),
        "runs and decisions for the past and today",
        f"{done}compare the clocks of scheduler, workers, database and hosts (`email-engine doctor`); a stop works all the same{stay}",
        who.origin, who.dag_id, who.run_id, who.task_id,
    )  # fmt: skip
    incidents.note(conn, trouble, at)


def _end(conn: Connection, at: datetime) -> None:
    """Moving runs ends the trouble within a second: it stays open until people have heard of it."""
    for one in incidents.standing(conn):
        told = alerts.was_sent(conn, incidents.EVENT, CAUSE, f"open {one.id}")
        if one.cause == CAUSE and (told or at - one.last_seen_at > UNTOLD):
            incidents.over(conn, CAUSE, at, "No run and no decision lies in the future any more")
