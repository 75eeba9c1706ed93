"""Subscribers of one MailWizz by its API: which mail was whose, what they are now, and the few calls that stop mail to them.

An answer's code proves nothing (a 201 may have stored another type, a 422 or 409 may mean that it stands already): whoever changes
something reads back. No call here creates a subscriber: POST would subscribe again who had unsubscribed."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from email_engine.adapters.mailwizz_api import Answer, MailwizzApi
from email_engine.errors import AccessDenied

_ID = re.compile(r"[A-Za-z0-9@._-]{3,250}")
"""What MailWizz's route of a Message-Id takes."""
MASKED = re.compile(r"\*{2,}")
LOOKUPS = ("campaigns/delivery-logs/email-message-id", "campaigns/email-message-id")
"""As MailWizz routes it, and as its OpenAPI file has it; which of them it is, the first found row tells."""
NOTHING = ("campaigns/engine0nobody", "lists/engine0nobody")
"""What MailWizz has not; two of them, since a key may lack the permission for one."""
ABSENT, BUSY, INVALID = 404, 409, 422
BUSY_WAIT = 0.3
REASON = "complaint to the mailbox provider"


def _names_nobody(record: logging.LogRecord) -> bool:
    return "EMAIL=" not in str(record.args)


logging.getLogger("urllib3.connectionpool").addFilter(_names_nobody)
# MailWizz wants addresses in the query, and at level DEBUG every query would stand in the task's log


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of MailWizz's delivery log: whose mail it was. `email`: '' where MailWizz masks addresses."""

    campaign_uid: str
    list_uid: str
    subscriber_uid: str
    email: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One subscriber of one list."""

    list_uid: str
    uid: str
    status: str
    email: str = field(default="", repr=False)


@dataclass(slots=True)
class Pace:
    """At most `per_second` requests a second, in the order in which they come."""

    per_second: int
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _next: float = 0.0

    def wait(self) -> None:
        now = self.clock()
        if self._next > now:
            self.sleep(self._next - now)
        self._next = max(self._next, now) + 1 / self.per_second


class MailwizzPeople:
    """Raises what `MailwizzApi` raises."""

    def __init__(self, api: MailwizzApi, pace: Pace) -> None:
        self._api = api
        self._pace = pace
        self._lookups: tuple[str, ...] = LOOKUPS

    def ask_nothing(self) -> None:
        """Asks what concerns no recipient; raises where MailWizz answers that to none of the connection's keys: then it is away, or
        refuses them all."""
        failures: list[AccessDenied] = []
        for path in NOTHING:
            for view in self._api.views:
                self._pace.wait()
                try:
                    view.answer("GET", path, expected=(ABSENT,))
                except AccessDenied as error:
                    failures.append(error)
                else:
                    return
        raise failures[0]

    def delivery(self, message_id: str) -> Delivery | None:
        """Whose mail it was; None where MailWizz has no such row (any more: it archives them), or no such call (before 2.1.0)."""
        if not _ID.fullmatch(message_id):
            return None
        record: dict[str, Any] = {}
        for path in self._lookups:
            record = _record(self._ask("GET", f"{path}/{quote(message_id)}"))
            if record:
                self._lookups = (path,)
                break
        campaign, person = record.get("campaign") or {}, record.get("subscriber") or {}
        campaign_uid, uid = str(campaign.get("campaign_uid") or ""), str(person.get("subscriber_uid") or "")
        list_uid = str((campaign.get("list") or {}).get("list_uid") or "")
        if not (campaign_uid and list_uid and uid):
            return None
        return Delivery(campaign_uid, list_uid, uid, _plain(person.get("email")))

    def list_of(self, campaign_uid: str) -> str | None:
        """The uid of the list that a campaign writes to; None for a campaign that is not the customer's."""
        if not _ID.fullmatch(campaign_uid):
            return None
        record = _record(self._ask("GET", f"campaigns/{quote(campaign_uid)}"))
        return str((record.get("list") or {}).get("list_uid") or "") or None

    def in_list(self, list_uid: str, address: str) -> Entry | None:
        """By its address."""
        answer = self._ask("GET", f"lists/{list_uid}/subscribers/search-by-email", {"EMAIL": address})
        data = answer.body.get("data") or {}
        uid = str(data.get("subscriber_uid") or "")
        return Entry(list_uid, uid, str(data.get("status") or ""), address) if uid else None

    def everywhere(self, address: str) -> tuple[Entry, ...]:
        """The entries of an address in all lists but archived ones, 100 at most."""
        path = "lists/subscribers/search-by-email-in-all-lists"
        data = self._ask("GET", path, {"EMAIL": address}).body.get("data") or {}
        found = []
        for row in data.get("records") or ():
            list_uid, uid = (
                str((row.get("list") or {}).get("list_uid") or ""),
                str(row.get("subscriber_uid") or ""),
            )
            if list_uid and uid:
                found.append(Entry(list_uid, uid, str(row.get("status") or ""), address))
        return tuple(found)

    def entry(self, list_uid: str, uid: str) -> Entry | None:
        """As it is now; None where it is gone."""
        record = self._fields(list_uid, uid)
        if not record:
            return None
        return Entry(list_uid, uid, str(record.get("status") or ""), _plain(record.get("EMAIL")))

    def post_bounce(self, campaign_uid: str, uid: str, message: str) -> None:
        """A hard bounce, which blacklists a confirmed subscriber for the whole installation."""
        form = {"message": message, "bounce_type": "hard", "subscriber_uid": uid}
        self._ask("POST", f"campaigns/{campaign_uid}/bounces", form=form)

    def post_unsubscribe(self, campaign_uid: str, uid: str) -> None:
        """Books an unsubscription on the campaign, as its link does."""
        self._ask("POST", f"campaigns/{campaign_uid}/track-unsubscribe/{uid}", form={"reason": REASON})

    def put_status(self, list_uid: str, uid: str, status: str) -> None:
        """Sets the status in this list. Where the list asks for further fields, they are handed back as they are; never the address,
        which MailWizz may have masked."""
        path = f"lists/{list_uid}/subscribers/{uid}"
        wanted: dict[str, Any] = {"details": {"status": status}}
        if self._put(path, wanted).code != INVALID:
            return
        kept = {
            tag: value
            for tag, value in self._fields(list_uid, uid).items()
            if tag.isupper() and tag != "EMAIL"
        }
        self._put(path, {**kept, **wanted})

    def tell_webhook(self, message_ids: list[str], message: str) -> bool:
        """Hard bounces by MailWizz's own webhook, all in one request; False where it has none."""
        self._pace.wait()
        bounce = {"type": "b", "bounceCat": "bad-mailbox", "dsnStatus": "5.1.1", "dsnDiag": message}
        return self._api.webhook([bounce | {"header_Message-Id": f"<{each}>"} for each in message_ids])

    def _fields(self, list_uid: str, uid: str) -> dict[str, Any]:
        return _record(self._ask("GET", f"lists/{list_uid}/subscribers/{uid}"))

    def _put(self, path: str, form: dict[str, Any]) -> Answer:
        """Some web servers refuse PUT, MailWizz takes it as a form's field too. A busy MailWizz is asked again: the same status twice does
        no harm."""
        method, sent = "PUT", form
        for last in (False, False, True):
            try:
                answer = self._ask(method, path, form=sent)
            except AccessDenied:
                if method == "POST":
                    raise
                method, sent = "POST", {**form, "_method": "PUT"}
                answer = self._ask(method, path, form=sent)
            if answer.code != BUSY or last:
                return answer
            self._pace.sleep(BUSY_WAIT)
        raise AssertionError("unreachable")

    def _ask(
        self, method: str, path: str, query: dict[str, Any] | None = None, form: dict[str, Any] | None = None
    ) -> Answer:
        """Of a question 404 alone means that nobody is there; what else it may be answered is raised."""
        self._pace.wait()
        expected = (ABSENT,) if method == "GET" else (ABSENT, BUSY, INVALID)
        return self._api.answer(method, path, query, form, expected=expected)


def _record(answer: Answer) -> dict[str, Any]:
    found = (answer.body.get("data") or {}).get("record") if answer.code < 400 else None
    return found if isinstance(found, dict) else {}


def _plain(value: object) -> str:
    text = str(value or "")
    return "" if MASKED.search(text) or "@" not in text else text
