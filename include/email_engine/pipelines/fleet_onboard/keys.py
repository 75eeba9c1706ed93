"""The first DKIM keys of new domains."""

import logging
from collections.abc import Collection
from typing import Any

from email_engine.pipelines.clients import Clients
from email_engine.pipelines.dkim_rotate.make import make_keys
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips

log = logging.getLogger(__name__)


def first_keys(
    store: Store, clients: Clients, tenant: str, addresses: Collection[str], run: Run
) -> dict[str, Any]:
    """Makes the key of each of these IPs' domains on its host, as far as the fleet has them. Returns counts.

    Raises EngineError where a host's keys could not be made, when the others stand."""
    with store.session(tenant=tenant) as conn:
        wanted = {
            ip.domain
            for ip in load_ips(conn, day=run.as_of.date(), tenant=tenant)
            if str(ip.address) in addresses
        }
    done = make_keys(store, clients, tenant, run, wanted)
    for domain in sorted(done.failed):
        log.error("%s: %s", domain, done.failed[domain])
    if done.failed:
        raise done.failed[min(done.failed)]
    return done.as_json(tenant)
