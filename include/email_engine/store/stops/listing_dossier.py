"""The dossier of a listing, read from the database in a session of its tenant: other tenants' rows are none of its business."""

from datetime import date, timedelta
from ipaddress import ip_network

from sqlalchemy import Connection, cast, select
from sqlalchemy.dialects.postgresql import INET

from email_engine.blocklists.dossier import DAYS, SHOWN, Dossier, PastListing
from email_engine.blocklists.model import BlockList
from email_engine.errors import InputError
from email_engine.fleet.model import IpAddress
from email_engine.store import schema as s
from email_engine.store.accounting.day_counts import provider_sums
from email_engine.store.accounting.worst_mail import most_named
from email_engine.store.stops import delistings

_L, _I = s.blacklist_events.c, s.ips.c


def read_dossier(conn: Connection, listing_id: int, blocklist: BlockList | None, day: date) -> Dossier:
    """`blocklist`: the list as it is watched now, None where nobody watches it any more; `day`: the last UTC day of traffic.

    Raises InputError where the session sees no such listing."""
    query = (
        select(
            s.blacklist_events, _I.address, _I.hostname, _I.stream, _I.pool_name, _I.status, _I.quarantine_until,
            s.domains.c.name.label("domain"),
        )
        .join(s.ips, _I.id == _L.ip_id)
        .outerjoin(s.domains, s.domains.c.ip_id == _I.id)
        .where(_L.id == listing_id)
        .limit(1)
    )  # fmt: skip
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        raise InputError(
            f"listing {listing_id}", "not seen in this session", "a listing of the session's tenant", "check the id"
        )  # fmt: skip
    first, address = day - timedelta(days=DAYS - 1), str(row["address"]).partition("/")[0]
    around, listed = listed_around(conn, address)
    campaigns, replies = most_named(conn, row["ip_id"], first, SHOWN)
    codes = {} if blocklist is None else {str(code): x.sublist for code, x in blocklist.codes.items()}
    return Dossier(
        address=address,
        hostname=row["hostname"],
        domain=row["domain"] or "",
        tenant=row["tenant"],
        stream=row["stream"],
        pool=row["pool_name"],
        state=row["status"],
        quarantine_until=row["quarantine_until"] if row["status"] == "quarantine" else None,
        list_name=row["list"],
        title=row["list"] if blocklist is None else blocklist.title,
        zone=row["zone"],
        codes=tuple(row["codes"]),
        sublists=tuple(dict.fromkeys(codes[code] for code in row["codes"] if code in codes)),
        reason=row["reason"] or "",
        opened_at=row["opened_at"],
        page="" if blocklist is None else blocklist.delisting_url,
        rules="" if blocklist is None else blocklist.delisting,
        first_day=first,
        last_day=day,
        traffic=provider_sums(conn, row["ip_id"], first, day),
        campaigns=campaigns,
        replies=replies,
        history=past_listings(conn, row["ip_id"], listing_id),
        neighbours=listed,
        neighbours_in_all=around,
    )


def past_listings(conn: Connection, ip_id: int, but: int) -> tuple[PastListing, ...]:
    """Of the IP, newest first, without the listing `but`."""
    query = (
        select(_L.list, _L.opened_at, _L.closed_at, s.delistings.c.cause)
        .outerjoin(s.delistings, s.delistings.c.listing_id == _L.id)
        .where(_L.ip_id == ip_id, _L.id != but)
        .order_by(_L.id.desc())
    )
    return tuple(
        PastListing(
            row.list, row.opened_at.date(), row.closed_at.date() if row.closed_at else None, row.cause or ""
        )
        for row in conn.execute(query)
    )


def listed_around(conn: Connection, address: IpAddress | str) -> tuple[int, tuple[str, ...]]:
    """Of the other IPs of the session's tenant in the same /24 (IPv6: /64): how many there are, and which of them are on a list
    that stops a sending IP."""
    network = ip_network(f"{address}/{64 if ':' in str(address) else 24}", strict=False)
    inside = _I.address.op("<<=")(cast(str(network), INET))
    query = (
        select(_I.id, _I.address)
        .where(inside, ~_I.removed, _I.address != cast(str(address), INET))
        .order_by(_I.address)
    )
    others = {row.id: str(row.address).partition("/")[0] for row in conn.execute(query)}
    standing = select(_L.ip_id).where(_L.ip_id.in_(others), _L.closed_at.is_(None), delistings.PARKS)
    listed: set[int] = set(conn.execute(standing).scalars())
    return len(others), tuple(name for ip_id, name in others.items() if ip_id in listed)
