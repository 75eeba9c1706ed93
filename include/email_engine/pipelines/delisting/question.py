"""The question about one listing: its page, the answer of a person, and what follows from it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.delisting import Delisting, Part, why_not_ask
from email_engine.blocklists.dossier import render_dossier
from email_engine.decision import Decision
from email_engine.errors import InputError
from email_engine.lifecycle.machine import Event, known
from email_engine.pipelines.delisting.choices import GIVEN_UP, NAMED, REPLACED, TAKEN
from email_engine.pipelines.delisting.follow import dossier_of
from email_engine.pipelines.delisting.links import DELISTING, question_url
from email_engine.pipelines.run import Run
from email_engine.pipelines.trouble import open_questions_url
from email_engine.store.engine import Store
from email_engine.store.judgement.decisions import record
from email_engine.store.stops import delistings
from email_engine.store.telling.alerts import News, announce
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.transition_request import read_words

TAKEN_FOR = timedelta(days=7)
LONGEST_TAKEN = timedelta(days=90)
LONGEST_NAME = 120

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QuestionPage:
    """What a person is shown. `over`: a sentence why nobody is asked."""

    subject: str
    body: str
    url: str
    over: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an answer, in a sentence; `again`: the question goes on."""

    said: str
    again: bool = False


def prepare(store: Store, listing_id: int, part: Part, run: Run, base_url: str) -> QuestionPage:
    """The page; from then on the question waits in table delistings, unless nobody is to be asked."""
    with store.session(tenant="*") as conn:
        delisting = delistings.find(conn, listing_id)
    over = _others_run(delisting, run) or why_not_ask(delisting, part)
    dossier = render_dossier(dossier_of(store, delisting, run))
    subject = {
        Part.STANDING: f"{delisting}: what is the cause?",
        Part.OVER: f"{delisting.address} is off {delisting.list_name}: what was the cause?",
    }[part]
    if over is None and not run.dry_run:
        with store.session(tenant=delisting.tenant) as conn:
            delistings.ask(conn, listing_id, datetime.now(UTC))
    return QuestionPage(
        subject, f"{_LEAD[part]}\n\n{dossier}\n\n{_choices()}", question_url(run.run_id, part, base_url), over
    )


_LEAD = {
    Part.STANDING: "The IP stands still. It is released only when it is off the list and **its cause is named**.",
    Part.OVER: "The listing is over, and nobody named its cause: **the IP stays in quarantine until somebody does**.",
}


def _choices() -> str:
    return f"""
Four answers. The buttons work when the first field below is filled.

- **{NAMED}**: the cause is found and mended, and you say what it was; when its quarantine is over the IP rests {load_policy().rest_days} days.
- **{TAKEN}**: you take care of it, with owner, ticket and a date, and say what you do; the question stays open.
- **{GIVEN_UP}**: the IP is abandoned for good, and you say why.
- **{REPLACED}**: the same, and a clean standby IP of its pool starts at phase 1, never with this one's volume.
""".strip()


def _others_run(delisting: Delisting, run: Run) -> str | None:
    if delisting.run_id in (None, run.run_id):
        return None
    return f"run {delisting.run_id} follows {delisting} now"


def ended(store: Store, listing_id: int, part: Part, run: Run) -> str | None:
    """Why the question ended without its answer, which is written down as superseded; None where it has a sense still."""
    with store.session(tenant="*") as conn:
        delisting = delistings.find(conn, listing_id)
        why = _others_run(delisting, run)
        if why is not None:
            return why
        why = why_not_ask(delisting, part)
        if why is not None:
            delistings.settle(conn, listing_id, "superseded")
    return why


def not_answered(store: Store, listing_id: int) -> str:
    """The time is over; the IP stays where it is."""
    with store.session(tenant="*") as conn:
        delistings.settle(conn, listing_id, "expired")
        delisting = delistings.find(conn, listing_id)
    return f"nobody answered about {delisting}; it stays as it is"


def answered(
    store: Store,
    listing_id: int,
    part: Part,
    run: Run,
    chosen: str,
    given: Mapping[str, Any],
    by: str,
    base_url: str,
) -> Taken:
    """A person's answer. One that lacks what it needs is not taken: people are told, with the question's address below `base_url`,
    and asked again (Airflow keeps the page as it was). The row in table delistings
    is what counts: one that comes too late changes nothing."""
    now = datetime.now(UTC)
    with store.session(tenant="*") as conn:
        delisting = delistings.find(conn, listing_id)
    over = _others_run(delisting, run) or why_not_ask(delisting, part)
    if over:
        log.warning("the answer of %s changes nothing: %s", by, over)
        return Taken(over)
    mistakes: list[str] = []
    if chosen == NAMED:
        taken = _name(store, delisting, run, given, by, mistakes, now)
    elif chosen == TAKEN:
        taken = _take(store, delisting, run, given, by, mistakes, now)
    else:
        taken = _give_up(store, delisting, run, chosen == REPLACED, given, by, mistakes, now)
    if not mistakes:
        return taken
    said = f"{delisting}: the answer was not taken\n{by} chose '{chosen}', but {'; '.join(mistakes)}. It is asked again."
    told = "\n".join(
        [
            said,
            f"Next: answer with that: {question_url(run.run_id, part, base_url)}",
            f"On a phone: {open_questions_url(base_url)} (tap the sign beside the state).",
        ]
    )
    announce(store, [_news(delisting, f"again {now.isoformat()}", "warning", told, run)])
    return Taken(said.replace("\n", ": "), again=True)


