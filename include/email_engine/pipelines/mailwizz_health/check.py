"""One MailWizz instance is looked at and judged by its database."""

import logging
from collections import Counter
from typing import Any

from email_engine.adapters.mailwizz_health import read_health
from email_engine.errors import AccessDenied, InputError, Unreachable
from email_engine.fleet.model import MailwizzInstance
from email_engine.mailer.health import MailwizzFinding, MailwizzLevel, judge_mailwizz
from email_engine.mailer.health_policy import MailwizzHealthPolicy
from email_engine.mailer.policy import shipped_quota_policy
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.mailwizz_health.news import tell, tell_away
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from email_engine.store.fleet.inventory import load_fleet

log = logging.getLogger(__name__)
GRAVITY = tuple(MailwizzLevel)


def check(store: Store, clients: Clients, name: str, run: Run) -> dict[str, Any]:
    """Looks at one instance and opens, counts and ends incidents, one a cause; what could not be read changes none.

    An instance that is away or refuses the login fails nothing: that is an incident too. A dry run looks and judges, and writes
    nothing. Returns `{"instance", "worst", "checks"}`, checks as name to level; `"away"` says why nothing was seen.

    Raises InputError for an instance that is not in the fleet or whose connection is wrong, Refused for a database that is no
    MailWizz's."""
    with store.session(tenant="*") as conn:
        known = {instance.name: instance for instance in load_fleet(conn).mailwizz_instances}
    if name not in known:
        raise InputError(
            f"MailWizz {name}", "not in the fleet", "a known instance", "clear the first task too"
        )
    try:
        findings = _look(clients, known[name], shipped_quota_policy().health)
    except (Unreachable, AccessDenied) as error:
        log.warning("%s", error)
        if not run.dry_run:
            tell_away(store, known[name], error, run)
        return {
            "instance": name,
            "worst": MailwizzLevel.CRITICAL.value,
            "checks": {},
            "away": error.observed[:300],
        }
    _show(findings)
    if not run.dry_run:
        tell(store, known[name], findings, run)
    worst = max((finding.level for finding in findings), key=GRAVITY.index)
    return {
        "instance": name,
        "worst": worst.value,
        "checks": {finding.check: finding.level.value for finding in findings},
    }


def _look(
    clients: Clients, instance: MailwizzInstance, policy: MailwizzHealthPolicy
) -> tuple[MailwizzFinding, ...]:
    with clients.mailwizz_db(instance.db_connection) as database:
        return judge_mailwizz(read_health(database, policy.silent), policy)


def _show(findings: tuple[MailwizzFinding, ...]) -> None:
    quiet = (MailwizzLevel.GOOD, MailwizzLevel.NOT_ASKED, MailwizzLevel.INFO)
    for finding in findings:
        level = log.info if finding.level in quiet else log.warning
        step = f". Next: {finding.next_step}" if finding.next_step else ""
        level("%s: %s: %s%s", finding.level, finding.check, finding.told, step)
    counts = Counter(finding.level for finding in findings)
    log.info("%s", ", ".join(f"{counts[level]} {level}" for level in GRAVITY if counts[level]))
