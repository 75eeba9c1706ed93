"""One MailWizz instance: what people and machines opened and clicked of the mail of the last days, by sending IP."""

import logging
from datetime import timedelta
from typing import Any

from email_engine.adapters.mailwizz_opens import OpensSeen, read_opens
from email_engine.errors import AccessDenied, Unreachable
from email_engine.mailer.opens import OpenCounts, OpensPolicy
from email_engine.mailer.policy import shipped_quota_policy
from email_engine.mailer.unreadable import Unreadable
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.mailwizz_instance import known_instance
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store.engine import Store
from email_engine.store.judgement import opens
from email_engine.warmup.observation import midnight

log = logging.getLogger(__name__)


def count(store: Store, clients: Clients, name: str, run: Run) -> dict[str, Any]:
    """Counts the mail of the last days anew and writes it over what stood there, so that running it twice changes nothing.

    Fails nothing where MailWizz is away or refuses the login: `mailwizz_health` tells that, and the next run counts the same days. Where a
    table cannot be read, or MailWizz noted no open at all, nothing is written: unknown is not none. A dry run counts and writes nothing.

    Returns `{"instance", "opened", "machine_opened", "clicked", "machine_clicked", "rows", "unplaced", "written"}`, or `{"instance", "unknown"}`
    with why. Raises InputError for an instance that is not in the fleet."""
    instance, policy = known_instance(store, name), shipped_quota_policy().opens
    first = run.as_of.date() - timedelta(days=policy.days)
    try:
        with clients.mailwizz_db(instance.db_connection) as database:
            seen = read_opens(database.database, midnight(first), policy)
    except (Unreachable, AccessDenied) as error:
        log.warning("%s", error)
        return {"instance": name, "unknown": error.observed[:300]}
    if isinstance(seen, Unreadable):
        step = f". Next: {seen.next_step}" if seen.next_step else ""
        log.warning("%s: opens are not known: %s%s", name, seen.told, step)
        return {"instance": name, "unknown": seen.told[:300]}
    if not seen.counts:
        told = f"MailWizz noted no open of the mail since {first}: nobody opened, or opens are not tracked"
        log.info("%s: %s", name, told)
        return {"instance": name, "unknown": told}
    whole = OpenCounts().and_also(seen.counts.values())
    _show(name, seen, whole, policy)
    written = 0
    if not run.dry_run:
        with store.session(tenant=instance.tenant) as conn:
            ips = opens.sending_ips(conn, name)
            written = opens.keep(conn, ips, seen.counts, first, run.as_of)
    return {
        "instance": name, "opened": whole.opened, "machine_opened": whole.machine_opened, "clicked": whole.clicked,
        "machine_clicked": whole.machine_clicked, "rows": seen.rows, "unplaced": seen.unplaced, "written": written,
    }  # fmt: skip


def _show(name: str, seen: OpensSeen, whole: OpenCounts, policy: OpensPolicy) -> None:
    log.info(
        "%s: mail of the last %d days: opened by %d people, by machines alone for %d; clicked by %d, by machines alone for %d."
        " Machines are %d known user agents, and whatever comes within %d seconds; opens through another proxy count as people's",
        name, policy.days, whole.opened, whole.machine_opened, whole.clicked, whole.machine_clicked,
        len(policy.machine_agents), policy.machine_within.total_seconds(),
    )  # fmt: skip
    if seen.unplaced:
        whom = amount(seen.unplaced, "recipient")
        log.info("%s: %s did so with older mail, or with mail that no delivery log has", name, whom)
