"""Rows on their way to MailWizz: what is open, noted before it is told, counted after it was read back. Sessions of the tenant."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from email_engine.decision import Origin
from email_engine.store.schema import suppressions
from email_engine.suppression.judgement import COUNTED, UNCOUNTED, State
from email_engine.suppression.reasons import Reason
from email_engine.suppression.telling import Tally, Way

_S = suppressions.c


@dataclass(frozen=True, slots=True)
class OpenRow:
    """One address that is to be suppressed. `told`: MailWizz was told of it, or was about to be, when an earlier run ended;
    `copied`: it bounced or complained through another instance of the tenant's."""

    row_id: int
    reason: Reason
    message_id: str
    campaign: str
    sealed: bytes | None = field(repr=False)
    campaign_uid: str | None
    list_uid: str | None
    subscriber_uid: str | None
    tries: int
    told: bool
    copied: bool = False


def open_rows(
    conn: Connection, mailwizz: str, limit: int, without: Collection[int] = ()
) -> tuple[OpenRow, ...]:
    """First what was begun, then what made the least trouble, oldest first."""
    query = (
        select(suppressions)
        .where(_S.mailwizz == mailwizz, _S.state.in_(list(UNCOUNTED)), _S.id.not_in(list(without)))
        .order_by(_S.tries, (_S.state == State.POSTED).desc(), _S.id)
        .limit(limit)
    )
    return tuple(
        OpenRow(
            row.id, Reason(row.reason), row.message_id, row.campaign, row.sealed, row.campaign_uid, row.list_uid,
            row.subscriber_uid, row.tries, row.posted_at is not None, row.copy_of is not None,
        )
        for row in conn.execute(query)
    )  # fmt: skip


def count_open(conn: Connection, mailwizz: str) -> int:
    """Rows that MailWizz must still be told of."""
    query = select(func.count()).where(_S.mailwizz == mailwizz, _S.state.in_(list(UNCOUNTED)))
    return int(conn.execute(query).scalar_one())


@dataclass(frozen=True, slots=True)
class Intent:
    """Whom MailWizz is about to be told of."""

    row_id: int
    campaign_uid: str | None
    list_uid: str
    subscriber_uid: str


def note_intents(conn: Connection, intents: Sequence[Intent], at: datetime) -> None:
    """Before MailWizz is told: whoever comes after a kill knows that it may have been."""
    for one in intents:
        conn.execute(
            update(suppressions)
            .where(_S.id == one.row_id, _S.state.in_(list(UNCOUNTED)))
            .values(
                state=State.POSTED,
                posted_at=func.coalesce(_S.posted_at, at),
                campaign_uid=one.campaign_uid,
                list_uid=one.list_uid,
                subscriber_uid=one.subscriber_uid,
            )
        )


def count(
    conn: Connection,
    row_id: int,
    state: State,
    at: datetime,
    origin: Origin,
    *,
    way: Way | None = None,
    why: str = "",
    found: tuple[str, str] | None = None,
) -> bool:
    """A row's end, once: False where somebody else counted it meanwhile. Only a finding keeps its address. `found`: list and
    subscriber, where it was never told of."""
    values = {
        "state": state, "counted_at": at, "way": way, "trouble": why, "dag_id": origin.dag_id, "run_id": origin.run_id,
    }  # fmt: skip
    if found is not None:
        values |= {"list_uid": found[0], "subscriber_uid": found[1]}
    if state is not State.FINDING:
        values["sealed"] = None
    mine = update(suppressions).where(_S.id == row_id, _S.state.in_(list(UNCOUNTED))).values(**values)
    done = conn.execute(mine.returning(_S.recipient_hash)).one_or_none()
    if done is None:
        return False
    if done.recipient_hash and state in (State.STORED, State.ALREADY):
        _end_soft_row(conn, done.recipient_hash)
    return True


def _end_soft_row(conn: Connection, recipient: str) -> None:
    """Who is suppressed needs no further counting."""
    conn.execute(
        update(suppressions)
        .where(_S.recipient_hash == recipient, _S.state == State.SOFT)
        .values(state=State.SPENT, why="suppressed otherwise", sealed=None)
    )


def note_trouble(conn: Connection, row_id: int, why: str) -> None:
    """One more try in vain."""
    conn.execute(update(suppressions).where(_S.id == row_id).values(tries=_S.tries + 1, trouble=why[:500]))


def tally(conn: Connection, mailwizz: str, dag_id: str, run_id: str) -> Tally:
    """What a run counted, over all of its tries."""
    query = (
        select(_S.state, func.count().label("n"))
        .where(_S.mailwizz == mailwizz, _S.dag_id == dag_id, _S.run_id == run_id)
        .where(_S.state.in_(list(COUNTED)))
        .group_by(_S.state)
    )
    found = {row.state: int(row.n) for row in conn.execute(query)}
    return Tally(
        found.get(State.STORED, 0),
        found.get(State.ALREADY, 0),
        found.get(State.NOT_OURS, 0),
        found.get(State.FINDING, 0),
    )


def findings(conn: Connection, mailwizz: str) -> int:
    """Recipients that MailWizz still writes to."""
    query = select(func.count()).where(_S.mailwizz == mailwizz, _S.state == State.FINDING)
    return int(conn.execute(query).scalar_one())


def try_findings_again(conn: Connection, mailwizz: str) -> int:
    """Makes findings open again; how many."""
    done = conn.execute(
        update(suppressions)
        .where(_S.mailwizz == mailwizz, _S.state == State.FINDING)
        .values(state=State.OPEN, counted_at=None, tries=0, trouble="")
    )
    return done.rowcount
