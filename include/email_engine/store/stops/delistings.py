"""Table `delistings`: what became of each listing that is followed up; with it the listing and its IP as they are now."""

from collections.abc import Collection, Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from email_engine.blocklists.decide import PARKING_SEVERITIES
from email_engine.blocklists.delisting import Answer, Delisting, Recheck, Status, lacks
from email_engine.blocklists.model import ListClass
from email_engine.errors import InputError
from email_engine.fleet.model import IpState, Mode
from email_engine.store import schema as s
from email_engine.store.stops import quarantines
from email_engine.store.stops.quarantines import Quarantine

_D, _L, _I = s.delistings.c, s.blacklist_events.c, s.ips.c
PARKS = and_(
    _L["class"] == ListClass.REPUTATION.value,
    _L.severity.in_(sorted(severity.value for severity in PARKING_SEVERITIES)),
)
"""Listings that stop a sending IP: those are followed up."""
COUNTS = or_(
    _L.closed_at.is_(None),
    and_(_I.status == IpState.QUARANTINE.value, _L.closed_at >= _I.status_since),
)
"""Listings that stand, or that stood while their IP was in the quarantine in which it is now."""


def follow(conn: Connection, listing_id: int, dag_id: str | None, run_id: str | None) -> Delisting:
    """The follow-up of a listing by this run, made if there is none; one that had ended is open again. Raises InputError if there is no
    such listing."""
    found = conn.execute(select(_L.tenant, _L.ip_id).where(_L.id == listing_id)).one_or_none()
    if found is None:
        raise _no_listing(listing_id)
    run = {"dag_id": dag_id, "run_id": run_id}
    conn.execute(
        upsert(s.delistings)
        .values(tenant=found.tenant, ip_id=found.ip_id, listing_id=listing_id, **run)
        .on_conflict_do_update(index_elements=["listing_id"], set_=run)
    )
    reopened = {"status": Status.OPEN.value, "ended_because": None, "closed_at": None}
    ended = (_D.listing_id == listing_id, _D.status == Status.ENDED.value)
    conn.execute(update(s.delistings).where(*ended).values(**reopened))
    return find(conn, listing_id)


def find(conn: Connection, listing_id: int) -> Delisting:
    """A listing and its follow-up as they are now, also where nobody follows it yet. Raises InputError if there is no such listing."""
    found = _load(conn, _L.id == listing_id)
    if not found:
        raise _no_listing(listing_id)
    (row,) = found
    stopped = quarantines.standing(conn, row["whose"]).get(row["ip"])
    return _delisting(row, stopped is not None and stopped.minor)


def _no_listing(listing_id: int) -> InputError:
    return InputError(
        f"listing {listing_id}", "not in the database", "the id of a row in table blacklist_events",
        "trigger delisting with an address that is on a block list",
    )  # fmt: skip


def asked(conn: Connection) -> dict[int, Delisting]:
    """Every question that waits for a person, by the id of its listing. `minor` is not looked up."""
    rows = _load(conn, _D.question == "pending")
    return {row["event"]: _delisting(row, False) for row in rows}


def of_ips(conn: Connection, ip_ids: Collection[int]) -> tuple[Delisting, ...]:
    """Follow-ups of these IPs, oldest first. `minor` is not looked up."""
    followed = _load(conn, _L.ip_id.in_(sorted(ip_ids)), _D.id.is_not(None))
    return tuple(_delisting(row, False) for row in followed)


