"""The end of a follow-up: what becomes of the IP, told once."""

import logging

from email_engine.blocklists.delisting import Delisting, Status
from email_engine.fleet.model import IpState, Mode
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from email_engine.store.stops import delistings
from email_engine.store.telling.alerts import News, announce
from email_engine.warmup.policy_file import load_policy

EVENT = "delisting"

log = logging.getLogger(__name__)


def finish(store: Store, listing_id: int, run: Run) -> str:
    """Tells the end, in the next message that leaves; returns it. It releases nothing: the daily pipeline does, from what the
    follow-up left in the database."""
    with store.session(tenant="*") as conn:
        delisting = delistings.find(conn, listing_id)
    said = f"{delisting}: {_end(delisting)}"
    log.info("%s", said)
    if not run.dry_run and delisting.run_id == run.run_id and delisting.status is not Status.OPEN:
        announce(
            store,
            [
                News(
                    EVENT,
                    str(listing_id),
                    delisting.status,
                    "info",
                    said,
                    delisting.tenant,
                    run.dag_id,
                    run.run_id,
                )
            ],
        )
    return said


def _end(d: Delisting) -> str:
    if d.status is Status.ENDED:
        return f"nobody follows it up any more, because {d.ended_because}"
    if d.status is Status.OPEN:
        return "it is followed up still"
    if d.mode is Mode.OBSERVE:
        return f"off the list; nothing was changed, tenant {d.tenant} is in observe"
    if d.state is not IpState.QUARANTINE:
        return f"off the list; the IP is in {d.state}"
    until = f"{d.quarantine_until:%Y-%m-%d}" if d.quarantine_until else "its quarantine ends"
    if d.cause:
        rest = load_policy().rest_days
        return (
            f"off the list, cause named by {d.answered_by} ({d.cause}); from {until} on it rests {rest} days"
        )
    if d.minor:
        return f"off the list by itself; from {until} on it warms again, some phases lower"
    return "off the list, but no cause is named: it stays in quarantine until somebody names one"
