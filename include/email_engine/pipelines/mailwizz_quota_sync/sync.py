"""Quotas: which MailWizz instances there are, and making one of them follow the allowances."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from email_engine.errors import InputError
from email_engine.fleet.model import MailwizzInstance
from email_engine.forms import require_short
from email_engine.mailer.model import DeliveryServer, LastSync, QuotaPlan
from email_engine.mailer.policy import shipped_quota_policy
from email_engine.mailer.quotas import plan_quotas
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.mailwizz_quota_sync.writer import QuotaWriter, observe_api
from email_engine.pipelines.run import Run
from email_engine.store import quota_syncs, versions
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

    Observes API and database, plans, writes server by server (reductions first; each write is compared, read back and
    recorded in its own transaction), and tells people what needs them. A dry run and a tenant in `observe` change
    nothing in MailWizz; observe records its decisions. Returns counts and `changed`.

    Raises EngineError: the database is away; or the API is: then reductions were applied and raises wait; or a server
    could not be written: the others were."""
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
        usage = database.usage_today(run.as_of)
        api_failure = observe_api(clients, instance, servers)
        plan = plan_quotas(records, servers, history, policy, day)
        _show(plan)
        if not run.dry_run:
            _settle(store, instance, history, servers)
        counts: dict[str, Any] = {
            "instance": instance.name, "changes": len(plan.changes), "drift": sum(c.drift for c in plan.changes),
            "refused": len(plan.refusals), "unchanged": plan.unchanged, "changed": 0, "held": 0,
        }  # fmt: skip
        if run.dry_run:
            return counts | {"dry_run": True, "plan": [str(change) for change in plan.changes[:20]]}
        writer = QuotaWriter(store, database, run, instance, version, policy.digest, usage)
        done = writer.apply(plan, records, raises=api_failure is None)
    if api_failure is not None:
        raise api_failure
    done.raise_failures(instance.name)
    return counts | {"changed": done.changed, "held": done.held}


def _settle(
    store: Store,
    instance: MailwizzInstance,
    history: Mapping[int, LastSync],
    servers: Sequence[DeliveryServer],
) -> None:
    """Notes what became of writes that were not verified, before somebody else touches those servers."""

    for server in servers:
        attempt = history[server.server_id].attempt if server.server_id in history else None
        if attempt is None:
            continue
        with store.session(tenant=instance.tenant) as conn:
            found = quota_syncs.settle(conn, attempt, server)
        log.info(
            "server %d: an earlier write was not verified; it counts as %s",
            server.server_id, found or "half written",
        )  # fmt: skip


def _show(plan: QuotaPlan) -> None:
    for change in plan.changes:
        log.info("%s", change)
    for refusal in plan.refusals:
        log.warning("%s", refusal)
    log.info(
        "%s: %d changes, %d servers as they should be or left alone, %d findings",
        plan.day, len(plan.changes), plan.unchanged, len(plan.refusals),
    )  # fmt: skip
