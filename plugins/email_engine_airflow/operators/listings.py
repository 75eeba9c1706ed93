"""The decision of `rbl_sweep`: what a sweep means for one tenant, written in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from email_engine.decision import Origin
from email_engine.pipelines.run import Run
from email_engine_airflow.operators.blocklists import PIPELINE, BlocklistStep
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from email_engine.blocklists.decide import Breaker, ListingDecision, SeenListing
    from email_engine.fleet.model import IpRecord
    from email_engine.store.alerts import News

    Told = tuple[Sequence[IpRecord], Mapping[int, ListingDecision], Sequence[Breaker]]


class DecideListings(BlocklistStep):
    """Opens and closes one tenant's listings and parks its listed IPs, all in one transaction.

    A tenant in `observe` gets listings and decisions (not applied) and no change of state.

    Args:
        findings: one item of what `SweepLists` returned.

    Returns `{"tenant", "opened", "closed", "quarantined", "breakers"}` with addresses as text."""

    template_fields = ("findings",)

    def __init__(self, *, findings: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.findings = findings

    def work(self, context: Any) -> dict[str, Any]:
        from email_engine.blocklists.config import load_blocklists
        from email_engine.store.alerts import announce

        run = current_run(context)
        digest = load_blocklists()[1]
        tenant = self.findings["tenant"]
        summary, told = self.in_session(tenant, lambda conn: self._decide(conn, tenant, digest, run))
        if told is not None:
            with self.store() as store:
                with store.session(tenant="*") as conn:
                    news = _listing_news(conn, tenant, *told, run)
                announce(store, news)
        self.log.info("%s%s", "dry run, nothing written: " if run.dry_run else "", summary)
        return summary

    def _decide(
        self, conn: "Connection", tenant: str, digest: str, run: Run
    ) -> "tuple[dict[str, Any], Told | None]":
        from email_engine.blocklists.decide import decide_listing, open_breakers
        from email_engine.store.decisions import newest
        from email_engine.store.ips import load_ips, lock_ips
        from email_engine.store.listings import open_listings

        if not run.dry_run:
            lock_ips(conn, tenant)
        seen, clean = _read_findings(self.findings)
        now = run.no_earlier_than(newest(conn)).as_of
        records = load_ips(conn, day=now.date(), tenant=tenant)
        standing = open_listings(conn, tenant=tenant, run_id=run.run_id, as_of=run.as_of)
        decisions = {
            ip.ip_id: decide_listing(
                ip,
                [x for x in standing if x.ip_id == ip.ip_id],
                seen.get(ip.ip_id, ()),
                clean.get(ip.ip_id, ()),
                now,
            )
            for ip in records
            if ip.ip_id in seen or ip.ip_id in clean
        }
        breakers = open_breakers(records, decisions, standing, now)
        if not run.dry_run:
            _write(conn, [ip for ip in records if ip.ip_id in decisions], decisions, digest, run, now)
        told = None if run.dry_run else (records, decisions, breakers)
        return _summary(tenant, records, decisions, breakers), told


def _read_findings(
    findings: Mapping[str, Any],
) -> "tuple[dict[int, list[SeenListing]], dict[int, set[str]]]":
    from email_engine.blocklists.decide import SeenListing
    from email_engine.blocklists.model import ListClass, Severity

    seen: dict[int, list[SeenListing]] = {}
    for row in findings["listed"]:
        seen.setdefault(row["ip_id"], []).append(
            SeenListing(
                list_name=row["list"],
                zone=row["zone"],
                codes=tuple(row["codes"]),
                sublists=tuple(row["sublists"]),
                list_class=ListClass(row["class"]),
                severity=Severity(row["severity"]),
                severe=row["severe"],
                reason=row["reason"],
            )
        )
    clean: dict[int, set[str]] = {}
    for row in findings["clean"]:
        clean.setdefault(row["ip_id"], set()).add(row["list"])
    return seen, clean


def _write(
    conn: "Connection",
    records: "Sequence[IpRecord]",
    decisions: "Mapping[int, ListingDecision]",
    digest: str,
    run: Run,
    now: datetime,
) -> None:
    """`now`: the run's time, or the newest that anything was decided for: what an old run stops, stops from today on."""
    from email_engine.blocklists.decide import ListingAction
    from email_engine.decision import Decision
    from email_engine.fleet.model import Mode
    from email_engine.store import ips, listings, versions
    from email_engine.store.decisions import record

    version: int | None = None
    for ip in records:
        decision = decisions[ip.ip_id]
        acts = ip.mode is Mode.ACT

        def decided(
            kind: str, action: str, reason: str, ip: Any = ip, acts: bool = acts, **inputs: Any
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
                applied=acts,
                inputs={"state": ip.state.value, "allowance": ip.allowance, **inputs},
            )
            return record(conn, row, run.dag_id, run.run_id)

        for step in decision.steps:
            if step.action in (ListingAction.OPEN, ListingAction.CLOSE):
                codes = list(step.seen.codes) if step.seen else []
                decided(f"listing {step.list_name}", step.action.value, step.reason, codes=codes)
        listings.apply_steps(conn, ip.tenant, ip.ip_id, decision.steps, run.as_of, run.dag_id, run.run_id)
        if decision.listed_on != ip.blacklisted_on:
            ips.set_listed(conn, ip.ip_id, decision.listed_on)
        if not decision.quarantine:
            if acts:
                _note_parked(conn, ip, decision, run, now)
            continue
        decision_id = decided("decision", "quarantine", decision.reason, listed_on=list(decision.listed_on))
        if not acts:
            continue
        if version is None:
            version = versions.bump(conn, f"{PIPELINE}: listed IPs quarantined", (run.dag_id, run.run_id))
        listings.quarantine(
            conn, ip, decision, decision_id, version, Origin(run.actor, now, run.dag_id, run.run_id)
        )


