"""What follows for a pool that lost one IP to a list: a standby IP starts at its own first phase, or people read why none does."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Connection, select

from email_engine.blocklists.dossier import DAYS
from email_engine.blocklists.failover import ListedIp, why_no_failover
from email_engine.pipelines.delisting.follow import ToStart
from email_engine.pipelines.delisting.give_up import replacement
from email_engine.pipelines.delisting.links import TRANSITION
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store import schema as s
from email_engine.store.accounting.day_counts import pool_sums
from email_engine.store.engine import Store
from email_engine.store.stops import delistings
from email_engine.store.stops.quarantines import ALONE_WITHIN
from email_engine.store.telling.alerts import News, announce

PIPELINE = "rbl_sweep"
SHOWN = 5

log = logging.getLogger(__name__)


def failovers(store: Store, run: Run) -> tuple[ToStart, ...]:
    """The runs of `ip_transition` that start a standby IP, one at most for each pool in which this sweep stopped one IP; which and why
    not is told. It reads the database, so a cleared task comes to the same runs. A dry run starts nothing."""
    if run.dry_run:
        return ()
    with store.session(tenant="*") as conn:
        stopped = _stopped_by(conn, run)
    found: list[ToStart] = []
    said: dict[str, list[str]] = defaultdict(list)
    refused: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for tenant, address in stopped:
        with store.session(tenant=tenant) as conn:
            start, why = _failover(conn, tenant, address, run)
        if start is None:
            refused[tenant][why].append(address)
        else:
            found.append(start)
            said[tenant].append(why)
    announce(
        store, [_news(tenant, said[tenant], refused[tenant], run) for tenant in sorted({*said, *refused})]
    )
    return tuple(found)


def _news(tenant: str, started: list[str], refused: Mapping[str, list[str]], run: Run) -> News:
    """One message a tenant, however many IPs were stopped."""
    number = sum(map(len, refused.values()))
    title = (
        started[0] if started else f"{tenant}: nobody takes over for {amount(number, 'IP')}, a person decides"
    )
    lines = [title, *started[1:]]
    if started:
        lines.append("It warms from phase 1 like any other; what the listed IP sent is shed, not moved.")
    for why, addresses in list(refused.items())[:SHOWN]:
        more = f" and {len(addresses) - SHOWN} more" if addresses[SHOWN:] else ""
        lines.append(f"No standby IP starts by itself for {', '.join(addresses[:SHOWN])}{more}: {why}.")
    if refused:
        lines.append(
            "Next: nothing must be done at once; to start one all the same use `ip_transition` (start), which names who is free."
        )
    for line in lines:
        log.info("%s", line)
    state = f"sweep {run.as_of.isoformat()}"
    return News("failover", tenant, state, "info", "\n".join(lines), tenant, run.dag_id, run.run_id)


def _stopped_by(conn: Connection, run: Run) -> list[tuple[str, str]]:
    """Tenant and address of whom this sweep stopped."""
    d = s.decisions.c
    query = select(d.tenant, d.subject).where(
        d.pipeline == PIPELINE, d.run_key == run.as_of.isoformat(), d.action == "quarantine", d.applied
    )
    return [(row.tenant, row.subject) for row in conn.execute(query.order_by(d.id))]


def _failover(conn: Connection, tenant: str, address: str, run: Run) -> tuple[ToStart | None, str]:
    """The run that starts a standby IP and a sentence, or why there is none."""
    listed, ip_id = _listed(conn, address, run)
    why = why_no_failover(listed)
    if why is None:
        heir = replacement(conn, tenant, ip_id, run)
        if heir is not None:
            reason = f"failover for {address}, which a block list holds; it starts at its own phase, not with that volume"
            conf = {
                "scope": "ip",
                "name": str(heir.address),
                "event": "start",
                "reason": reason,
                "dry_run": False,
            }
            run_id = f"failover_{address}_{run.as_of:%Y%m%dT%H%M%S}"
            return ToStart(
                TRANSITION, run_id, conf
            ), f"{tenant}: {heir.address} of standby starts for {address}"
        why = "no standby IP of its pool may start"
    return None, why


def _listed(conn: Connection, address: str, run: Run) -> tuple[ListedIp, int]:
    i, e = s.ips.c, s.blacklist_events.c
    ip = conn.execute(select(s.ips).where(i.address == address)).one()
    pool = select(i.id).where(i.pool_name == ip.pool_name, i.tenant == ip.tenant)
    lately = run.as_of - ALONE_WITHIN
    listings = conn.execute(
        select(e.ip_id, e.id)
        .where(e.ip_id.in_(pool), delistings.PARKS, (e.closed_at.is_(None)) | (e.closed_at >= lately))
        .order_by(e.id)
    ).all()
    d = s.decisions.c
    broken = select(d.id).where(
        d.pipeline == PIPELINE,
        d.run_key == run.as_of.isoformat(),
        d.kind == "breaker",
        d.inputs["pool"].as_string() == ip.pool_name,
    )
    stops = select(s.warmup_plans.c.ip_id).where(
        s.warmup_plans.c.ip_id.in_(pool), s.warmup_plans.c.last_stop_at >= lately
    )
    last = run.as_of.date()
    return (
        ListedIp(
            address=address,
            breaker=conn.execute(broken.limit(1)).first() is not None,
            listed_lately=len(listings) - 1,
            traffic=pool_sums(conn, ip.pool_name, last - timedelta(days=DAYS - 1), last),
            stopped_lately=len(conn.execute(stops).all()),
            first_sweep=ip.first_swept_at is None or ip.first_swept_at >= run.as_of,
        ),
        ip.id,
    )
