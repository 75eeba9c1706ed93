"""One MTA host is looked at and judged, and what must stand still there is held again."""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from email_engine.fleet.model import Mode
from email_engine.health.host_facts import Expected, Facts, HealthFinding, Level
from email_engine.health.judge import judge, memory, report, seen_row
from email_engine.health.policy import HealthPolicy, shipped_health_policy
from email_engine.health.queue_ages import QueueGroup, follow
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.mta_health.look import HostLook
from email_engine.pipelines.mta_health.news import tell
from email_engine.pipelines.run import Run
from email_engine.store.deployment import deployments
from email_engine.store.deployment.deployments import Busy, Deployment, host_lock
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips
from email_engine.store.hosts import health, hosts
from email_engine.store.hosts.hosts import SeenHost
from email_engine.store.hosts.trouble import strangers_by_host
from email_engine.store.judgement.decisions import newest

log = logging.getLogger(__name__)


def check(store: Store, clients: Clients, mta_host: str, run: Run) -> dict[str, Any]:
    """Looks at one host, holds again what must stand still there, judges, and tells people what changed.

    One alert a condition, cleared when it is well again; what could not be seen changes no alert. A host that is away
    fails nothing: that is a finding. A dry run looks and judges; it writes nothing and so does not see the clock, nor does a
    look at a host all of whose tenants are in `observe`.
    Returns `{"host", "worst", "put_back", "checks"}`, checks as name to level."""
    policy = shipped_health_policy()
    with store.session(tenant="*") as conn:
        seen = hosts.load_host(conn, mta_host)
        last = deployments.last_verified(conn, mta_host)
        expected = _expected(conn, store, seen, last, run)
        acts = Mode.ACT in deployments.load_modes(conn, mta_host).values()
    config, writes = (last.config if last else None), acts and not run.dry_run
    facts = HostLook(store, clients, seen, config, writes, run).facts()
    if facts.groups is not None:
        with store.session(tenant="*") as conn:
            facts = replace(facts, groups=_aged(conn, mta_host, facts.groups, run, policy.behind))
    findings = judge(facts, expected, seen.health, policy, run.as_of)
    for finding in findings:
        level = log.info if finding.level in (Level.GOOD, Level.INFO) else log.warning
        level("%s: %s: %s", finding.level, finding.check, finding.told)
    row = seen_row(facts, expected, findings, run.as_of)
    if not run.dry_run:
        with store.session(tenant="*") as conn:
            _record(conn, seen, facts, findings, row, policy, run)
    return {
        "host": mta_host,
        "worst": row["worst"],
        "put_back": list(facts.put_back),
        "checks": {str(finding.check): str(finding.level) for finding in findings},
    }


def _record(
    conn: Connection,
    seen: SeenHost,
    facts: Facts,
    findings: tuple[HealthFinding, ...],
    row: dict[str, Any],
    policy: HealthPolicy,
    run: Run,
) -> None:
    name, ids = seen.host.name, {"dag_id": run.dag_id, "run_id": run.run_id}
    kept = memory(facts, seen.health, run.as_of) | {"checks": dict(report(findings))}
    hosts.save_health(conn, name, kept, run.as_of)
    is_newest = health.save_look(conn, name, run.as_of, policy.kept, **row, **ids)
    if is_newest and facts.groups is not None:
        health.save_queues(conn, name, run.as_of, facts.groups)
    tell(conn, name, findings, run)


def _expected(conn: Connection, store: Store, seen: SeenHost, last: Deployment | None, run: Run) -> Expected:
    name = seen.host.name
    applying = deployments.interrupted(conn, name) is not None
    busy = applying and _under_way(store, name)
    return Expected(
        version=seen.host.version,
        digest=last.digest if last else None,
        under_way=busy,
        allowance=_allowance(conn, name, run),
        interrupted=applying and not busy,
        deployed_at=health.deployed_at(conn, name),
        unknown_sources=strangers_by_host(conn, run.as_of).get(name, 0),
    )


def _under_way(store: Store, mta_host: str) -> bool:
    try:
        with host_lock(store, mta_host):
            return False
    except Busy:
        return True


def _aged(
    conn: Connection, mta_host: str, seen: tuple[QueueGroup, ...], run: Run, behind: timedelta
) -> tuple[QueueGroup, ...]:
    before = health.earlier_looks(conn, mta_host)
    oldest = min((looks[0].at for looks in before.values() if looks), default=None)
    return follow(seen, before, health.departures(conn, mta_host, oldest), run.as_of, behind)


def _allowance(conn: Connection, mta_host: str, run: Run) -> int:
    """Messages a day of all IPs there that send."""
    day = run.no_earlier_than(newest(conn)).as_of.date()
    return sum(ip.allowance for ip in load_ips(conn, day=day, mta_host=mta_host) if ip.sends)
