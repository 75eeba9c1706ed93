"""The fleet file comes into the database."""

import logging
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from email_engine.decision import Decision
from email_engine.fleet.inventory import plan_inventory, render_plan
from email_engine.fleet.names_file import write_names
from email_engine.fleet.read import read_fleet
from email_engine.paths import CONFIG
from email_engine.pipelines.host_moves import stop_moving
from email_engine.pipelines.new_domains import limit_new_domains
from email_engine.pipelines.run import Run
from email_engine.store import dkim_keys
from email_engine.store.engine import Store
from email_engine.store.fleet.inventory import apply_inventory, load_fleet, load_removed, lock
from email_engine.store.judgement import decisions
from email_engine.store.stops import brakes
from email_engine.store.stops.removed_ips import RemovedIp, removed_ips
from email_engine.warmup.policy_file import load_policy

log = logging.getLogger(__name__)


def sync_fleet(store: Store, path: Path, run: Run) -> dict[str, Any]:
    """The fleet file at `path` comes into the database.

    An IP that left the file while it was sending gets a brake in the same transaction: its virtual MTA stays on the host
    until a person approves the deployment without it, and its MailWizz server would go on filling it.

    A domain that comes to a sending IP begins its own warm-up, and the IP's allowance of today falls to it.

    An IP whose MTA host changes is braked at the old one, and comes to the new one when that sends from it no more.

    Returns `{"tenants": [...], "hosts": [...], "mailwizz": [...], "changed": bool}` with the names of the wanted
    fleet. Changes nothing when the database has this inventory already; a dry run shows the plan and writes nothing
    (then the names are those of the database, over which the rest of a dry run can be computed).

    Raises:
        FleetInvalid: every mistake in the file, with its line; the inventory stays as it was.
        GuardBreach: the plan removes too much or moves something to another tenant."""
    fleet = read_fleet(path, run.as_of.date())
    with store.session(tenant="*") as conn:
        lock(conn)
        existing = load_fleet(conn)
        plan = plan_inventory(fleet, existing, load_removed(conn), dkim_keys.selectors(conn))
        log.info("%s", render_plan(plan))
        changed = False
        if run.dry_run:
            plan.raise_if_unsafe()
            fleet = existing
        else:
            changed = apply_inventory(
                conn, plan, as_of=run.as_of, dag_id=run.dag_id, run_id=run.run_id, actor=run.actor
            )
            for one in limit_new_domains(conn, load_policy(), run):
                log.warning(
                    "%s has the new domain %s: that warms up on its own ladder", one.address, one.domain
                )
            for going in stop_moving(conn, run):
                log.warning(
                    "%s moves from %s to %s: its mail stops", going.address, going.mta_host, going.moving_to
                )
            for ip in stop_removed(conn, run):
                log.warning(
                    "%s (%s) left the fleet file while it was %s: its mail stops",
                    ip.address,
                    ip.vmta,
                    ip.state,
                )
    # the trigger forms offer these names; the example that ships is nobody's fleet
    if not run.dry_run and path.parent != CONFIG and not write_names(path, fleet):
        log.info("no names beside %s: its folder cannot be written to", path.name)
    return {
        "tenants": [tenant.name for tenant in fleet.tenants],
        "hosts": [host.name for host in fleet.mta_hosts],
        "mailwizz": [instance.name for instance in fleet.mailwizz_instances],
        "changed": changed,
    }


def stop_removed(conn: Connection, run: Run) -> tuple[RemovedIp, ...]:
    """Writes a decision and a brake for every IP that left the fleet file while it was sending; `ApplyBrakes` acts on it."""

    gone = removed_ips(conn)
    reason = "it left the fleet file"
    for ip in gone:
        decision = decisions.record(
            conn,
            Decision(
                tenant=ip.tenant, pipeline="fleet", subject=str(ip.address), run_key=ip.left_at.isoformat(),
                action="stop", reason=reason, as_of=run.as_of, policy_digest="fleet file",
                inputs={"state": str(ip.state), "vmta": ip.vmta, "mta_host": ip.mta_host},
            ),
            run.dag_id, run.run_id,
        )  # fmt: skip
        brakes.engage(conn, ip, reason, run.origin, decision)
    return gone
