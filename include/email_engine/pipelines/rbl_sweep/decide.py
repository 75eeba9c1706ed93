"""The decision of `rbl_sweep`: what a sweep means for one tenant, written in one transaction."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.decide import (
    Breaker,
    ListingAction,
    ListingDecision,
    SeenListing,
    decide_listing,
    open_breakers,
)
from email_engine.blocklists.model import BlockList
from email_engine.blocklists.named import as_watched
from email_engine.decision import Decision, Origin
from email_engine.fleet.model import IpRecord, Mode
from email_engine.lifecycle.machine import Event, known
from email_engine.pipelines.rbl_sweep.breaker import stop_streams
from email_engine.pipelines.rbl_sweep.domains import decide_domains, domain_news
from email_engine.pipelines.rbl_sweep.listing_evidence import Evidence, read_evidence
from email_engine.pipelines.rbl_sweep.listing_news import listing_news
from email_engine.pipelines.rbl_sweep.seen import seen_listing
from email_engine.pipelines.run import Run
from email_engine.store import versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.fleet.ips import load_ips, lock_ips
from email_engine.store.judgement.decisions import newest, record
from email_engine.store.stops import listings
from email_engine.store.stops.listings import open_listings
from email_engine.store.telling.alerts import announce
from email_engine.store.telling.owed import owe
from email_engine.warmup.policy_file import load_policy

log = logging.getLogger(__name__)

PIPELINE = "rbl_sweep"


def decide(store: Store, findings: Mapping[str, Any], run: Run, base_url: str = "") -> dict[str, Any]:
    """Opens and closes one tenant's listings and parks its listed IPs, all in one transaction.

    A tenant in `observe` gets listings and decisions (not applied) and no change of state.

    Args:
        findings: one item of what `confirm` returned.
        base_url: of Airflow, for links to the questions that follow.

    Returns `{"tenant", "opened", "closed", "quarantined", "breakers", "domains"}` with addresses as text; `domains`: those whose
    listings changed."""
    lists, digest = load_blocklists()
    tenant = findings["tenant"]
    with store.session(tenant=tenant) as conn:
        records, decisions, breakers = _decide(conn, findings, lists, digest, run)
        domains = decide_domains(conn, findings, records, lists, digest, run)
        moved = (ListingAction.OPEN, ListingAction.CLOSE)
        changed = [name for name, steps in domains.items() if any(step.action in moved for step in steps)]
        moves = changed or breakers or any(one.quarantine or one.moves_listings for one in decisions.values())
        told = owe(conn, tenant, run.dag_id, run.run_id) if moves and not run.dry_run else None
    if not run.dry_run:
        with store.session(tenant=tenant) as conn:
            evidence = _evidence(conn, tenant, records, decisions, run, base_url)
        with store.session(tenant="*") as conn:
            news = listing_news(conn, tenant, records, decisions, breakers, run, evidence)
            news += domain_news(conn, tenant, records, domains, run)
        announce(store, news, told)
    summary = _summary(tenant, records, decisions, breakers) | {"domains": changed}
    log.info("%s%s", "dry run, nothing written: " if run.dry_run else "", summary)
    return summary


def _decide(
    conn: Connection, findings: Mapping[str, Any], lists: Sequence[BlockList], digest: str, run: Run
) -> tuple[Sequence[IpRecord], Mapping[int, ListingDecision], Sequence[Breaker]]:
    tenant = findings["tenant"]
    if not run.dry_run:
        lock_ips(conn, tenant)
    seen, clean = _read_findings(findings)
    now = run.no_earlier_than(newest(conn)).as_of
    records = load_ips(conn, day=now.date(), tenant=tenant)
    standing = as_watched(open_listings(conn, tenant=tenant, run_id=run.run_id, as_of=run.as_of), lists)
    ended: dict[int, set[str]] = {}
    for row in findings["clean"]:
        if row.get("unwatched"):
            ended.setdefault(row["ip_id"], set()).add(row["list"])
    at_least = timedelta(days=load_policy().quarantine_days)
    decisions = {
        ip.ip_id: decide_listing(
            ip,
            [x for x in standing if x.ip_id == ip.ip_id],
            seen.get(ip.ip_id, ()),
            clean.get(ip.ip_id, ()),
            now,
            at_least,
            ended.get(ip.ip_id, ()),
        )
        for ip in records
        if ip.ip_id in seen or ip.ip_id in clean
    }
    breakers = open_breakers(records, decisions, standing, now)
    if not run.dry_run:
        _write(conn, [ip for ip in records if ip.ip_id in decisions], decisions, digest, run, now)
        quarantined = {n for n, decision in decisions.items() if decision.quarantine}
        origin = Origin(run.actor, now, run.dag_id, run.run_id)
        stop_streams(conn, records, breakers, quarantined, digest, run.as_of.isoformat(), origin)
    return records, decisions, breakers


def _read_findings(
    findings: Mapping[str, Any],
) -> tuple[dict[int, list[SeenListing]], dict[int, set[str]]]:
    seen: dict[int, list[SeenListing]] = {}
    for row in findings["listed"]:
        seen.setdefault(row["ip_id"], []).append(seen_listing(row))
    clean: dict[int, set[str]] = {}
    for row in findings["clean"]:
        clean.setdefault(row["ip_id"], set()).add(row["list"])
    return seen, clean


def _write(
    conn: Connection,
    records: Sequence[IpRecord],
    decisions: Mapping[int, ListingDecision],
    digest: str,
    run: Run,
    now: datetime,
) -> None:
    """`now`: the run's time, or the newest that anything was decided for: what an old run stops, stops from today on."""
    version: int | None = None
    for ip in records:
        decision = decisions[ip.ip_id]
        acts = ip.mode is Mode.ACT
        for step in decision.steps:
            if step.action in (ListingAction.OPEN, ListingAction.CLOSE):
                codes = list(step.seen.codes) if step.seen else []
                kind = f"listing {step.list_name}"
                _record(conn, ip, digest, run, kind, step.action.value, step.reason, codes=codes)
        listings.apply_steps(conn, ip.tenant, ip.ip_id, decision.steps, run.as_of, run.dag_id, run.run_id)
        if decision.listed_on != ip.blacklisted_on:
            ips.set_listed(conn, ip.ip_id, decision.listed_on)
        if not decision.quarantine:
            if acts:
                _note_parked(conn, ip, decision, run, now)
            continue
        listed_on = list(decision.listed_on)
        decision_id = _record(
            conn, ip, digest, run, "decision", "quarantine", decision.reason, listed_on=listed_on
        )
        if not acts:
            continue
        if version is None:
            version = versions.bump(conn, f"{PIPELINE}: listed IPs quarantined", (run.dag_id, run.run_id))
        listings.quarantine(
            conn, ip, decision, decision_id, version, Origin(run.actor, now, run.dag_id, run.run_id)
        )