def _load(conn: Connection, *conditions: ColumnElement[bool]) -> list[Mapping[str, Any]]:
    query = (
        select(
            s.delistings, _L.id.label("event"), _L.tenant.label("whose"), _L.ip_id.label("ip"), _L.list, _L.zone, _L.codes,
            _L.opened_at.label("listed_at"), _L.closed_at.label("off_at"), PARKS.label("parks"), _L.acknowledged_until, _L.acknowledged_by, _L.acknowledged_ticket, _I.address,
            _I.status.label("state"), _I.removed, _I.quarantine_until, s.tenants.c.mode,
        )
        .select_from(s.blacklist_events)
        .outerjoin(s.delistings, _D.listing_id == _L.id)
        .join(s.ips, _I.id == _L.ip_id)
        .join(s.tenants, s.tenants.c.name == _L.tenant)
        .where(*conditions)
        .order_by(_L.id)
    )  # fmt: skip
    return [dict(row) for row in conn.execute(query).mappings()]


def _delisting(row: Mapping[str, Any], minor: bool) -> Delisting:
    answer = row["last_answer"]
    return Delisting(
        listing_id=row["event"],
        tenant=row["whose"],
        mode=Mode(row["mode"]),
        ip_id=row["ip"],
        address=ip_address(str(row["address"]).partition("/")[0]),
        state=IpState(row["state"]),
        removed=row["removed"],
        list_name=row["list"],
        zone=row["zone"],
        codes=tuple(row["codes"]),
        parks=row["parks"],
        opened_at=row["listed_at"],
        closed_at=row["off_at"],
        quarantine_until=row["quarantine_until"],
        minor=minor,
        status=Status(row["status"] or Status.OPEN),
        question=row["question"] or "none",
        cause=row["cause"],
        answered_by=row["answered_by"],
        gives_up=bool(row["gives_up"]),
        checks=row["checks"] or 0,
        last_answer=None if answer is None else Answer(answer),
        next_check_at=row["next_check_at"],
        ended_because=row["ended_because"],
        replaces=bool(row["replaces"]),
        answered_at=row["answered_at"],
        run_id=row["run_id"],
        acknowledged_until=row["acknowledged_until"],
        acknowledged_by=row["acknowledged_by"],
        acknowledged_ticket=row["acknowledged_ticket"],
    )


def unfollowed(conn: Connection) -> tuple[tuple[int, datetime], ...]:
    """Listings that stop a sending IP and that no run follows (any more) though they count against it, oldest first: id, and since when
    none does."""
    since = func.greatest(_L.opened_at, _D.closed_at)
    nobody = or_(
        _D.id.is_(None), _D.status == Status.ENDED.value, and_(_D.status == Status.OPEN.value, _D.run_id.is_(None))
    )  # fmt: skip
    query = (
        select(_L.id, since.label("since"))
        .join(s.ips, _I.id == _L.ip_id)
        .outerjoin(s.delistings, _D.listing_id == _L.id)
        .where(COUNTS, PARKS, nobody, ~_I.removed, _I.status != IpState.ABANDONED.value)
        .order_by(_L.id)
    )
    return tuple((row.id, row.since) for row in conn.execute(query))


def waiting(conn: Connection) -> tuple[Delisting, ...]:
    """Listings of acting tenants that count against an IP of the fleet, oldest first, followed or not."""
    found = _load(conn, COUNTS, PARKS, ~_I.removed, s.tenants.c.mode == Mode.ACT.value)
    minor = {
        ip_id
        for tenant in sorted({row["whose"] for row in found})
        for ip_id, stopped in quarantines.standing(conn, tenant).items()
        if stopped.minor
    }
    return tuple(_delisting(row, row["ip"] in minor) for row in found)


def listings_of(conn: Connection, ip_ids: Collection[int]) -> dict[int, tuple[int, ...]]:
    """Ids of the listings of each IP that count against it now."""
    query = (
        select(_L.id, _L.ip_id)
        .join(s.ips, _I.id == _L.ip_id)
        .where(_L.ip_id.in_(sorted(ip_ids)), COUNTS, PARKS)
        .order_by(_L.id)
    )
    found: dict[int, list[int]] = {}
    for row in conn.execute(query):
        found.setdefault(row.ip_id, []).append(row.id)
    return {ip_id: tuple(ids) for ip_id, ids in found.items()}


