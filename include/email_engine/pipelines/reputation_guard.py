"""Guarding reputations while the day runs: one tenant looked at, what must stop or slow is stopped and slowed."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from email_engine.fleet.model import Mode
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.reputation.named import suspicions
from email_engine.store.accounting.worst_mail import with_worst_mail
from email_engine.store.engine import ALL_TENANTS, Store
from email_engine.store.fleet.ips import lock_ips
from email_engine.store.judgement import decisions, observations, policies, reputation, warmup
from email_engine.store.judgement.decisions import actions_of_day
from email_engine.store.judgement.outages import outage_spans
from email_engine.store.stops.stop_evidence import waiting_words
from email_engine.store.telling.alerts import News, announce, clear, standing
from email_engine.store.telling.owed import owe
from email_engine.warmup import advice
from email_engine.warmup.assessment import Assessment
from email_engine.warmup.guard import guard_tenant
from email_engine.warmup.outages import Spans
from email_engine.warmup.plan import IpDecision
from email_engine.warmup.policy import Policy
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.profile import profiles
from email_engine.warmup.proposal import PROVIDER_OUTAGE, STREAM_CAUSES
from email_engine.warmup.rows import Writing, rows_of
from email_engine.warmup.snapshot import policy_document

PIPELINE = "reputation_guard"
NAMED_LISTS, OUTAGE = "named_lists", "provider_outage"
SHOWN = 5


log = logging.getLogger(__name__)


def guard(store: Store, tenant: str, run: Run) -> dict[str, Any]:
    """Judges every sending IP of one tenant by its mail up to now, in one transaction.

    What the end of the day would stop is stopped now (pause or quarantine, with the brake); whose score or provider turned
    bad gets a lower allowance from now on. Nothing advances and nothing is released. Rates and scores of all IPs are written
    down (table reputation). A tenant in `observe` gets one decision for each IP, UTC day and action. A dry run does the same
    work and rolls it back. A run that is cleared later judges by what is known then. Returns `{"tenant", "judged", "version", "stopped", "slowed"}`."""
    policy = load_policy()
    with store.session(tenant=ALL_TENANTS) as conn:
        spans = outage_spans(conn, run.as_of.date(), run.as_of, policy)
    with store.session(tenant=tenant) as conn:
        lock_ips(conn, tenant)
        run = run.no_earlier_than(decisions.newest(conn))
        ip_decisions, cases, version = _guard(conn, tenant, policy, spans, run)
        told = owe(conn, tenant, run.dag_id, run.run_id) if ip_decisions else None
        if run.dry_run:
            log.info("dry run: everything is rolled back")
            conn.rollback()
    if not run.dry_run:
        with store.session(tenant="*") as conn:
            news = [_news(conn, one, run) for one in ip_decisions if one.proposal.cause != PROVIDER_OUTAGE]
            news += _outages(conn, tenant, cases, run)
            news += _many_named(conn, tenant, cases, policy, run)
        announce(store, news, told)
    for one in ip_decisions:
        log.warning("%s %s: %s", one.observation.ip.address, one.proposal.action, one.reason)
    log.info("%s: %d sending IPs judged, %d acted on", tenant, len(cases), len(ip_decisions))
    return {
        "tenant": tenant,
        "judged": len(cases),
        "version": None if run.dry_run else version,
        "stopped": [str(one.observation.ip.address) for one in ip_decisions if one.stops],
        "slowed": [str(one.observation.ip.address) for one in ip_decisions if not one.stops],
    }


def _guard(
    conn: Connection, tenant: str, policy: Policy, spans: Spans, run: Run
) -> tuple[Sequence[IpDecision], Mapping[int, Assessment], int | None]:

    today = run.as_of.date()
    seen = observations.observe(conn, tenant, today, today, policy, run.as_of, spans=spans)
    found_bad, cases = guard_tenant(seen, policy, today)
    ip_decisions = with_worst_mail(conn, _new(conn, found_bad, run))
    if ip_decisions:
        policies.remember(conn, policy.digest, policy_document(policy))
    writing = Writing(today, today + timedelta(days=1), run.origin, policy.digest, policy, pipeline=PIPELINE, at_once=True)  # fmt: skip
    version = warmup.record(conn, rows_of(ip_decisions, writing), writing)
    found = profiles(seen, policy, today)
    reputation.replace_all(conn, tenant, found, cases, run.as_of, (run.dag_id, run.run_id))
    return ip_decisions, cases, version


def _new(conn: Connection, ip_decisions: Sequence[IpDecision], run: Run) -> Sequence[IpDecision]:
    """Without those of tenants in `observe` that were decided today: nothing was applied, so each run finds them again."""

    observed = {
        str(one.observation.ip.address) for one in ip_decisions if one.observation.ip.mode is Mode.OBSERVE
    }
    if not observed:
        return ip_decisions
    known = actions_of_day(conn, PIPELINE, observed, run.as_of.date())
    return [
        one
        for one in ip_decisions
        if (str(one.observation.ip.address), str(one.proposal.action)) not in known
    ]


def _many_named(
    conn: Connection, tenant: str, cases: Mapping[int, Assessment], policy: Policy, run: Run
) -> list[News]:
    """One alert while so many IPs are named at once that a person must look: told once, cleared when it is over."""
    named = {
        str(case.ip.address): found[0]
        for case in cases.values()
        if (found := suspicions(case.seen.named, case.day, policy.named_lists.days))
    }
    if not any(case.seen.many_named for case in cases.values()):
        clear(conn, NAMED_LISTS, tenant)
        return []
    lists = ", ".join(sorted({one.name for one in named.values()}))
    lines = [
        f"{tenant}: receivers name block lists for {len(named)} of {len(cases)} IPs at once",
        f"Named: {lists}. Replies alone prove nothing about so many: none is quarantined by them, all hold, and the lists are asked.",
        *(f"{address}: {one.words}" for address, one in list(named.items())[:SHOWN]),
        "Next: look at what these IPs have in common (mail, range, DNS); confirmed listings stop IPs and open breakers as always.",
    ]
    text = "\n".join(lines)
    return [News(NAMED_LISTS, tenant, "many", "critical", text, tenant, run.dag_id, run.run_id)]


def _outages(conn: Connection, tenant: str, cases: Mapping[int, Assessment], run: Run) -> list[News]:
    """One alert for each provider with an outage that holds IPs of the tenant: told once, cleared when it takes mail again."""
    held: dict[str, list[Assessment]] = defaultdict(list)
    for case in cases.values():
        for name in filter(case.in_outage, case.throttle.throttle_factors):
            held[name].append(case)
    for one in standing(conn, OUTAGE):
        if one.object.startswith(f"{tenant} ") and one.object.removeprefix(f"{tenant} ") not in held:
            clear(conn, OUTAGE, one.object)
    found = []
    for name, some in held.items():
        met = [case.seen.outages[name] for case in some]
        unknown, sent = (
            sum(map(sum, counts)) for counts in ([d.unknown_users for d in met], [d.sent for d in met])
        )
        lines = [
            f"{tenant}: {name} has an outage of its own and is suspended for {amount(len(some), 'IP')}",
            f"It called {unknown} of {amount(sent, 'recipient')} unknown while other providers know theirs. No IP is blamed for it, the other"
            " mail goes on, and a few messages a day try whether it is over.",
            f"Next: {advice.OUTAGE}.",
        ]
        text = "\n".join(lines)
        found.append(
            News(OUTAGE, f"{tenant} {name}", "stands", "warning", text, tenant, run.dag_id, run.run_id)
        )
    return found


DONE = {"quarantine": "is quarantined", "pause": "is paused"}


def _news(conn: Connection, ip_decision: IpDecision, run: Run) -> News:
    """One alert for each IP and day and what was done."""

    ip, action = ip_decision.observation.ip, str(ip_decision.proposal.action)
    cause = ip_decision.proposal.cause
    done = DONE.get(action, "is slowed")
    observed = " (tenant in observe: nothing was applied)" if ip.mode is Mode.OBSERVE else ""
    waiting = waiting_words(conn, [ip.ip_id]) if ip_decision.stops else ""
    title = f"{ip.address} of {ip.tenant}/{ip.stream} {done}{observed}"
    parts = (title, ip_decision.happens, ip_decision.weighs, waiting, ip_decision.next_step)
    return News(
        PIPELINE, str(ip.address), f"{action} {run.as_of:%Y-%m-%d}", "critical" if action == "quarantine" or cause in STREAM_CAUSES else "warning",
        "\n".join(filter(None, parts)), ip.tenant, run.dag_id, run.run_id,
    )  # fmt: skip
