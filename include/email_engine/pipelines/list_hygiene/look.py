"""The recipient lists of one MailWizz instance, looked at list by list; it changes nothing in MailWizz."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from email_engine.adapters.mailwizz_lists import MailwizzLists, RecipientList, opened_lists
from email_engine.adapters.private_files import keep_only
from email_engine.fleet.model import MailwizzInstance
from email_engine.hygiene.policy import shipped_hygiene_policy
from email_engine.hygiene.report import ListReport, summed_cannot, summed_silent
from email_engine.mailer.policy import shipped_quota_policy
from email_engine.mailer.unreadable import Unreadable
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.list_hygiene.domain_book import DomainBook
from email_engine.pipelines.list_hygiene.files import file_name, findings_file, folder_of
from email_engine.pipelines.list_hygiene.looking import Looking, NotWhole, TimeIsUp, looking
from email_engine.pipelines.list_hygiene.news import tell
from email_engine.pipelines.list_hygiene.one_list import look_at_list
from email_engine.pipelines.mailwizz_instance import known_instance
from email_engine.pipelines.run import Run
from email_engine.store import hygiene
from email_engine.store.engine import Store

log = logging.getLogger(__name__)


def look(
    store: Store, clients: Clients, name: str, run: Run, clock: Callable[[], float] = monotonic
) -> dict[str, Any]:
    """Looks at every recipient list of one instance, those first that were not looked at for longest, until the time of a run is up.

    Each list has its report in a transaction of its own and its file (`EMAIL_ENGINE_HYGIENE`), so that a kill costs the list under way.
    No address reaches a log, an error or what is returned. A dry run looks, and writes neither rows nor files.

    Returns `{"instance", "lists", "left", "subscribers", "cannot", "silent"}`: lists looked at, lists that were not read or wait for the next
    run, and sums over the lists, None where not known; `"unknown"` says why something could not be read. Raises InputError for an instance that is not in the fleet,
    Unreachable and AccessDenied where MailWizz's database is away or refuses the login, Refused for a folder that cannot be written;
    reports made so far stand."""
    instance, policy = known_instance(store, name), shipped_hygiene_policy()
    until = clock() + policy.minutes * 60
    book = DomainBook(clients.resolver, policy.well_known, until, clock)
    with store.session(tenant=instance.tenant) as conn:
        looked = hygiene.last_looked(conn, name)
    with clients.mailwizz_db(instance.db_connection) as database, opened_lists(database.database) as mailwizz:
        found = mailwizz.lists()
        if isinstance(found, Unreadable):
            log.warning("%s: %s. Next: %s", name, found.told, found.next_step or "nothing")
            return {"instance": name, "unknown": found.told[:300]}
        opens = shipped_quota_policy().opens
        how = looking(mailwizz, policy, opens, book, run.as_of, until, clock)
        ordered = sorted(found, key=lambda one: (one.uid in looked, looked.get(one.uid), one.list_id))
        reports, unknown = _look_at_all(store, mailwizz, instance, ordered, how, run)
    if not run.dry_run:
        keep_only(folder_of(name), [file_name(one.uid) for one in found] if policy.files else ())
        tell(store, instance, reports, run)
    return {
        "instance": name, "lists": len(reports), "left": len(found) - len(reports),
        "subscribers": sum(report.counts["subscribers"] for report in reports),
        "cannot": summed_cannot(reports), "silent": summed_silent(reports),
    } | ({"unknown": unknown} if unknown else {})  # fmt: skip


def _look_at_all(
    store: Store,
    mailwizz: MailwizzLists,
    instance: MailwizzInstance,
    lists: list[RecipientList],
    how: Looking,
    run: Run,
) -> tuple[list[ListReport], str]:
    """Reports, and why a list was not read."""
    reports: list[ListReport] = []
    unknown = ""
    for one in lists:
        try:
            reports.append(_look_at(store, mailwizz, instance, one, how, run))
            log.info("%s", reports[-1].words)
        except TimeIsUp:
            left = len(lists) - len(reports)
            log.warning("%s: the time is up; %d lists come first in the next run", instance.name, left)
            break
        except NotWhole as error:
            unknown = str(error)[:300]
            log.warning("%s: list %s was not read: %s", instance.name, one.uid, error)
    return reports, unknown


def _look_at(
    store: Store,
    mailwizz: MailwizzLists,
    instance: MailwizzInstance,
    one: RecipientList,
    how: Looking,
    run: Run,
) -> ListReport:
    with findings_file(instance.name, one.uid, written=how.policy.files and not run.dry_run) as note:
        report = look_at_list(mailwizz, one, how, note)
        if not run.dry_run:
            with store.session(tenant=instance.tenant) as conn:
                hygiene.keep(conn, instance.tenant, instance.name, report, run.origin)
    return report
