"""The form of `delisting`: a person follows a listing, names a cause for many at once, or takes responsibility."""

import logging
from datetime import UTC, datetime
from enum import StrEnum

from email_engine.blocklists.delisting import Delisting
from email_engine.errors import InputError
from email_engine.forms import require_short
from email_engine.lifecycle.scope import choose, read_scope
from email_engine.pipelines.delisting import question
from email_engine.pipelines.run import Run
from email_engine.plural import amount, excerpt
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips
from email_engine.store.stops import delistings
from email_engine.store.telling.alerts import News, announce
from email_engine.warmup.transition_request import read_words

log = logging.getLogger(__name__)


class FormAction(StrEnum):
    FOLLOW = "follow"
    NAME_CAUSE = "name_cause"
    ACKNOWLEDGE = "acknowledge"


def act(store: Store, run: Run) -> int | None:
    """Does what the form asks. Returns the listing that this run follows, None where all is done.

    `follow` wants one listing; the others act on all listings of the IPs meant: those that stand, and those that ended while the IP
    was in the quarantine in which it is now. A cause that was named before stays.

    Raises InputError: the form is wrong, or means no listing; nothing was written."""
    require_short(run.params)
    action = _action(run.params.get("action"))
    listed = _meant(store, run)
    if action is FormAction.FOLLOW:
        return _one(listed, run)
    if action is FormAction.NAME_CAUSE:
        _name(store, listed, run)
    else:
        _acknowledge(store, listed, run)
    return None


def _action(given: object) -> FormAction:
    known = [action.value for action in FormAction]
    if given not in known:
        raise InputError(
            "param action", excerpt(given) if given else "empty", ", ".join(known), "trigger again with one of these"
        )  # fmt: skip
    return FormAction(str(given))


def _meant(store: Store, run: Run) -> list[Delisting]:
    wanted = str(run.params.get("list") or "").strip().lower()
    with store.session(tenant="*") as conn:
        records = load_ips(conn, day=run.as_of.date())
        chosen = choose(records, read_scope(run.params.get("scope")), run.params.get("name"))
        ids = delistings.listings_of(conn, {ip.ip_id for ip in chosen})
        found = [delistings.find(conn, n) for those in ids.values() for n in those]
    found = [d for d in found if wanted in ("", d.list_name)]
    if not found:
        raise InputError(
            f"{run.params.get('scope')} {excerpt(run.params.get('name') or '')}",
            f"no listing{f' on {excerpt(wanted)}' if wanted else ''} that matters",
            "IPs that are on a block list of high or medium severity, or whose listing ended while they are in quarantine",
            "nothing was done; see table blacklist_events",
        )
    return found


def _one(listed: list[Delisting], run: Run) -> int:
    if len(listed) > 1:
        raise InputError(
            "what to follow", "; ".join(map(str, listed[:10])), "one IP and one list", "fill in the list and trigger again"
        )  # fmt: skip
    return listed[0].listing_id


def _name(store: Store, listed: list[Delisting], run: Run) -> None:
    mistakes: list[str] = []
    cause = read_words(run.params.get("cause"), "cause", "what led to the listing, in words", mistakes)
    question.require_text(mistakes, "form of delisting")
    open_ = [d for d in listed if not d.cause and not d.gives_up]
    log.info("%s: %s", cause, ", ".join(map(str, open_)) or "a cause was named everywhere before")
    if run.dry_run:
        return
    now = datetime.now(UTC)
    for d in open_:
        _followed(store, d, run)
        question.name_cause(store, d, run, cause, run.actor, now)
    _tell(store, open_, run, f"{run.actor} named the cause of {amount(len(open_), 'listing')}", cause)


def _acknowledge(store: Store, listed: list[Delisting], run: Run) -> None:
    mistakes: list[str] = []
    now = datetime.now(UTC)
    owner, ticket, until = question.read_acknowledgement(run.params, run.actor, now, mistakes)
    standing = [d for d in listed if d.closed_at is None]
    if not standing:
        mistakes.append("none of these listings stands any more")
    question.require_text(mistakes, "form of delisting")
    log.info("%s until %s: %s", owner, until.date(), ", ".join(map(str, standing)))
    if run.dry_run:
        return
    question.acknowledge(store, standing, run, owner, ticket, until, run.actor, now)
    said = f"{owner} takes care of {amount(len(standing), 'listing')} until {until:%Y-%m-%d}"
    _tell(store, standing, run, said, ticket or "no ticket")


def _followed(store: Store, d: Delisting, run: Run) -> None:
    """There is a row to write to, and who follows it goes on doing so."""
    if d.run_id is None:
        with store.session(tenant=d.tenant) as conn:
            delistings.follow(conn, d.listing_id, None, None)


def _tell(store: Store, those: list[Delisting], run: Run, title: str, text: str) -> None:
    if not those:
        return
    lines = [title, text, *map(str, those[:10]), *([f"and {len(those) - 10} more"] if those[10:] else [])]
    tenants = {d.tenant for d in those}
    tenant = tenants.pop() if len(tenants) == 1 else None
    announce(
        store,
        [
            News(
                "delisting_form",
                run.run_id,
                "done",
                "info",
                "\n".join(lines),
                tenant,
                run.dag_id,
                run.run_id,
                quiet=False,
            )
        ],
    )