def _note_parked(
    conn: "Connection", ip: "IpRecord", decision: "ListingDecision", run: Run, now: datetime
) -> None:
    """A listing that finds the IP parked is part of its history: it stays, and its clean days begin anew."""
    from email_engine.blocklists.decide import ListingAction
    from email_engine.lifecycle.machine import Event, known
    from email_engine.store import ips

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


def _listing_news(
    conn: "Connection",
    tenant: str,
    records: "Sequence[IpRecord]",
    decisions: "Mapping[int, ListingDecision]",
    breakers: "Sequence[Breaker]",
    run: Run,
) -> "list[News]":
    from email_engine.blocklists.decide import QUARANTINE
    from email_engine.fleet.model import Mode
    from email_engine.plural import amount
    from email_engine.store import alerts
    from email_engine.store.alerts import News
    from email_engine.store.listings import open_listings
    from email_engine.store.stop_evidence import waiting_words

    ids: dict[str, Any] = {"tenant": tenant, "dag_id": run.dag_id, "run_id": run.run_id}
    lines, stopped, moved = [], [], 0
    for ip in records:
        decision = decisions.get(ip.ip_id)
        parked = decision is not None and decision.quarantine and ip.mode is Mode.ACT
        if decision is None or not (parked or decision.moves_listings):
            continue
        moved += 1
        if decision.quarantine:
            stopped.append(ip)
            done = "quarantined" if parked else "would be quarantined (tenant in observe)"
            lines.append(f"{ip.address} {done}: {decision.reason}")
        else:
            lines.append(f"{ip.address}: {decision.reason}")
    standing = open_listings(conn, tenant=tenant)
    news = []
    if lines:
        names = ", ".join(str(ip.address) for ip in stopped[:3]) + (" ..." if len(stopped) > 3 else "")
        title = (
            f"{tenant}: {names} on a block list and stopped" if stopped
            else f"{tenant}: listings of {amount(moved, 'IP')} changed"
        )  # fmt: skip
        more = [f"and {len(lines) - 20} more"] if lines[20:] else []
        text = [title, *lines[:20], *more]
        if stopped:
            text.append(
                f"Quarantine lasts {QUARANTINE.days} days at least, and until no list holds the IP and its cause is named."
            )
            text += _where_to_ask(decisions[ip.ip_id].listed_on for ip in stopped)
            text += [waiting for waiting in [waiting_words(conn, [ip.ip_id for ip in stopped])] if waiting]
        state = f"sweep {run.as_of.isoformat()}"
        news.append(
            News("listings", tenant, state, "critical" if stopped else "info", "\n".join(text), **ids)
        )
    if not standing:
        alerts.clear(conn, "listings", tenant)
    for breaker in breakers:
        text = [
            f"{tenant}: the breaker of pool {breaker.pool} is open, a person decides",
            f"Stream {breaker.stream}: {breaker.reason}: {', '.join(breaker.addresses[:20])}.",
            "Nothing takes over their volume. Find the cause first.",
        ]
        state = f"open {','.join(breaker.addresses)}"[:500]
        news.append(News("breaker", f"{tenant}/{breaker.pool}", state, "critical", "\n".join(text), **ids))
    with_listing = {x.ip_id for x in standing if x.parks}
    for pool in sorted({ip.pool for ip in records}):
        if not any(ip.ip_id in with_listing for ip in records if ip.pool == pool):
            alerts.clear(conn, "breaker", f"{tenant}/{pool}")
    return news


def _where_to_ask(zones: "Iterable[Iterable[str]]") -> list[str]:
    """A line for each block list: where a person asks, and what the list says about it."""
    from email_engine.blocklists.config import load_blocklists

    named = {zone for of_ip in zones for zone in of_ip}
    return [
        f"{x.title}: {x.delisting_url} {x.delisting}".strip()
        for x in load_blocklists()[0]
        if x.zone in named and (x.delisting_url or x.delisting)
    ]


def _summary(
    tenant: str,
    records: "Sequence[IpRecord]",
    decisions: "Mapping[int, ListingDecision]",
    breakers: "Sequence[Breaker]",
) -> dict[str, Any]:
    from email_engine.blocklists.decide import ListingAction

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
