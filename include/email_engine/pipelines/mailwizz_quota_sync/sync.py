"""Quotas: which MailWizz instances there are, and making one of them follow the allowances."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.errors import EngineError, InputError
from email_engine.fleet.model import IpRecord, MailwizzInstance
from email_engine.forms import require_short
from email_engine.mailer.handed_over import SETTLED, HandedOver
from email_engine.mailer.model import DeliveryServer, LastSync, QuotaPlan
from email_engine.mailer.policy import shipped_quota_policy
from email_engine.mailer.quotas import plan_quotas
from email_engine.mailer.senders import NOBODY_KNOWN, Senders
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.mailwizz_quota_sync.api import observe_api
from email_engine.pipelines.mailwizz_quota_sync.record import SyncRecord
from email_engine.pipelines.mailwizz_quota_sync.writer import QuotaWriter
from email_engine.pipelines.run import Run
from email_engine.store import quota_syncs, versions
from email_engine.store.accounting.day_counts import accounted_on
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.fleet.inventory import load_fleet
from email_engine.store.judgement import decisions

log = logging.getLogger(__name__)


def instances(store: Store, run: Run) -> list[str]:
    """Names of the MailWizz instances in the engine's database; param `instance` picks one of them."""
    require_short(run.params)
    wanted = run.params.get("instance")
    with store.session(tenant="*") as conn:
        known = [instance.name for instance in load_fleet(conn).mailwizz_instances]
    if wanted and wanted not in known:
        listed = ", ".join(known) or "none"
        raise InputError(
            "param instance", repr(wanted), f"one of: {listed}", "trigger again with a known name"
        )
    return [wanted] if wanted else known


def sync(store: Store, clients: Clients, name: str, run: Run) -> dict[str, Any]:
    """Makes the delivery servers of one MailWizz instance follow the allowances of the run's UTC day, or of the newest day
    for which anything was decided: an old run that is cleared brings no old quotas back.

    Observes API and database, plans, writes in batches (reductions first; each write is noted before it is tried, compared
    and read back), and tells people what needs them. A dry run and a tenant in `observe` change
    nothing in MailWizz; observe records its decisions. Returns counts and `changed`.

    Raises EngineError: the database is away; or the API shows another installation's servers: then nothing was written; or a
    server could not be written: the others were. An API that shows none is told, and the quotas follow without it."""
    with store.session(tenant="*") as conn:
        fleet = load_fleet(conn)
    for instance in fleet.mailwizz_instances:
        if instance.name == name:
            return _sync(store, clients, run, instance)
    raise InputError(f"MailWizz {name}", "not in the fleet", "a known instance", "clear the first task too")


def _sync(store: Store, clients: Clients, run: Run, instance: MailwizzInstance) -> dict[str, Any]:
    policy = shipped_quota_policy()
    with store.session(tenant=instance.tenant) as conn:
        run = run.no_earlier_than(decisions.newest(conn))
        day = run.as_of.date()
        records = ips.load_ips(conn, day=day, mailwizz=instance.name)
        history = quota_syncs.history(conn, instance.name)
        version = versions.current(conn)
    with clients.mailwizz_db(instance.db_connection) as database:
        servers = database.servers()
        api_failure = observe_api(clients, instance, servers)
        if api_failure is not None:
            log.warning("the API shows no delivery servers: %s", api_failure)
        plan = plan_quotas(records, servers, history, policy, day, _senders(database))
        _show(plan)
        if not run.dry_run:
            _settle(store, instance, history, servers)
            with store.session(tenant=instance.tenant) as conn:
                ips.learn_servers(conn, plan.learned)
        counts: dict[str, Any] = {
            "instance": instance.name, "changes": len(plan.changes), "drift": sum(c.drift for c in plan.changes),
            "refused": len(plan.refusals), "unchanged": plan.unchanged, "changed": 0, "held": 0,
        }  # fmt: skip
        if run.dry_run:
            return counts | {"dry_run": True, "plan": [str(change) for change in plan.changes[:20]]}
        records = tuple(
            replace(r, mailwizz_server_id=plan.learned.get(r.ip_id, r.mailwizz_server_id)) for r in records
        )
        handed, usage_failure = _handed_over(store, database, run, instance, records)
        record = SyncRecord(run, instance, version, policy.digest, handed, usage_failure, api_failure)
        writer = QuotaWriter(store, database, run, instance, version, record, records)
        done = writer.apply(plan)
    done.raise_failures(instance.name)
    return counts | {"changed": done.changed, "held": done.held}


def _handed_over(
    store: Store, database: MailwizzDb, run: Run, instance: MailwizzInstance, records: Sequence[IpRecord]
) -> tuple[HandedOver, EngineError | None]:
    """Messages so far today, for the record alone: why MailWizz's log cannot be read is told and stops nothing."""
    servers = [record.mailwizz_server_id for record in records if record.mailwizz_server_id is not None]
    with store.session(tenant=instance.tenant) as conn:
        accounted = accounted_on(conn, [record.ip_id for record in records], run.as_of.date())
    try:
        usage = database.usage_today(run.as_of, servers)
        settled = database.usage_today(run.as_of, servers, until=run.as_of - SETTLED)
    except EngineError as error:
        log.warning("usage of today is not known: %s", error)
        return HandedOver({}, {}, accounted), error
    return HandedOver(usage, settled, accounted), None


def _senders(database: MailwizzDb) -> Senders:
    """Who uses the servers only explains what they hand over: a failure to read it holds nothing up."""
    try:
        return database.senders()
    except EngineError as error:
        log.warning("who uses the delivery servers is not known: %s", error)
        return NOBODY_KNOWN


def _settle(
    store: Store,
    instance: MailwizzInstance,
    history: Mapping[int, LastSync],
    servers: Sequence[DeliveryServer],
) -> None:
    """Notes what became of writes that were not verified, before somebody else touches those servers."""
    attempts = {n: last.attempt for n, last in history.items() if last.attempt is not None}
    if not attempts:
        return
    with store.session(tenant=instance.tenant) as conn:
        for server in servers:
            if server.server_id in attempts:
                found = quota_syncs.settle(conn, attempts[server.server_id], server)
                log.info(
                    "server %d: an earlier write was not verified; it counts as %s",
                    server.server_id, found or "half written",
                )  # fmt: skip


def _show(plan: QuotaPlan) -> None:
    if plan.learned:
        log.info("%s: delivery servers found by their header", len(plan.learned))
    for change in plan.changes:
        log.info("%s", change)
    for refusal in plan.refusals:
        log.warning("%s", refusal)
    log.info(
        "%s: %d changes, %d servers as they should be or left alone, %d findings",
        plan.day, len(plan.changes), plan.unchanged, len(plan.refusals),
    )  # fmt: skip
