"""Opens and clicks out of MailWizz's tables, by delivery server and UTC day of the mail; read only, and bounded.

The track tables are walked by primary key from the first row of the time that counts; what belongs to the recipients of a window is
asked by the index of `subscriber_id`. A recipient counts in the window that holds its first row, so that memory stays that of a window."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.exc import DBAPIError

from email_engine.adapters.mailwizz_database import MailwizzDatabase
from email_engine.adapters.mailwizz_readable import Reading, bound_statements
from email_engine.adapters.mailwizz_reader_columns import OPENS, OPTIONAL
from email_engine.mailer.opens import OpenCounts, OpensPolicy
from email_engine.mailer.unreadable import Unreadable

WINDOW = 2_000
"""Rows of a track table that are worked on together."""
STATEMENT_SECONDS = 20
SLACK = 1_000
"""Ids before the first that counts: workers write at the same time, so dates do not rise with every id."""
SENT = "success"
Pair = tuple[int, int]
"""Campaign and subscriber."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpensSeen:
    """`counts` by id of the delivery server and UTC day of the mail; `rows`: of the track tables that were looked at; `unplaced`: recipients
    whose mail is older than what is counted, or in no delivery log any more."""

    counts: Mapping[tuple[int, date], OpenCounts] = field(default_factory=dict)
    rows: int = 0
    unplaced: int = 0


@dataclass(frozen=True, slots=True)
class _Reaction:
    """What one user agent did about one mail. `first`: id of its first row; `last`: when it last did (naive UTC)."""

    first: int
    agent: str | None
    last: datetime


def read_opens(database: MailwizzDatabase, since: datetime, policy: OpensPolicy) -> OpensSeen | Unreadable:
    """Of all mail that was handed over since (aware UTC, the beginning of a day). What this login may not read, or takes too long,
    is an Unreadable: half of the rows would be a wrong count. Raises Unreachable, AccessDenied (login)."""
    engine, failure = database.engine(), None
    try:
        with engine.connect() as conn:
            return _read(conn, database.table_prefix, since.astimezone(UTC).replace(tzinfo=None), policy)
    except DBAPIError as error:
        failure = database.failure(error)
    finally:
        engine.dispose()
    raise failure


def _read(conn: Connection, prefix: str, since: datetime, policy: OpensPolicy) -> OpensSeen | Unreadable:
    reading = Reading(conn, prefix, OPENS, OPTIONAL)
    with turn(conn):
        found = reading.tables(
            "campaign_track_open", "campaign_track_url", "campaign_url", "campaign_delivery_log"
        )
        archive = reading.table("campaign_delivery_log_archive")
    if isinstance(found, Unreadable):
        return found
    opens, clicks, urls, deliveries = found
    logs = [deliveries]
    if isinstance(archive, Table):
        logs.append(archive)
    elif not archive.absent:
        log.warning("%s", archive.told)
    of_open = select(
        opens.c.id, opens.c.campaign_id, opens.c.subscriber_id, opens.c.user_agent, opens.c.date_added
    )
    of_click = select(
        clicks.c.id, urls.c.campaign_id, clicks.c.subscriber_id, clicks.c.user_agent, clicks.c.date_added
    ).select_from(clicks.join(urls, urls.c.url_id == clicks.c.url_id))
    tally: Counter[tuple[int, date, str]] = Counter()
    rows = unplaced = 0
    for kind, track, query in (("opened", opens, of_open), ("clicked", clicks, of_click)):
        walk = _Walk(reading, track, query, logs, since, policy, kind)
        told = walk.count(tally)
        if told is not None:
            return told
        rows, unplaced = rows + walk.rows, unplaced + walk.unplaced
    return OpensSeen(_counts(tally), rows, unplaced)


def _counts(tally: Counter[tuple[int, date, str]]) -> dict[tuple[int, date], OpenCounts]:
    found: dict[tuple[int, date], dict[str, int]] = {}
    for (server_id, day, kind), number in tally.items():
        found.setdefault((server_id, day), {})[kind] = number
    return {key: OpenCounts(**kinds) for key, kinds in found.items()}


@contextmanager
def turn(conn: Connection) -> Iterator[None]:
    """A short transaction: MailWizz's database keeps no old rows for a reader of hours."""
    with conn.begin():
        bound_statements(conn, STATEMENT_SECONDS)
        yield