def _name(
    store: Store, d: Delisting, run: Run, given: Mapping[str, Any], by: str, mistakes: list[str], now: datetime
) -> Taken:  # fmt: skip
    cause = read_words(given.get("cause"), "cause", "what led to the listing, in words", mistakes)
    if not mistakes and not name_cause(store, d, run, cause, by, now):
        return Taken(f"somebody else answered about {d} in the same moment; their answer counts")
    return Taken(f"{by} named the cause of {d}: {cause}")


def name_cause(store: Store, d: Delisting, run: Run, cause: str, by: str, now: datetime) -> bool:
    """Writes a cause and its decision; False where one was named before."""
    with store.session(tenant=d.tenant) as conn:
        done = delistings.answer(conn, d.listing_id, by, now, cause=cause)
        if done:
            record(conn, _decision(d, run, "cause named", f"{by}: {cause}", now), run.dag_id, run.run_id)
    return done


def _take(
    store: Store, d: Delisting, run: Run, given: Mapping[str, Any], by: str, mistakes: list[str], now: datetime
) -> Taken:  # fmt: skip
    owner, ticket, until = read_acknowledgement(given, by, now, mistakes)
    doing = read_words(given.get("cause"), "cause", None, mistakes)
    if not mistakes:
        acknowledge(store, [d], run, owner, ticket, until, by, now, doing)
    return Taken(f"{owner} takes care of {d} until {until:%Y-%m-%d}", again=True)


def acknowledge(
    store: Store,
    those: list[Delisting],
    run: Run,
    owner: str,
    ticket: str | None,
    until: datetime,
    by: str,
    now: datetime,
    doing: str = "",
) -> None:
    """Writes who takes responsibility and, where they say so, what they do, with a decision for each listing."""
    said = ", ".join(filter(None, (f"{by}: {owner} takes care of it until {until:%Y-%m-%d}", ticket, doing)))
    for d in those:
        with store.session(tenant=d.tenant) as conn:
            delistings.acknowledge(conn, [d.listing_id], owner, ticket, until)
            record(conn, _decision(d, run, "acknowledge", said, now), run.dag_id, run.run_id)


def read_acknowledgement(
    given: Mapping[str, Any], by: str, now: datetime, mistakes: list[str]
) -> tuple[str, str | None, datetime]:
    """Owner (who answers, if nobody is named), ticket and the end of the UTC day `until` (7 days from now, if none is given)."""
    owner = read_words(given.get("owner") or by, "owner", "who takes care of it", mistakes)
    ticket = str(given.get("ticket") or "").strip()
    if ticket and (not ticket.isprintable() or len(ticket) > LONGEST_NAME):
        mistakes.append(f"ticket is longer than {LONGEST_NAME} characters, or has some that cannot be seen")
    text = str(given.get("until") or "").strip()
    day = (now + TAKEN_FOR).date()
    if text:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            mistakes.append(f"until {text[:40]!r} is no date such as {day}")
    if not now.date() < day <= (now + LONGEST_TAKEN).date():
        mistakes.append(f"until {day} is not within the next {LONGEST_TAKEN.days} days")
    return owner, ticket or None, datetime.combine(day, time(), UTC)


def _give_up(
    store: Store, d: Delisting, run: Run, replaces: bool, given: Mapping[str, Any], by: str, mistakes: list[str], now: datetime
) -> Taken:  # fmt: skip
    why = read_words(given.get("cause"), "cause", "why the IP is given up for good, in words", mistakes)
    if not known(d.state, Event.ABANDON):
        mistakes.append(f"{d.address} is in {d.state}, and only a parked IP can be given up")
    if mistakes:
        return Taken("", again=True)
    with store.session(tenant=d.tenant) as conn:
        done = delistings.answer(conn, d.listing_id, by, now, gives_up=True, replaces=replaces)
        if done:
            said = (
                f"{by} gives {d.address} up{' and wants it replaced from standby' if replaces else ''}: {why}"
            )
            record(conn, _decision(d, run, "given up", said, now), run.dag_id, run.run_id)
    if not done:
        return Taken(f"somebody else answered about {d} in the same moment; their answer counts")
    return Taken(f"{by} gave {d.address} up")


def _decision(d: Delisting, run: Run, action: str, reason: str, now: datetime) -> Decision:
    return Decision(
        tenant=d.tenant,
        pipeline=DELISTING,
        subject=str(d.address),
        run_key=f"{run.run_id} {now.isoformat()}",
        action=action,
        reason=reason,
        as_of=now,
        policy_digest=load_blocklists()[1],
        kind=f"listing {d.list_name}",
        inputs={
            "listing": d.listing_id,
            "list": d.list_name,
            "codes": list(d.codes),
            "state": d.state.value,
            "opened_at": d.opened_at.isoformat(),
            "closed_at": d.closed_at and d.closed_at.isoformat(),
            "checks": d.checks,
        },
    )


def _news(d: Delisting, state: str, severity: str, text: str, run: Run) -> News:
    return News(
        "delisting_answer", f"{d.listing_id}", state, severity, text, d.tenant, run.dag_id, run.run_id
    )


def require_text(mistakes: list[str], what: str) -> None:
    """Raises InputError that lists every mistake of a form."""
    if mistakes:
        raise InputError(
            what, "; ".join(mistakes), "every field as it may be", "nothing was done; correct it and trigger again"
        )  # fmt: skip
