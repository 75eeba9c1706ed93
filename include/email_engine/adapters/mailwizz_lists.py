"""Recipient lists out of MailWizz's tables: subscribers by windows of their ids, and what they opened and were sent. Nothing is written."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.exc import DBAPIError

from email_engine.adapters.mailwizz_database import MailwizzDatabase
from email_engine.adapters.mailwizz_opens import SENT, turn
from email_engine.adapters.mailwizz_readable import Reading
from email_engine.adapters.mailwizz_reader_columns import LISTS, OPENS, OPTIONAL
from email_engine.hygiene.people import Heard
from email_engine.mailer.opens import OpensPolicy
from email_engine.mailer.unreadable import Unreadable

NO_MAIL = ("archived", "pending-delete")
"""Statuses of a list that no campaign writes to."""
CONFIRMED, UNSUBSCRIBED = "confirmed", "unsubscribed"


@dataclass(frozen=True, slots=True)
class RecipientList:
    list_id: int
    uid: str
    name: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One subscriber of a list. `added`: naive UTC, None where nobody knows."""

    subscriber_id: int
    uid: str
    unsubscribed: bool
    added: datetime | None
    email: str = field(repr=False)


class MailwizzLists:
    """One connection for a look of many minutes; each read is a short transaction of its own. What this login may not read, or takes too
    long, is an Unreadable; what this MailWizz does not have too, but for the archive of the delivery log."""

    def __init__(self, conn: Connection, database: MailwizzDatabase) -> None:
        self._conn, self._database = conn, database
        self._reading = Reading(conn, database.table_prefix, LISTS | OPENS, OPTIONAL)

    def lists(self) -> tuple[RecipientList, ...] | Unreadable:
        """Those that mail may go to, by id."""
        found = self._table("list")
        if isinstance(found, Unreadable):
            return found
        query = select(found).order_by(found.c.list_id)
        rows = self._tried("the recipient lists", lambda: self._conn.execute(query).mappings().all())
        if isinstance(rows, Unreadable):
            return rows
        return tuple(
            RecipientList(
                int(row["list_id"]), str(row["list_uid"]).strip(), str(row.get("name") or "").strip()
            )
            for row in rows
            if str(row.get("status") or "").strip() not in NO_MAIL
        )

    def window(
        self, list_id: int, after: int, size: int, *, unsubscribed: bool
    ) -> tuple[Listed, ...] | Unreadable:
        """Subscribers of a list behind the id `after`, by id, `size` at most: the confirmed, and where asked the unsubscribed."""
        found = self._table("list_subscriber")
        if isinstance(found, Unreadable):
            return found
        c = found.c
        statuses = [CONFIRMED, UNSUBSCRIBED] if unsubscribed else [CONFIRMED]
        query = (
            select(c.subscriber_id, c.subscriber_uid, c.status, c.date_added, c.email)
            .where(c.list_id == list_id, c.subscriber_id > after, c.status.in_(statuses))
            .order_by(c.subscriber_id)
            .limit(size)
        )
        rows = self._tried("the subscribers", lambda: self._conn.execute(query).all())
        if isinstance(rows, Unreadable):
            return rows
        return tuple(
            Listed(
                int(i), str(uid or "").strip(), str(status).strip() == UNSUBSCRIBED, added, str(email or "")
            )
            for i, uid, status, added, email in rows
        )

    def heard(
        self, ids: Collection[int], since: datetime, policy: OpensPolicy
    ) -> dict[int, Heard] | Unreadable:
        """What these subscribers opened and clicked since (naive UTC); who did nothing is not in it."""
        found: dict[int, Heard] = {}
        for name in ("campaign_track_open", "campaign_track_url"):
            track = self._table(name)
            if isinstance(track, Unreadable):
                return track
            rows = self._tried("opens and clicks", partial(self._agents, track, ids, since))
            if isinstance(rows, Unreadable):
                return rows
            for subscriber_id, agent, last in rows:
                before = found.get(int(subscriber_id), Heard())
                if policy.is_machine(agent):
                    found[int(subscriber_id)] = Heard(before.person, True)
                else:
                    person = last if before.person is None else max(last, before.person)
                    found[int(subscriber_id)] = Heard(person, before.machine)
        return found

    def mails(self, ids: Collection[int], since: datetime) -> dict[int, int] | Unreadable:
        """How many mails these subscribers were sent since (naive UTC), by both delivery logs; who got none is not in it."""
        found: dict[int, int] = {}
        for name in ("campaign_delivery_log", "campaign_delivery_log_archive"):
            deliveries = self._table(name)
            if isinstance(deliveries, Unreadable):
                if deliveries.absent and name.endswith("archive"):
                    continue
                return deliveries
            rows = self._tried("the delivery logs", partial(self._sent, deliveries, ids, since))
            if isinstance(rows, Unreadable):
                return rows
            for subscriber_id, number in rows:
                found[int(subscriber_id)] = found.get(int(subscriber_id), 0) + int(number)
        return found

    def opens_since(self) -> datetime | Unreadable | None:
        """When MailWizz noted its oldest open (naive UTC); None: it has none."""
        track = self._table("campaign_track_open")
        if isinstance(track, Unreadable):
            return track
        c = track.c
        query = select(c.date_added).where(c.date_added.is_not(None)).order_by(c.id).limit(1)
        oldest: Any = self._tried("the oldest open", lambda: self._conn.execute(query).scalar())
        return oldest

    def _agents(self, track: Table, ids: Collection[int], since: datetime) -> list[Any]:
        c = track.c
        query = (
            select(c.subscriber_id, c.user_agent, func.max(c.date_added))
            .where(c.subscriber_id.in_(list(ids)), c.date_added >= since)
            .group_by(c.subscriber_id, c.user_agent)
        )
        return list(self._conn.execute(query).all())

    def _sent(self, deliveries: Table, ids: Collection[int], since: datetime) -> list[Any]:
        c = deliveries.c
        query = (
            select(c.subscriber_id, func.count())
            .where(c.subscriber_id.in_(list(ids)), c.status == SENT, c.date_added >= since)
            .group_by(c.subscriber_id)
        )
        return list(self._conn.execute(query).all())

    def _table(self, name: str) -> Table | Unreadable:
        with self._turn():
            return self._reading.table(name)

    def _tried(self, what: str, read: Any) -> Any:
        with self._turn():
            return self._reading.tried(what, read)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """A short transaction, whose failure is told without statement and values."""
        try:
            with turn(self._conn):
                yield
        except DBAPIError as error:
            raise self._database.failure(error) from None


@contextmanager
def opened_lists(database: MailwizzDatabase) -> Iterator[MailwizzLists]:
    """It and each of its reads raise Unreachable and AccessDenied (login)."""
    engine = database.engine()
    try:
        try:
            conn = engine.connect()
        except DBAPIError as error:
            raise database.failure(error) from None
        with conn:
            yield MailwizzLists(conn, database)
    finally:
        engine.dispose()
