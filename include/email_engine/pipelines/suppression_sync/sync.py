"""Suppression of one MailWizz instance: judged, told, read back, counted."""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from email_engine.accounting.sealing import sealer_from_environment
from email_engine.adapters.mailwizz_people import MailwizzPeople, Pace
from email_engine.decision import Decision
from email_engine.errors import InputError
from email_engine.fleet.model import MailwizzInstance, Mode
from email_engine.fleet.providers import OTHER
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.pipelines.suppression_sync.carry import Carrier
from email_engine.pipelines.suppression_sync.news import tell
from email_engine.pipelines.suppression_sync.unseen import Unseen
from email_engine.store.accounting.provider_hours import outages_within
from email_engine.store.engine import ALL_TENANTS, Store
from email_engine.store.fleet.inventory import load_fleet
from email_engine.store.judgement import decisions
from email_engine.store.schema import delivery_stats
from email_engine.store.suppression import counted, judged
from email_engine.store.suppression.copies import copy_open
from email_engine.suppression.judgement import Judgement, State, Waiting, judge
from email_engine.suppression.outage import Outage, Outages
from email_engine.suppression.policy import SuppressionPolicy, shipped_suppression_policy
from email_engine.suppression.reasons import Reason
from email_engine.warmup.policy_file import load_policy

PIPELINE = "suppression_sync"
log = logging.getLogger(__name__)


def sync(store: Store, clients: Clients, name: str, run: Run) -> dict[str, Any]:
    """Suppresses in one MailWizz instance what its bounces and complaints call for.

    Judges what the accounting files brought, in one transaction; then tells MailWizz recipient by recipient, reads back, and counts
    each exactly once (its row says before that it is about to be told). A dry run writes nothing; a tenant in `observe` gets its
    judgements and MailWizz hears nothing. Param `again`: findings are tried once more.

    Returns counts: judged in this run `hard`, `soft`, `complaint` (to be suppressed), `held`, `excused`; `posted` = `stored` + `already` +
    `not_ours` + `findings`; `open` is left.

    Raises EngineError: the database or MailWizz is away or refuses us; what was counted stays counted."""
    instance, mode, others = _instance(store, name)
    policy = shipped_suppression_policy()
    judgements, rows, outages = _judge(store, instance, mode, others, policy, run)
    reasons = {row.row_id: row.reason for row in rows}
    opened = Counter(reasons[one.row_id].value for one in judgements if one.state is State.OPEN)
    counts: dict[str, Any] = {"instance": name} | {reason.value: opened[reason.value] for reason in Reason}
    for state in (State.HELD, State.EXCUSED):
        counts[state.value] = sum(one.state is state for one in judgements)
    if run.dry_run:
        log.info("%s: dry run: %s", name, counts)
        return counts | {"dry_run": True}
    if mode is Mode.ACT:
        with clients.mailwizz_api(instance.api_connection) as api:
            people = MailwizzPeople(api, Pace(policy.requests_per_second))
            unseen = Unseen(clients, instance, people)
            Carrier(store, people, instance, run, policy, sealer_from_environment(), unseen.why).carry()
    with store.session(tenant=instance.tenant) as conn:
        done = counted.tally(conn, name, run.dag_id, run.run_id)
        left, findings = counted.count_open(conn, name), counted.findings(conn, name)
    tell(store, instance, run, findings, outages)
    counts |= {
        "posted": done.posted, "stored": done.stored, "already": done.already, "not_ours": done.not_ours,
        "findings": done.findings, "open": left,
    }  # fmt: skip
    log.info("%s: %s", name, ", ".join(f"{what} {n}" for what, n in counts.items()))
    return counts


def _instance(store: Store, name: str) -> tuple[MailwizzInstance, Mode, tuple[str, ...]]:
    """The instance, its tenant's mode, and the tenant's other instances."""
    with store.session(tenant=ALL_TENANTS) as conn:
        fleet = load_fleet(conn)
    instance = next((one for one in fleet.mailwizz_instances if one.name == name), None)
    if instance is None:
        raise InputError(
            f"MailWizz {name}", "not in the fleet", "a known instance", "clear the first task too"
        )
    mode = next(tenant.mode for tenant in fleet.tenants if tenant.name == instance.tenant)
    all_of_it = [one.name for one in fleet.mailwizz_instances if one.tenant == instance.tenant]
    return instance, mode, tuple(each for each in all_of_it if each != name)


def _judge(
    store: Store,
    instance: MailwizzInstance,
    mode: Mode,
    others: Sequence[str],
    policy: SuppressionPolicy,
    run: Run,
) -> tuple[tuple[Judgement, ...], tuple[Waiting, ...], tuple[Outage, ...]]:
    with store.session(tenant=instance.tenant) as conn:
        if not run.dry_run:
            judged.forget_old(conn, instance.name, run.as_of - timedelta(days=policy.keep_days))
            if run.params.get("again"):
                counted.try_findings_again(conn, instance.name)
        rows = judged.waiting(conn, instance.name)
        hard = [row for row in rows if row.reason is Reason.HARD]
        outages = _outages(store, [row for row in rows if row.reason is not Reason.COMPLAINT], policy, run)
        excused = judged.excused_at(conn, {row.recipient for row in hard if row.recipient})
        judgements = judge(rows, outages, excused, policy, run.as_of)
        if not run.dry_run:
            judged.write(conn, judgements, instance.name, run.origin)
            copy_open(conn, [one.row_id for one in judgements if one.state is State.OPEN], others)
            _decide(conn, instance, mode, policy, run, judgements)
    standing = tuple(one for each in outages.values() for one in each if not one.over)
    return judgements, rows, standing


def _outages(store: Store, bounced: Sequence[Waiting], policy: SuppressionPolicy, run: Run) -> Outages:
    """Of the providers that the rows name, since before the oldest of them; read apart, for every tenant's mail counts."""
    providers = {row.provider for row in bounced} - {OTHER}
    if not providers:
        return {}
    since = min(row.at for row in bounced) - timedelta(
        hours=policy.outage.longest_hours + policy.outage.hours
    )
    asked = delivery_stats.c.provider.in_(sorted(providers)) & (delivery_stats.c.hour >= since)
    limit = load_policy().gates.bounces.limit
    with store.session(tenant=ALL_TENANTS) as conn:
        return outages_within(conn, [asked], policy.outage, limit, run.as_of).outages


def _decide(
    conn: Connection,
    instance: MailwizzInstance,
    mode: Mode,
    policy: SuppressionPolicy,
    run: Run,
    judgements: Sequence[Judgement],
) -> None:
    """One row a run that opened anything: how many, and why."""
    why = Counter(one.why for one in judgements if one.state is State.OPEN)
    if not why:
        return
    reason = "; ".join(f"{number}: {text}" for text, number in sorted(why.items()))
    decision = Decision(
        tenant=instance.tenant, pipeline=PIPELINE, subject=f"MailWizz {instance.name}", run_key=run.run_id,
        kind="suppression", action="suppress", reason=reason, as_of=run.as_of, policy_digest=policy.digest,
        applied=mode is Mode.ACT, inputs={"recipients": sum(why.values())},
    )  # fmt: skip
    decisions.record(conn, decision, run.dag_id, run.run_id)