def _record(
    conn: Connection, ip: IpRecord, digest: str, run: Run, kind: str, action: str, reason: str, **inputs: Any
) -> int:
    row = Decision(
        tenant=ip.tenant,
        pipeline=PIPELINE,
        subject=str(ip.address),
        run_key=run.as_of.isoformat(),
        action=action,
        reason=reason,
        as_of=run.as_of,
        policy_digest=digest,
        kind=kind,
        applied=ip.mode is Mode.ACT,
        inputs={"state": ip.state.value, "allowance": ip.allowance, **inputs},
    )
    return record(conn, row, run.dag_id, run.run_id)


def _note_parked(conn: Connection, ip: IpRecord, decision: ListingDecision, run: Run, now: datetime) -> None:
    """A listing that finds the IP parked is part of its history: it stays, and its clean days begin anew."""
    fresh = [
        step for step in decision.steps
        if step.action is ListingAction.OPEN and step.seen is not None and step.seen.parks
    ]  # fmt: skip
    if fresh and known(ip.state, Event.LISTED):
        reason = "; ".join(step.reason for step in fresh)
        ips.transition(
            conn,
            ip.ip_id,
            Event.LISTED,
            ip.state,
            reason,
            Origin(run.actor, now, run.dag_id, run.run_id),
            None,
        )


def _evidence(
    conn: Connection,
    tenant: str,
    records: Sequence[IpRecord],
    decisions: Mapping[int, ListingDecision],
    run: Run,
    base_url: str,
) -> Evidence:
    stopped = [ip for ip in records if ip.ip_id in decisions and decisions[ip.ip_id].quarantine]
    closed = {n for n, d in decisions.items() if any(step.action is ListingAction.CLOSE for step in d.steps)}
    return read_evidence(conn, tenant, stopped, closed, run.as_of, base_url)


def _summary(
    tenant: str,
    records: Sequence[IpRecord],
    decisions: Mapping[int, ListingDecision],
    breakers: Sequence[Breaker],
) -> dict[str, Any]:
    addresses = {ip.ip_id: str(ip.address) for ip in records}

    def with_step(action: ListingAction) -> list[str]:
        return [addresses[n] for n, d in decisions.items() if any(step.action is action for step in d.steps)]

    return {
        "tenant": tenant,
        "opened": with_step(ListingAction.OPEN),
        "closed": with_step(ListingAction.CLOSE),
        "quarantined": [addresses[n] for n, d in decisions.items() if d.quarantine],
        "breakers": [breaker.pool for breaker in breakers],
    }
