"""Which campaigns and customers a stop leaves without a delivery server. Nothing waits for the answer: a stop asks when it stands, a
dry run before."""

import logging
from collections import defaultdict
from collections.abc import Collection

from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.errors import EngineError
from email_engine.fleet.model import IpRecord, Mode
from email_engine.lifecycle.scope import choose, read_scope
from email_engine.mailer.learning import servers_naming
from email_engine.mailer.left_without import left_without
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from email_engine.store.fleet.inventory_read import load_fleet
from email_engine.store.fleet.ips import load_ips

log = logging.getLogger(__name__)


def left_now(database: MailwizzDb, mailwizz: str, off: Collection[int]) -> str | None:
    """A sentence about servers that were just switched off; None where nobody is left without, or nothing is known."""
    if not off:
        return None
    try:
        return left_without(database.senders(), database.servers(), off).words(mailwizz)
    except EngineError as error:
        log.warning("whom the stop leaves without a delivery server is not known: %s", error)
        return None


def foresee(store: Store, clients: Clients, run: Run) -> list[str]:
    """The same of the stop that a form asks for, a sentence a MailWizz; one that cannot be asked is named. Nothing is changed."""
    with store.session(tenant="*") as conn:
        records = load_ips(conn, day=run.as_of.date())
        connections = {one.name: one.db_connection for one in load_fleet(conn).mailwizz_instances}
    by_instance: dict[str, list[IpRecord]] = defaultdict(list)
    for ip in choose(records, read_scope(run.params.get("scope")), run.params.get("name")):
        if ip.mode is Mode.ACT:
            by_instance[ip.mailwizz].append(ip)
    told = []
    for name, those in sorted(by_instance.items()):
        try:
            with clients.mailwizz_db(connections[name]) as database:
                servers, senders = database.servers(), database.senders()
        except EngineError as error:
            told.append(f"Whom it leaves without a delivery server of {name} is not known: {error}")
            continue
        off = {one.server_id for ip in those for one in servers_naming(ip.vmta, servers) if one.setting.runs}
        words = left_without(senders, servers, off).words(name) if off else None
        told += [words] if words else []
    return told
