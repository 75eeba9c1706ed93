"""An IP that a person gave up: the runs of `ip_transition` that abandon it and start one of standby in its place."""

import logging

from sqlalchemy import Connection

from email_engine.blocklists.delisting import Delisting
from email_engine.fleet.model import IpRecord, IpState
from email_engine.lifecycle.machine import Event
from email_engine.pipelines.delisting.follow import ToStart
from email_engine.pipelines.delisting.links import TRANSITION
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips
from email_engine.store.judgement import observations
from email_engine.store.stops import delistings
from email_engine.store.telling.alerts import News, announce
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.transition_request import Request
from email_engine.warmup.transitions_by_hand import answer

log = logging.getLogger(__name__)


def runs_of_a_give_up(store: Store, listing_id: int, run: Run) -> tuple[ToStart, ...]:
    """The runs that follow from a person's answer, nothing where they did not give the IP up. `ip_transition` alone moves IPs,
    with every guard; its runs have ids of the listing, so that nothing is moved twice."""
    with store.session(tenant="*") as conn:
        delisting = delistings.find(conn, listing_id)
        if not delisting.gives_up or run.dry_run:
            return ()
        heir = replacement(conn, delisting.tenant, delisting.ip_id, run) if delisting.replaces else None
    reason = f"{delisting.answered_by}: given up, listed on {delisting.list_name}"
    runs = [_move(listing_id, str(delisting.address), Event.ABANDON, reason)]
    if heir is not None:
        why = f"{delisting.answered_by}: in place of {delisting.address}, which was given up"
        runs.append(_move(listing_id, str(heir.address), Event.START, why))
    elif delisting.replaces:
        _tell_none(store, delisting, run)
    return tuple(runs)


def _move(listing_id: int, address: str, event: Event, reason: str) -> ToStart:
    conf = {"scope": "ip", "name": address, "event": event.value, "reason": reason[:300], "dry_run": False}
    return ToStart(TRANSITION, f"listing_{listing_id}_{event}", conf)


def replacement(conn: Connection, tenant: str, ip_id: int, run: Run) -> IpRecord | None:
    """The standby IP of the same pool that may start now, by every guard that a person's start has; None if none may. It begins at
    phase 1 whatever the other one sent: shed load is not moved."""
    policy, today = load_policy(), run.as_of.date()
    records = load_ips(conn, day=today, tenant=tenant)
    pools = {ip.pool for ip in records if ip.ip_id == ip_id}
    seen = observations.observe(conn, tenant, today, today, policy, run.as_of)
    quotas = observations.quotas(conn, tenant)
    request = Request(Event.START, "in place of a listed IP")
    for ip in records:
        if ip.pool not in pools or ip.state is not IpState.STANDBY:
            continue
        given = answer(seen, {ip.ip_id}, request, policy, quotas, run.as_of)
        if given.moves:
            return ip
        log.info("%s may not start: %s", ip.address, "; ".join(error.observed for error in given.refused))
    return None


def _tell_none(store: Store, delisting: Delisting, run: Run) -> None:
    text = (
        f"{delisting.address} is given up, and no standby IP of its pool may start in its place\n"
        "The log of `give_up` says of each why. Next: start one by hand (ip_transition) when it is ready."
    )
    ids = (delisting.tenant, run.dag_id, run.run_id)
    announce(store, [News("delisting", f"{delisting.listing_id}", "no replacement", "warning", text, *ids)])