def awaited(conn: Connection, tenant: str, stopped: Mapping[int, Quarantine]) -> dict[int, str]:
    """What the listings of IPs in quarantine (id to how they came there) still lack before a release, in words; IPs that lack
    nothing are absent."""
    if not stopped:
        return {}
    query = (
        select(_L.id, _L.ip_id, _L.list)
        .join(s.ips, _I.id == _L.ip_id)
        .where(_L.tenant == tenant, _L.ip_id.in_(sorted(stopped)), COUNTS, PARKS)
        .order_by(_L.id)
    )
    listed = conn.execute(query).all()
    followed = {x.listing_id: x for x in of_ips(conn, {row.ip_id for row in listed})}
    found: dict[int, str] = {}
    for row in listed:
        words = lacks(followed.get(row.id), row.list, stopped[row.ip_id].minor)
        if words:
            found.setdefault(row.ip_id, words)
    return found


def keep_dossier(conn: Connection, listing_id: int, dossier: Mapping[str, Any]) -> None:
    conn.execute(update(s.delistings).where(_D.listing_id == listing_id).values(dossier=dict(dossier)))


def ask(conn: Connection, listing_id: int, at: datetime) -> None:
    """A person is asked about the listing from now on."""
    row = update(s.delistings).where(_D.listing_id == listing_id, _D.cause.is_(None), ~_D.gives_up)
    conn.execute(row.values(question="pending", asked_at=at))


def answer(
    conn: Connection,
    listing_id: int,
    by: str,
    at: datetime,
    *,
    cause: str | None = None,
    gives_up: bool = False,
    replaces: bool = False,
) -> bool:
    """Writes the cause that a person named, or that they give the IP up; False where somebody answered before."""
    row = update(s.delistings).where(_D.listing_id == listing_id, _D.cause.is_(None), ~_D.gives_up)
    done = conn.execute(
        row.values(
            question="answered",
            answered_by=by,
            answered_at=at,
            cause=cause,
            gives_up=gives_up,
            replaces=replaces,
        )
    )
    return bool(done.rowcount)


def settle(conn: Connection, listing_id: int, question: str) -> bool:
    """Ends a question that waits without an answer (`superseded`, `expired`); False if it does not wait any more."""
    row = update(s.delistings).where(_D.listing_id == listing_id, _D.question == "pending")
    return bool(conn.execute(row.values(question=question)).rowcount)


def due(conn: Connection, listing_id: int, at: datetime) -> None:
    """When the list is asked next."""
    conn.execute(update(s.delistings).where(_D.listing_id == listing_id).values(next_check_at=at))


def note_check(
    conn: Connection, delisting: Delisting, said: Answer | None, recheck: Recheck, at: datetime
) -> bool:
    """Writes what a re-check found (None: the list was not asked); False where another wrote one since `delisting` was read."""
    seen = {} if said is None else {"last_answer": said.value, "last_checked_at": at, "checks": _D.checks + 1}
    over = {} if recheck.status is Status.OPEN else {"closed_at": at}
    row = update(s.delistings).where(
        _D.listing_id == delisting.listing_id, _D.checks == delisting.checks, _D.status == Status.OPEN.value
    )
    values = {
        "status": recheck.status.value, "ended_because": recheck.because, "next_check_at": recheck.next_check_at,
    }  # fmt: skip
    return bool(conn.execute(row.values(**values, **seen, **over)).rowcount)


def acknowledge(
    conn: Connection, listing_ids: Collection[int], owner: str, ticket: str | None, until: datetime
) -> int:
    """Somebody takes responsibility for listings that stand until a time (aware); returns for how many."""
    row = update(s.blacklist_events).where(_L.id.in_(sorted(listing_ids)), _L.closed_at.is_(None))
    values = {"acknowledged_by": owner, "acknowledged_ticket": ticket, "acknowledged_until": until}
    return conn.execute(row.values(**values)).rowcount
