"""Refused accounting files that a person accepts for lost."""

import logging

from email_engine.pipelines.run import Run
from email_engine.store.accounting import refusals
from email_engine.store.engine import Store

log = logging.getLogger(__name__)


def accept_refused(store: Store, run: Run) -> None:
    """Gives up the refused files that param `accept_refused` names, with param `reason`.

    Raises InputError: no such refused file stands, or no reason was given; nothing is accepted then."""
    asked = run.params.get(refusals.PARAM)
    if not asked:
        return
    with store.session(tenant="*") as conn:
        reason = str(run.params.get("reason") or "")
        chosen = refusals.choose(conn, asked, reason, run.run_id)
        if not run.dry_run:
            refusals.accept(conn, chosen, reason, run.actor, run.run_id, run.as_of)
    done = "would be accepted" if run.dry_run else "accepted"
    for refused in chosen:
        log.info("%s: %s for lost by %s: %s", refused.told, done, run.actor, reason)
    if not chosen:
        log.info("everything that %s names was accepted before", refusals.PARAM)
