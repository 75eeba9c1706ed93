"""Table `domain_listings`, and what of it holds IPs: column `domains.listed_on`."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from email_engine.blocklists.decide import ListingStep, OpenListing
from email_engine.store.schema import domain_listings, domains
from email_engine.store.stops.listings import opened, write_steps


def open_domain_listings(
    conn: Connection, *, tenant: str | None = None, run_id: str | None = None, as_of: datetime | None = None
) -> Mapping[tuple[str, str], tuple[OpenListing, ...]]:
    """Those that are not closed by tenant and domain, oldest first; `run_id` and `as_of` as `open_listings` has them."""
    rows = domain_listings.c
    query = select(domain_listings).where(rows.closed_at.is_(None)).order_by(rows.id)
    if tenant is not None:
        query = query.where(rows.tenant == tenant)
    found: dict[tuple[str, str], tuple[OpenListing, ...]] = {}
    for row in conn.execute(query).mappings():
        key = (row["tenant"], row["domain"])
        found[key] = (*found.get(key, ()), opened(row, run_id, as_of))
    return found


def apply_domain_steps(
    conn: Connection,
    tenant: str,
    domain: str,
    steps: Sequence[ListingStep],
    as_of: datetime,
    dag_id: str | None,
    run_id: str | None,
) -> None:
    """Writes what a sweep decided about the listings of one domain."""
    write_steps(conn, domain_listings, {"tenant": tenant, "domain": domain}, steps, as_of, dag_id, run_id)


def hold(conn: Connection, ip_id: int, listed_on: Sequence[str]) -> None:
    """`listed_on`: `NAME on LIST` of everything that holds the IP; empty lets it go."""
    conn.execute(update(domains).where(domains.c.ip_id == ip_id).values(listed_on=list(listed_on)))