class _Walk:
    """Through one track table, from its first row since that time on. `query` gives id, campaign, subscriber, agent and date."""

    def __init__(
        self,
        reading: Reading,
        track: Table,
        query: Any,
        logs: Collection[Table],
        since: datetime,
        policy: OpensPolicy,
        kind: str,
    ) -> None:
        self._reading, self._conn = reading, reading.conn
        self._track, self._query, self._logs = track, query, logs
        self._since, self._policy, self._kind = since, policy, kind
        self.rows = self.unplaced = 0

    def count(self, tally: Counter[tuple[int, date, str]]) -> Unreadable | None:
        """Adds to the tally; an Unreadable where a statement failed for itself."""
        name = self._track.name
        start = self._tried(
            f"the newest rows of {name}", lambda: first_id(self._conn, self._track, self._since)
        )
        if isinstance(start, Unreadable) or start is None:
            return start
        after = start - 1
        while True:
            window = self._tried(f"rows of {name}", lambda after=after: self._window(after))  # type: ignore[misc]
            if isinstance(window, Unreadable) or not window:
                return window or None
            told = self._add(window, start, tally)
            if told is not None:
                return told
            self.rows += len(window)
            after = window[-1][0]

    def _tried(self, what: str, read: Callable[[], Any]) -> Any:
        with turn(self._conn):
            return self._reading.tried(what, read)

    def _window(self, after: int) -> list[tuple[int, Pair]]:
        ids: Any = self._query.with_only_columns(*list(self._query.selected_columns)[:3])
        rows: Any = self._conn.execute(
            ids.where(self._track.c.id > after).order_by(self._track.c.id).limit(WINDOW)
        )
        return [(int(i), (int(campaign or 0), int(person or 0))) for i, campaign, person in rows]

    def _add(
        self, window: list[tuple[int, Pair]], start: int, tally: Counter[tuple[int, date, str]]
    ) -> Unreadable | None:
        pairs = {pair for _, pair in window}
        people = sorted({person for _, person in pairs})
        reactions = self._tried("what recipients did", lambda: self._reactions(people, start))
        if isinstance(reactions, Unreadable):
            return reactions
        new = {
            pair: found
            for pair, found in reactions.items()
            if pair in pairs and min(each.first for each in found) >= window[0][0]
        }
        sent = self._tried("the delivery log", lambda: self._deliveries(sorted({p for _, p in new})))
        if isinstance(sent, Unreadable):
            return sent
        for pair, found in new.items():
            if pair not in sent:
                self.unplaced += 1
                continue
            server_id, at = sent[pair]
            person = any(self._policy.by_person(each.agent, each.last, at) for each in found)
            tally[server_id, at.date(), self._kind if person else f"machine_{self._kind}"] += 1
        return None

    def _reactions(self, people: list[int], start: int) -> dict[Pair, list[_Reaction]]:
        """Of these subscribers, one for each campaign and user agent, however often each came back."""
        _, campaign, person, agent, at = self._query.selected_columns
        grouped: Any = self._query.with_only_columns(
            campaign, person, agent, func.min(self._track.c.id), func.max(at)
        )
        rows: Any = self._conn.execute(
            grouped.where(self._track.c.subscriber_id.in_(people), self._track.c.id >= start).group_by(
                campaign, person, agent
            )
        )
        found: dict[Pair, list[_Reaction]] = {}
        for campaign_id, subscriber_id, user_agent, first, last in rows:
            if last is not None:
                pair = int(campaign_id or 0), int(subscriber_id or 0)
                found.setdefault(pair, []).append(_Reaction(int(first), user_agent, last))
        return found

    def _deliveries(self, people: list[int]) -> dict[Pair, tuple[int, datetime]]:
        """Delivery server and time by recipient, of mail since the beginning; the first where there are several."""
        found: dict[Pair, tuple[int, datetime]] = {}
        if not people:
            return found
        for deliveries in self._logs:
            c = deliveries.c
            rows: Any = self._conn.execute(
                select(c.campaign_id, c.subscriber_id, c.server_id, c.date_added).where(
                    c.subscriber_id.in_(people), c.status == SENT, c.date_added >= self._since
                )
            )
            for campaign_id, subscriber_id, server_id, at in rows:
                pair = int(campaign_id), int(subscriber_id)
                if server_id is not None and (pair not in found or at < found[pair][1]):
                    found[pair] = int(server_id), at
        return found


def first_id(conn: Connection, track: Table, since: datetime) -> int | None:
    """About the first row since then (naive UTC), never a later one: by halving the primary key, one row a step. None: no rows."""
    bounds: Any = conn.execute(select(func.min(track.c.id), func.max(track.c.id))).one()
    low, high = bounds
    if low is None:
        return None
    least = low = int(low)
    high = int(high) + 1
    while low < high:
        middle = (low + high) // 2
        row = conn.execute(
            select(track.c.id, track.c.date_added)
            .where(track.c.id >= middle, track.c.date_added.is_not(None))
            .order_by(track.c.id)
            .limit(1)
        ).one_or_none()
        if row is None or row.date_added >= since:
            high = middle
        else:
            low = int(row.id) + 1
    return max(least, low - SLACK)
