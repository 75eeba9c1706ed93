"""What a sweep means for the domains of one tenant: listings open and close, and their IPs are held. None is ever parked by it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from email_engine.blocklists.decide import ListingAction, ListingStep, OpenListing, listing_steps
from email_engine.blocklists.domains import all_names, names_of
from email_engine.blocklists.model import BlockList
from email_engine.blocklists.named import as_watched
from email_engine.decision import Decision
from email_engine.fleet.model import IpRecord, Mode
from email_engine.pipelines.rbl_sweep.listing_news import where_to_ask
from email_engine.pipelines.rbl_sweep.seen import seen_listing
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store.judgement.decisions import record
from email_engine.store.stops import domain_listings
from email_engine.store.stops.domain_listings import open_domain_listings
from email_engine.store.telling import alerts
from email_engine.store.telling.alerts import News

PIPELINE = "rbl_sweep"
SHOWN = 20
NOTHING: Mapping[str, Any] = {"listed": (), "clean": ()}
"""What a run that began before lists of domains were asked found about domains."""

Steps = Mapping[str, Sequence[ListingStep]]
"""By domain."""


def decide_domains(
    conn: Connection,
    findings: Mapping[str, Any],
    records: Sequence[IpRecord],
    lists: Sequence[BlockList],
    digest: str,
    run: Run,
) -> Steps:
    """Opens and closes the domain listings of one tenant and writes what holds its IPs, in the caller's transaction. A dry run
    writes nothing."""
    tenant, found = findings["tenant"], findings.get("domains", NOTHING)
    standing = {
        domain: as_watched(some, lists)
        for (_, domain), some in open_domain_listings(
            conn, tenant=tenant, run_id=run.run_id, as_of=run.as_of
        ).items()
    }
    seen: dict[str, list[Any]] = {}
    for row in found["listed"]:
        seen.setdefault(row["domain"], []).append(seen_listing(row))
    clean: dict[str, set[str]] = {}
    ended: dict[str, set[str]] = {}
    for row in found["clean"]:
        (ended if row.get("unwatched") else clean).setdefault(row["domain"], set()).add(row["list"])
    there = set(all_names(records))
    steps: dict[str, list[ListingStep]] = {
        domain: listing_steps(
            standing.get(domain, ()), seen.get(domain, ()), clean.get(domain, ()), ended.get(domain, ())
        )[0]
        if domain in there
        else _left(standing.get(domain, ()))
        for domain in sorted(seen.keys() | clean.keys() | ended.keys())
    }
    if not run.dry_run:
        _write(conn, tenant, steps, records, digest, run)
    return steps


def _left(standing: Sequence[OpenListing]) -> list[ListingStep]:
    """Closes what stands about a name that no IP has any more."""
    return [
        ListingStep(ListingAction.CLOSE, x.list_name, "no IP's name any more", event_id=x.event_id)
        for x in standing
    ]


def _write(
    conn: Connection, tenant: str, steps: Steps, records: Sequence[IpRecord], digest: str, run: Run
) -> None:
    for domain, of_domain in steps.items():
        for step in of_domain:
            if step.action in (ListingAction.OPEN, ListingAction.CLOSE):
                _record(conn, tenant, domain, step, records, digest, run)
        domain_listings.apply_domain_steps(conn, tenant, domain, of_domain, run.as_of, run.dag_id, run.run_id)
    if not steps:
        return
    holding = _holding(conn, tenant)
    for ip in records:
        listed_on = tuple(told for name in names_of(ip) for told in holding.get(name, ()))
        if listed_on != ip.domain_listed_on:
            domain_listings.hold(conn, ip.ip_id, listed_on)


def _holding(conn: Connection, tenant: str) -> dict[str, list[str]]:
    """By domain, `NAME on LIST` of the open listings that weigh."""
    return {
        domain: [f"{domain} on {x.list_name}" for x in some if x.parks]
        for (_, domain), some in open_domain_listings(conn, tenant=tenant).items()
    }


def _record(
    conn: Connection,
    tenant: str,
    domain: str,
    step: ListingStep,
    records: Sequence[IpRecord],
    digest: str,
    run: Run,
) -> None:
    row = Decision(
        tenant=tenant,
        pipeline=PIPELINE,
        subject=domain,
        run_key=run.as_of.isoformat(),
        action=step.action.value,
        reason=step.reason,
        as_of=run.as_of,
        policy_digest=digest,
        kind=f"domain listing {step.list_name}",
        applied=any(ip.mode is Mode.ACT for ip in records),
        inputs={"codes": list(step.seen.codes) if step.seen else [], "ips": _addresses(domain, records)},
    )
    record(conn, row, run.dag_id, run.run_id)


def _addresses(domain: str, records: Sequence[IpRecord]) -> list[str]:
    return [str(ip.address) for ip in records if domain in names_of(ip)]


def domain_news(
    conn: Connection, tenant: str, records: Sequence[IpRecord], steps: Steps, run: Run
) -> Iterator[News]:
    """One message for all domains whose listings changed; what is over is cleared."""
    if not open_domain_listings(conn, tenant=tenant):
        alerts.clear(conn, "domain_listings", tenant)
    lines, opened = [], dict[str, list[ListingStep]]()
    for domain, of_domain in steps.items():
        for step in of_domain:
            if step.action is ListingAction.OPEN:
                opened.setdefault(domain, []).append(step)
                lines.append(f"{domain} {step.reason}; of {_of(_addresses(domain, records))}")
            elif step.action is ListingAction.CLOSE:
                lines.append(f"{domain} is {step.reason}")
    if not lines:
        return
    weighs = any(step.seen is not None and step.seen.parks for some in opened.values() for step in some)
    title = (
        f"{tenant}: {', '.join(list(opened)[:3])}{' ...' if len(opened) > 3 else ''} on a list of domains" if opened
        else f"{tenant}: listings of {amount(len(lines), 'domain')} ended"
    )  # fmt: skip
    text = [title, *lines[:SHOWN], *([f"and {len(lines) - SHOWN} more"] if lines[SHOWN:] else [])]
    if weighs:
        text.append(
            "Its IPs are held: they go on at today's volume and nothing grows; no IP is parked for it. Decide: which campaign links "
            "there or was sent by it? Stop that one (`emergency_stop` of its stream) and mend the cause; then ask the list."
        )
        text += where_to_ask([[step.list_name for some in opened.values() for step in some]])
    state, severity = f"sweep {run.as_of.isoformat()}", "critical" if weighs else "info"
    yield News(
        "domain_listings",
        tenant,
        state,
        severity,
        "\n".join(text),
        tenant=tenant,
        dag_id=run.dag_id,
        run_id=run.run_id,
    )


def _of(addresses: Sequence[str]) -> str:
    few = ", ".join(addresses[:3])
    return f"{few} and {len(addresses) - 3} more IPs" if len(addresses) > 3 else few
