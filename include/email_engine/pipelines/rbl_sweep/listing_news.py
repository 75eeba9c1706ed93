"""What people are told about listings of one tenant."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.decide import Breaker, ListingDecision
from email_engine.fleet.model import IpRecord, Mode
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store.stops.listings import open_listings
from email_engine.store.stops.stop_evidence import waiting_words
from email_engine.store.telling import alerts
from email_engine.store.telling.alerts import News

SHOWN = 20


def listing_news(
    conn: Connection,
    tenant: str,
    records: Sequence[IpRecord],
    decisions: Mapping[int, ListingDecision],
    breakers: Sequence[Breaker],
    run: Run,
) -> list[News]:
    """What moved and which breakers opened; what is over is cleared."""
    standing = open_listings(conn, tenant=tenant)
    news = [*_moved(conn, tenant, records, decisions, run), *(_breaker(tenant, b, run) for b in breakers)]
    if not standing:
        alerts.clear(conn, "listings", tenant)
    with_listing = {x.ip_id for x in standing if x.parks}
    for pool in sorted({ip.pool for ip in records}):
        if not any(ip.ip_id in with_listing for ip in records if ip.pool == pool):
            alerts.clear(conn, "breaker", f"{tenant}/{pool}")
    return news


def _moved(
    conn: Connection,
    tenant: str,
    records: Sequence[IpRecord],
    decisions: Mapping[int, ListingDecision],
    run: Run,
) -> Iterator[News]:
    """One message for all IPs that were stopped or whose listings changed."""
    lines, stopped = [], []
    for ip in records:
        decision = decisions.get(ip.ip_id)
        parked = decision is not None and decision.quarantine and ip.mode is Mode.ACT
        if decision is None or not (parked or decision.moves_listings):
            continue
        if decision.quarantine:
            stopped.append(ip)
            done = "quarantined" if parked else "would be quarantined (tenant in observe)"
            lines.append(f"{ip.address} {done}: {decision.reason}")
        else:
            lines.append(f"{ip.address}: {decision.reason}")
    if not lines:
        return
    names = ", ".join(str(ip.address) for ip in stopped[:3]) + (" ..." if len(stopped) > 3 else "")
    title = (
        f"{tenant}: {names} on a block list and stopped" if stopped
        else f"{tenant}: listings of {amount(len(lines), 'IP')} changed"
    )  # fmt: skip
    text = [title, *lines[:SHOWN], *([f"and {len(lines) - SHOWN} more"] if lines[SHOWN:] else [])]
    if stopped:
        until = max(end for ip in stopped if (end := decisions[ip.ip_id].quarantine_until))
        text.append(
            f"Quarantine lasts until {until:%Y-%m-%d} at least, and until no list holds the IP and its cause is named."
        )
        text += where_to_ask(decisions[ip.ip_id].listed_on for ip in stopped)
        text += [waiting for waiting in [waiting_words(conn, [ip.ip_id for ip in stopped])] if waiting]
    severity = "critical" if stopped else "info"
    yield News(
        "listings", tenant, f"sweep {run.as_of.isoformat()}", severity, "\n".join(text), **_ids(tenant, run)
    )


def _breaker(tenant: str, breaker: Breaker, run: Run) -> News:
    text = [
        f"{tenant}: the breaker of pool {breaker.pool} is open, a person decides",
        f"Stream {breaker.stream}: {breaker.reason}: {', '.join(breaker.addresses[:SHOWN])}.",
        "Nothing takes over their volume. Find the cause first.",
    ]
    state = f"open {','.join(breaker.addresses)}"[:500]
    return News(
        "breaker", f"{tenant}/{breaker.pool}", state, "critical", "\n".join(text), **_ids(tenant, run)
    )


def _ids(tenant: str, run: Run) -> dict[str, Any]:
    return {"tenant": tenant, "dag_id": run.dag_id, "run_id": run.run_id}


def where_to_ask(lists: Iterable[Iterable[str]]) -> list[str]:
    """A line for each of these block lists (by name): where a person asks, and what the list says about it."""
    named = {name for of_ip in lists for name in of_ip}
    return [
        f"{x.title}: {x.delisting_url} {x.delisting}".strip()
        for x in load_blocklists()[0]
        if x.name in named and (x.delisting_url or x.delisting)
    ]
