"""Table `blacklist_events`: one row from the first to the last sight of an IP on a list."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, Table, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from email_engine.blocklists.decide import ListingAction, ListingDecision, ListingStep, OpenListing
from email_engine.blocklists.model import ListClass, Severity
from email_engine.decision import Origin
from email_engine.fleet.model import IpRecord, IpState
from email_engine.lifecycle.change import IpChange
from email_engine.lifecycle.machine import Event
from email_engine.store.judgement.writer import apply_change
from email_engine.store.schema import blacklist_events, decisions
from email_engine.warmup.rows import WHOLE


def open_listings(
    conn: Connection, *, tenant: str | None = None, run_id: str | None = None, as_of: datetime | None = None
) -> tuple[OpenListing, ...]:
    """Listings that are not closed, oldest first; `run_id` marks those that this run has already touched, `as_of` those
    that were seen later than its sweep: nothing that an old run found clears them."""
    events = blacklist_events.c
    query = select(blacklist_events).where(events.closed_at.is_(None)).order_by(events.id)
    if tenant is not None:
        query = query.where(events.tenant == tenant)
    return tuple(opened(row, run_id, as_of) for row in conn.execute(query).mappings())


def opened(row: RowMapping, run_id: str | None, as_of: datetime | None) -> OpenListing:
    """A row of `blacklist_events`, or of `domain_listings`, which has no IP and no acknowledgement."""
    return OpenListing(
        event_id=row["id"],
        ip_id=row.get("ip_id", 0),
        list_name=row["list"],
        zone=row["zone"],
        codes=tuple(row["codes"]),
        list_class=ListClass(row["class"]),
        severity=Severity(row["severity"]),
        opened_at=row["opened_at"],
        clean_observations=row["clean_observations"],
        acknowledged_until=row.get("acknowledged_until"),
        counted=(run_id is not None and row["run_id"] == run_id)
        or (as_of is not None and row["last_seen_at"] > as_of),
    )


def apply_steps(
    conn: Connection,
    tenant: str,
    ip_id: int,
    steps: Sequence[ListingStep],
    as_of: datetime,
    dag_id: str | None,
    run_id: str | None,
) -> None:
    """Writes what a sweep decided about one IP's listings. `dag_id`, `run_id`: the run that touched a row last."""
    write_steps(conn, blacklist_events, {"tenant": tenant, "ip_id": ip_id}, steps, as_of, dag_id, run_id)


def write_steps(
    conn: Connection,
    table: Table,
    subject: Mapping[str, object],
    steps: Sequence[ListingStep],
    as_of: datetime,
    dag_id: str | None,
    run_id: str | None,
) -> None:
    """The same for a table of listings whose columns `subject` say what is listed."""
    run = {"dag_id": dag_id, "run_id": run_id}
    for step in steps:
        if step.action is ListingAction.OPEN:
            _open(conn, table, subject, step, as_of, run)
            continue
        row = update(table).where(table.c.id == step.event_id, table.c.closed_at.is_(None))
        match step.action:
            case ListingAction.SEEN:
                seen_at = func.greatest(table.c.last_seen_at, as_of)
                row = row.values(last_seen_at=seen_at, clean_observations=0, **_seen(step), **run)
            case ListingAction.CLEAN:
                row = row.values(clean_observations=table.c.clean_observations + 1, **run)
            case ListingAction.CLOSE:
                row = row.values(clean_observations=table.c.clean_observations + 1, closed_at=as_of, **run)
        conn.execute(row)


def applied_in(conn: Connection, pipeline: str, run_key: str) -> int:
    """How many decisions of one run of a pipeline were applied, over the tenants that the session sees."""
    return conn.execute(
        select(func.count())
        .select_from(decisions)
        .where(decisions.c.pipeline == pipeline, decisions.c.run_key == run_key, decisions.c.applied)
    ).scalar_one()


def _seen(step: ListingStep) -> dict[str, object]:
    if step.seen is None:
        raise ValueError(f"{step.action} on {step.list_name} without a sight")
    found: dict[str, object] = {
        "codes": list(step.seen.codes),
        "severity": step.seen.severity.value,
        "class": step.seen.list_class.value,
    }
    return found | ({"reason": step.seen.reason} if step.seen.reason else {})


def _open(
    conn: Connection,
    table: Table,
    subject: Mapping[str, object],
    step: ListingStep,
    as_of: datetime,
    run: dict[str, str | None],
) -> None:
    """Leaves alone what is open already."""
    zone = step.seen.zone if step.seen else ""
    row = {**subject, "list": step.list_name, "zone": zone, "opened_at": as_of, "last_seen_at": as_of}
    conn.execute(upsert(table).values(**row, **_seen(step), **run).on_conflict_do_nothing())


def quarantine(
    conn: Connection,
    ip: IpRecord,
    decision: ListingDecision,
    decision_id: int,
    fleet_version: int,
    origin: Origin,
) -> None:
    """Everything that a quarantine means, in the caller's transaction: state, allowance 0 from today, brake."""
    change = IpChange(
        ip=ip,
        reason=decision.reason,
        allowed_from=origin.as_of.date(),
        event=Event.LISTED,
        state=IpState.QUARANTINE,
        columns={"quarantine_until": decision.quarantine_until},
        allowances={WHOLE: 0},
        stops=True,
    )
    apply_change(conn, change, origin, decision_id, fleet_version)
