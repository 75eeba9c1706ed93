"""From a listing to the run that follows it: which are to be started, and what such a run begins with."""

import logging
from dataclasses import dataclass, replace
from typing import Any

from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.delisting import Delisting
from email_engine.blocklists.dossier import Dossier, render_dossier
from email_engine.blocklists.model import BlockList
from email_engine.pipelines.delisting.links import DELISTING, run_of
from email_engine.pipelines.run import Run
from email_engine.plain_text import plain
from email_engine.store.engine import Store
from email_engine.store.stops import delistings
from email_engine.store.stops.listing_dossier import read_dossier
from email_engine.store.stops.stop_evidence import waiting_words

log = logging.getLogger(__name__)

MOST_AT_ONCE = 1_000
"""Runs that one sweep starts; the next one starts the others."""


@dataclass(frozen=True, slots=True)
class ToStart:
    """A run of `dag_id` with its `conf`; there may be one of that id already, which then is the one that is meant."""

    dag_id: str
    run_id: str
    conf: dict[str, Any]


def to_start(store: Store, run: Run) -> tuple[ToStart, ...]:
    """A run for every open listing that stops a sending IP and that nobody follows up; none in a dry run."""
    if run.dry_run:
        return ()
    with store.session(tenant="*") as conn:
        found = delistings.unfollowed(conn)
    if len(found) > MOST_AT_ONCE:
        log.warning("%d listings wait for their runs; %d are started now", len(found), MOST_AT_ONCE)
    return tuple(
        ToStart(DELISTING, run_of(listing_id, since), {"listing": listing_id})
        for listing_id, since in found[:MOST_AT_ONCE]
    )


def begin(store: Store, listing_id: int, run: Run) -> Delisting:
    """Opens the follow-up of a listing and keeps its dossier, anew whenever it is run; it shows both in the log. A dry run keeps
    nothing.

    Raises InputError: there is no such listing."""
    if run.dry_run:
        with store.session(tenant="*") as conn:
            delisting = delistings.find(conn, listing_id)
    else:
        with store.session(tenant="*") as conn:
            delisting = delistings.follow(conn, listing_id, run.dag_id, run.run_id)
    dossier = dossier_of(store, delisting, run)
    if not run.dry_run:
        with store.session(tenant=delisting.tenant) as conn:
            delistings.keep_dossier(conn, listing_id, dossier.as_json())
    log.info("%s\n%s", delisting, plain(render_dossier(dossier)))
    return delisting


def dossier_of(store: Store, delisting: Delisting, run: Run) -> Dossier:
    """With the traffic up to the day of the run; in the session of its tenant alone, but for what waits in queues."""
    with store.session(tenant=delisting.tenant) as conn:
        read = read_dossier(conn, delisting.listing_id, watched_list(delisting.list_name), run.as_of.date())
    with store.session(tenant="*") as conn:
        return replace(read, waiting=waiting_words(conn, [delisting.ip_id]))


def watched_list(name: str) -> BlockList | None:
    """The list of that name as it is watched now."""
    return next((x for x in load_blocklists()[0] if x.name == name), None)
