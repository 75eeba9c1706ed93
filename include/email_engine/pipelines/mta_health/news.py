"""What people are told about the health of a host."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from email_engine.health.host_facts import Check, HealthFinding, Level
from email_engine.pipelines.run import Run
from email_engine.pipelines.trouble import origin
from email_engine.store.telling import alerts, incidents

EVENT = "mta_health"


def tell(conn: Connection, mta_host: str, findings: Sequence[HealthFinding], run: Run) -> None:
    """One alert a condition; one more when it is well again after a warning. A host that is away is the incident that other
    pipelines may have met too."""
    standing: Mapping[str, Any] = {a.object: a for a in alerts.standing(conn, EVENT)}
    ids = (None, run.dag_id, run.run_id)
    for found in findings:
        thing = f"{mta_host} {found.check}"
        if found.level is Level.UNKNOWN:
            continue
        if found.check is Check.REACHABLE:
            _tell_reachable(conn, mta_host, found, run)
            continue
        if found.level is not Level.GOOD:
            state = f"{found.level} {found.state}"
            state += f" {run.run_id}" if found.check is Check.HOLDS and found.level is Level.WARNING else ""
            alerts.raise_alert(conn, EVENT, thing, state, str(found.level), f"{mta_host}: {found.told}", *ids)
            continue
        old = standing.get(thing)
        if old is None or old.state == "well":
            continue
        if old.severity == "info" or found.check is Check.HOLDS:
            alerts.clear(conn, EVENT, thing)
        else:
            told = f"{mta_host}: {found.check} is well again: {found.told}"
            alerts.raise_alert(conn, EVENT, thing, "well", "info", told, *ids, quiet=False)


def _tell_reachable(conn: Connection, mta_host: str, found: HealthFinding, run: Run) -> None:
    cause, now = f"host {mta_host}", datetime.now(UTC)
    if found.level is Level.GOOD:
        incidents.over(conn, cause, now, f"{mta_host} can be used again")
        return
    trouble = incidents.Trouble(
        cause, f"{mta_host} cannot be reached", "critical", found.told, "a host that lets the engine in",
        "what stands still there stays so; see its network and the connection's test button under Admin > Connections",
        origin(run.dag_id, "check", f"{mta_host} reachable"), run.dag_id, run.run_id, "check",
    )  # fmt: skip
    incidents.note(conn, trouble, now)
