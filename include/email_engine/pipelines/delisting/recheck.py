"""A list is asked again about one IP, with growing pauses, until the listing is over for good or nobody needs to know."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from secrets import token_hex

from email_engine.blocklists.delisting import (
    Answer,
    Delisting,
    Status,
    decide_recheck,
    nothing_to_follow,
    pause_after,
)
from email_engine.blocklists.model import Listed, ListStatus, NotListed
from email_engine.blocklists.sweep import believed, first_round, probe_blocklists
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.delisting.follow import watched_list
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from email_engine.store.stops import delistings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rechecked:
    """`again_at`: when to ask next (aware UTC), None where nothing is asked any more. `others`: the run that follows the listing
    instead of this one."""

    status: Status
    again_at: datetime | None = None
    others: str | None = None


def recheck(store: Store, clients: Clients, listing_id: int, run: Run, now: datetime) -> Rechecked:
    """One look, if it is due at `now`. It closes no listing, which is the sweeps' alone: it clears the follow-up when they did and
    the list says so too. No row is held while the list is asked. A dry run asks once and writes nothing."""
    with store.session(tenant="*") as conn:
        delisting = delistings.find(conn, listing_id)
    if delisting.run_id not in (None, run.run_id) and not run.dry_run:
        return Rechecked(delisting.status, others=delisting.run_id)
    if delisting.status is not Status.OPEN:
        return Rechecked(delisting.status)
    if run.dry_run:
        log.info("%s: %s", delisting, _ask(clients, delisting))
        return Rechecked(delisting.status)
    due = delisting.next_check_at
    if nothing_to_follow(delisting) is None and (due is None or now < due):
        return Rechecked(Status.OPEN, due or _first(store, delisting, now))
    answer = None if nothing_to_follow(delisting) else _ask(clients, delisting)
    return _note(store, delisting, answer, now)


def _first(store: Store, delisting: Delisting, now: datetime) -> datetime:
    """The sweep has just asked twice: the first re-check waits."""
    at = now + pause_after(0)
    with store.session(tenant=delisting.tenant) as conn:
        delistings.due(conn, delisting.listing_id, at)
    return at


def _note(store: Store, asked: Delisting, answer: Answer | None, now: datetime) -> Rechecked:
    """Decided on what stands now: the list took its time to answer."""
    with store.session(tenant="*") as conn:
        delisting = delistings.find(conn, asked.listing_id)
        if asked.closed_at is None and answer is Answer.NOT_LISTED:
            delisting = replace(
                delisting, closed_at=None
            )  # it said so before the sweeps closed it: that clears nothing
        decided = decide_recheck(delisting, answer or Answer.UNKNOWN, now)
        if not delistings.note_check(conn, delisting, answer, decided, now):
            delisting = delistings.find(conn, asked.listing_id)
            return Rechecked(delisting.status, delisting.next_check_at)
    log.info("%s: %s; %s", delisting, answer or "not asked", decided.because or decided.status)
    return Rechecked(decided.status, decided.next_check_at)


def _ask(clients: Clients, delisting: Delisting) -> Answer:
    """What the list says; unknown where it fails its test points, cannot be asked, or is not watched any more."""
    blocklist = watched_list(delisting.list_name)
    if blocklist is None or blocklist.status is ListStatus.RETIRED:
        log.warning("nobody watches %s any more, so it cannot be asked", delisting.list_name)
        return Answer.UNKNOWN if delisting.closed_at is None else Answer.NOT_LISTED
    keys, ask = clients.blocklist_keys(), clients.resolver().resolve_many
    healths = probe_blocklists([blocklist], keys, ask, token_hex(12))
    healthy = [health for health in healths if health.healthy]
    if not healthy:
        reason = healths[0].reason if healths else "it is retired, or its key is missing"
        log.warning("%s cannot be believed: %s", delisting.list_name, reason)
        return Answer.UNKNOWN
    lists = believed([blocklist], [x.list_name for x in healthy], [x.list_name for x in healthy if x.ipv6])
    verdicts = first_round([delisting.address], lists, keys, {}, ask).verdicts
    match verdicts.get((delisting.address, delisting.list_name)):
        case Listed():
            return Answer.LISTED
        case NotListed():
            return Answer.NOT_LISTED
        case _:
            return Answer.UNKNOWN
