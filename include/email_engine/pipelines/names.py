"""Names over which a DAG maps its next task: tenants, hosts, MailWizz instances."""

from collections.abc import Callable, Mapping

from email_engine.blocklists.config import load_blocklists
from email_engine.pipelines import mailwizz_quota_sync
from email_engine.pipelines.dkim_rotate.steps import chosen_tenants
from email_engine.pipelines.run import Run
from email_engine.store import dns_checks
from email_engine.store.engine import Store
from email_engine.store.fleet.inventory import load_fleet
from email_engine.store.stops import silences
from email_engine.store.stops.brakes import engaged
from email_engine.store.stops.named_lists import to_ask
from email_engine.warmup.policy_file import load_policy


def tenants(store: Store, run: Run) -> list[str]:
    """All of the fleet in the database."""
    with store.session(tenant="*") as conn:
        return [tenant.name for tenant in load_fleet(conn).tenants]


def tenants_with_ips(store: Store, run: Run) -> list[str]:
    """None where the run is about one domain that a person named."""
    if str(run.params.get("domain") or "").strip():
        return []
    with store.session(tenant="*") as conn:
        return list(dns_checks.tenants_to_check(conn))


def mta_hosts(store: Store, run: Run) -> list[str]:
    """All of the fleet in the database."""
    with store.session(tenant="*") as conn:
        return [host.name for host in load_fleet(conn).mta_hosts]


def hosts_with_brakes(store: Store, run: Run) -> list[str]:
    """MTA hosts that carry a brake, also one that was seen to hold, or whose campaigns wait to go on; `[]` in a dry run.

    Looking again costs two commands a host, and finds what a person, a restart or another program took off since the
    last look, and what earlier runs could not put on or take off."""
    if run.dry_run:
        return []
    with store.session(tenant="*") as conn:
        waiting = {one.mta_host for one in silences.to_resume(conn)}
        return sorted({brake.mta_host for brake in engaged(conn, providers=True)} | waiting)


def hosts_with_open_brakes(store: Store, run: Run) -> list[str]:
    """MTA hosts whose queues do not yet stand as the brakes in the database say. A brake that was seen to hold is not among
    them; `brake_watch` looks at every one again."""
    with store.session(tenant="*") as conn:
        waiting = {
            brake.mta_host
            for brake in engaged(conn, providers=True)
            if brake.release_asked_at is not None or not (brake.powermta_holds and brake.mailwizz_holds)
        }
    return sorted(waiting)


def named_lists(store: Store, run: Run) -> list[str]:
    """Block lists that receivers named in their replies and that nobody asked since; `[]` in a dry run."""
    if run.dry_run:
        return []
    with store.session(tenant="*") as conn:
        return list(to_ask(conn, run.as_of.date(), load_policy().named_lists.days, load_blocklists()[0]))


NAMES: Mapping[str, Callable[[Store, Run], list[str]]] = {
    "tenants": tenants,
    "tenants with IPs": tenants_with_ips,
    "MTA hosts": mta_hosts,
    "hosts with brakes": hosts_with_brakes,
    "hosts with open brakes": hosts_with_open_brakes,
    "named lists": named_lists,
    "tenants with DKIM keys": chosen_tenants,
    "mailwizz": mailwizz_quota_sync.instances,
}
"""What `ListNames` can be asked for."""
