"""What people are told about listings of one tenant."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.decide import Breaker, ListingDecision
from email_engine.fleet.model import SENDING_STATES, IpRecord, Mode
from email_engine.pipelines.rbl_sweep.listing_evidence import Evidence
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store.stops.listings import open_listings
from email_engine.store.stops.stop_evidence import waiting_words
from email_engine.store.telling import alerts
from email_engine.store.telling.alerts import News

SHOWN = 20
FEW = 3
"""IPs that a summary names; where no more are new, each has a line of its own."""
NOTHING_MORE = Evidence()


def listing_news(
    conn: Connection,
    tenant: str,
    records: Sequence[IpRecord],
    decisions: Mapping[int, ListingDecision],
    breakers: Sequence[Breaker],
    run: Run,
    evidence: Evidence = NOTHING_MORE,
) -> list[News]:
    """What moved and which breakers opened; what is over is cleared."""
    standing = open_listings(conn, tenant=tenant)
    news = [
        *_moved(conn, tenant, records, decisions, run, evidence),
        *(_breaker(tenant, b, records, decisions, run) for b in breakers),
    ]
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
    evidence: Evidence,
) -> Iterator[News]:
    """One message for all IPs that were stopped or whose listings changed; those that were asked about for the first time together."""
    lines: dict[int, str] = {}
    stopped, first = [], []
    for ip in records:
        decision = decisions.get(ip.ip_id)
        parked = decision is not None and decision.quarantine and ip.mode is Mode.ACT
        if decision is None or not (parked or decision.moves_listings):
            continue
        stopped += [ip] if decision.quarantine else []
        if ip.ip_id in evidence.first:
            first.append(ip)
        lines[ip.ip_id] = _line(ip, decision, evidence)
    if not lines:
        return
    title, shown = _title(tenant, stopped, len(lines)), list(lines.values())
    if len(first) > FEW:
        others = [line for ip_id, line in lines.items() if ip_id not in evidence.first]
        title = (
            f"{tenant}: the first sweep of {amount(evidence.asked_first, 'IP')} finds {len(first)} on block lists, "
            f"{len(stopped)} stopped"
        )
        shown = [*_by_list(first, decisions), *others]
    text = [title, *shown[:SHOWN], *([f"and {len(shown) - SHOWN} more"] if shown[SHOWN:] else [])]
    if stopped:
        until = max(end for ip in stopped if (end := decisions[ip.ip_id].quarantine_until))
        text.append(
            f"Quarantine lasts until {until:%Y-%m-%d} at least, and until no list holds the IP and its cause is named."
        )
        text += evidence.details
        text += where_to_ask(decisions[ip.ip_id].listed_on for ip in stopped)
        text += [waiting for waiting in [waiting_words(conn, [ip.ip_id for ip in stopped])] if waiting]
    acting = any(ip.mode is Mode.ACT for ip in records)
    if acting and evidence.answer_at and (stopped or evidence.lacking):
        text.append(f"Name the cause here: {evidence.answer_at}")
        if evidence.on_a_phone != evidence.answer_at:
            text.append(f"On a phone: {evidence.on_a_phone} (tap the sign beside the state).")
    severity = "critical" if stopped else "warning" if evidence.lacking else "info"
    yield News(
        "listings", tenant, f"sweep {run.as_of.isoformat()}", severity, "\n".join(text), **_ids(tenant, run)
    )


def _line(ip: IpRecord, decision: ListingDecision, evidence: Evidence) -> str:
    if decision.quarantine:
        acts = ip.mode is Mode.ACT
        done = "quarantined" if acts else "would be quarantined (tenant in observe)"
        return f"{ip.address} {done}: {decision.reason}"
    lacking = evidence.lacking.get(ip.ip_id)
    return f"{ip.address}: {decision.reason}" + (f"; it stays in quarantine: {lacking}" if lacking else "")


def _title(tenant: str, stopped: Sequence[IpRecord], moved: int) -> str:
    if not stopped:
        return f"{tenant}: listings of {amount(moved, 'IP')} changed"
    names = ", ".join(str(ip.address) for ip in stopped[:3]) + (" ..." if len(stopped) > 3 else "")
    return f"{tenant}: {names} on a block list and stopped"


def _by_list(those: Sequence[IpRecord], decisions: Mapping[int, ListingDecision]) -> list[str]:
    """A line for each list, not one for each IP."""
    listed: dict[str, list[str]] = {}
    for ip in those:
        for name in dict.fromkeys(step.list_name for step in decisions[ip.ip_id].steps):
            listed.setdefault(name, []).append(str(ip.address))
    return [
        f"{name} lists {amount(len(addresses), 'IP')}: {', '.join(addresses[:FEW])}"
        + (f" and {len(addresses) - FEW} more" if addresses[FEW:] else "")
        for name, addresses in listed.items()
    ]


def _breaker(
    tenant: str,
    breaker: Breaker,
    records: Sequence[IpRecord],
    decisions: Mapping[int, ListingDecision],
    run: Run,
) -> News:
    went_on = [
        ip for ip in records
        if ip.pool == breaker.pool and ip.state in SENDING_STATES and not (ip.ip_id in decisions and decisions[ip.ip_id].quarantine)
    ]  # fmt: skip
    acts = any(ip.mode is Mode.ACT for ip in records if ip.pool == breaker.pool)
    done = (
        f"Its stream stopped: {amount(len(went_on), 'more IP')} of the pool stand still until a person resumes them."
        if acts
        else f"Its stream would stop with {amount(len(went_on), 'more IP')} (tenant in observe)."
    )
    text = [
        f"{tenant}: the breaker of pool {breaker.pool} is open, a person decides",
        f"Stream {breaker.stream}: {breaker.reason}: {', '.join(breaker.addresses[:SHOWN])}.",
        done,
        "Nothing takes over their volume. Find the cause first.",
        f"Next: when it is mended, ip_transition: resume, scope stream, name {tenant}/{breaker.stream}.",
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
