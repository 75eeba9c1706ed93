"""Closing the day of the warm-up: one tenant decided, the hosts to brake named, the new allowances published."""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection

from email_engine.errors import InputError
from email_engine.fleet.model import SENDING_STATES
from email_engine.pipelines.run import Run
from email_engine.pipelines.warmup_news import capacity_news, capacity_of, day_news
from email_engine.store.accounting.worst_mail import with_worst_mail
from email_engine.store.engine import ALL_TENANTS, Store
from email_engine.store.fleet.ips import lock_ips
from email_engine.store.judgement import observations, policies, warmup
from email_engine.store.judgement.outages import outage_spans
from email_engine.store.judgement.warmup import last_decided
from email_engine.store.telling.alerts import announce
from email_engine.store.telling.owed import owe
from email_engine.warmup.capacity_plan import capacity_words
from email_engine.warmup.observation import midnight
from email_engine.warmup.plan import IpDecision, plan_tenant
from email_engine.warmup.policy import Policy
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.rows import Writing, rows_of
from email_engine.warmup.snapshot import policy_document

MOST_DAYS = 60


log = logging.getLogger(__name__)


def close_days(store: Store, tenant: str, run: Run) -> dict[str, Any]:
    """Closes the UTC day of one tenant, and before it every day that was missed (60 at most), in one transaction.

    For each IP: a decision with its inputs, and in `act` the day's statistics, plan, state, allowance from the day after on,
    and the brake for every IP that stops. A day that was decided is left alone, so running it again changes nothing. A dry
    run does the same work and rolls it back. Returns `{"tenant", "days", "version", "actions", "stopped"}`.
    Its log ends with the capacity plan: who has to wait for the tenant's quota, why and until when.

    Raises InputError: param `day` is not over yet; nothing was decided."""
    policy = load_policy()
    _require_over(run)
    with store.session(tenant=tenant) as conn:
        lock_ips(conn, tenant)
        days = _open_days(conn, tenant, run.day)
        ip_decisions, version = _close(store, conn, tenant, days, policy, run)
        told = owe(conn, tenant, run.dag_id, run.run_id) if ip_decisions else None
        plan = capacity_of(conn, ip_decisions, policy, days, run)
        if run.dry_run:
            log.info("dry run: everything is rolled back")
            conn.rollback()
    if not run.dry_run:
        with store.session(tenant="*") as conn:
            news = [*day_news(conn, tenant, days, ip_decisions, run), *capacity_news(conn, plan, run)]
        announce(store, news, told)
    for one in ip_decisions:
        log.info("%s %s: %s", one.observation.ip.address, one.proposal.action, one.reason)
    for line in capacity_words(plan) if plan is not None else ():
        log.info(line)
    return {
        "tenant": tenant,
        "days": [day.isoformat() for day in days],
        "version": None if run.dry_run else version,
        "actions": dict(Counter(str(one.proposal.action) for one in ip_decisions)),
        "stopped": [str(one.observation.ip.address) for one in ip_decisions if one.stops],
    }


def _close(
    store: Store, conn: Connection, tenant: str, days: Sequence[date], policy: Policy, run: Run
) -> tuple[list[IpDecision], int | None]:

    effective = run.day + timedelta(days=1)
    version: int | None = None
    all_outcomes: list[IpDecision] = []
    policies.remember(conn, policy.digest, policy_document(policy))
    for day in days:
        known = warmup.decided(conn, tenant, day)
        with store.session(tenant=ALL_TENANTS) as every:
            spans = outage_spans(every, day, midnight(day + timedelta(days=1)), policy)
        seen = observations.observe(conn, tenant, day, effective, policy, known_until=run.as_of, spans=spans)
        promised: Counter[str] = Counter()
        for observation in seen:
            if str(observation.ip.address) in known and observation.ip.state in SENDING_STATES:
                promised[observation.ip.stream] += observation.standing
        todo = [observation for observation in seen if str(observation.ip.address) not in known]
        ip_decisions = with_worst_mail(
            conn,
            plan_tenant(todo, policy, observations.quotas(conn, tenant), day, effective, promised),
        )
        writing = Writing(day, effective, run.origin, policy.digest, policy)
        version = warmup.record(conn, rows_of(ip_decisions, writing), writing) or version
        all_outcomes += ip_decisions
    return all_outcomes, version


def _require_over(run: Run) -> None:
    """A day that is not over has no accounting yet, and what waits for a date (a pause, a quarantine) would end early."""

    if run.day >= run.as_of.date():
        raise InputError(
            "param day", f"{run.day} is not over at {run.as_of:%Y-%m-%d %H:%M} UTC", "a UTC day before the run's",
            "trigger again with an earlier day, or leave it empty",
        )  # fmt: skip


def _open_days(conn: Connection, tenant: str, day: date) -> list[date]:
    """The days from the one after the last decided up to `day`, newest 60; `day` itself again for IPs that are new.

    A day before the last decided one is over: nothing is decided for it any more."""

    last = last_decided(conn, tenant)
    if last is None:
        return [day]
    if day < last:
        return []
    first = max(min(last + timedelta(days=1), day), day - timedelta(days=MOST_DAYS - 1))
    return [first + timedelta(days=n) for n in range((day - first).days + 1)]
