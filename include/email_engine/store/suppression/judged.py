"""Rows that wait for a judgement, what it is judged by, and writing it down. Sessions of the tenant."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Text,
    and_,
    any_,
    column,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from email_engine.decision import Origin
from email_engine.store.schema import ips, suppressions
from email_engine.suppression.judgement import WAITING, Judgement, State, Waiting
from email_engine.suppression.reasons import Reason

_S = suppressions.c
_FINAL = frozenset(State) - WAITING - {State.OPEN, State.POSTED, State.FINDING}


def waiting(conn: Connection, mailwizz: str) -> tuple[Waiting, ...]:
    """What the IPs of one MailWizz instance brought and nobody judged for good, locked; of soft bounces those of recipients
    that bounced softly anew, with all that went before in the same row."""
    of_instance = select(ips.c.id).where(ips.c.mailwizz == mailwizz).scalar_subquery()
    anew = (
        select(_S.recipient_hash)
        .where(_S.state == State.NEW, _S.reason == Reason.SOFT, _S.ip_id.in_(of_instance))
        .where(_S.recipient_hash.is_not(None))
        .scalar_subquery()
    )
    asked = or_(
        _S.state.in_([State.NEW, State.HELD]), and_(_S.state == State.SOFT, _S.recipient_hash.in_(anew))
    )
    query = select(suppressions).where(asked, _S.ip_id.in_(of_instance)).order_by(_S.id).with_for_update()
    return tuple(
        Waiting(
            row.id,
            Reason(row.reason),
            State(row.state),
            row.provider,
            row.at,
            row.recipient_hash,
            row.message_id,
        )
        for row in conn.execute(query)
    )


def excused_at(conn: Connection, recipients: Collection[str]) -> Mapping[str, datetime]:
    """When an outage excused each of these recipients last."""
    query = (
        select(_S.recipient_hash, func.max(_S.at).label("last"))
        .where(_S.state == State.EXCUSED, _S.reason == Reason.HARD, _S.recipient_hash.in_(list(recipients)))
        .group_by(_S.recipient_hash)
    )
    return {row.recipient_hash: row.last for row in conn.execute(query)}


def write(conn: Connection, judgements: Sequence[Judgement], mailwizz: str, origin: Origin) -> None:
    """Notes what was judged; what is settled by that keeps no address."""
    alike: dict[tuple[State, str], list[int]] = {}
    for one in judgements:
        alike.setdefault((one.state, one.why), []).append(one.row_id)
    for (state, why), ids in alike.items():
        values = {
            "state": state, "why": why, "decided_at": origin.as_of, "mailwizz": mailwizz,
            "dag_id": origin.dag_id, "run_id": origin.run_id,
        }  # fmt: skip
        if state in _FINAL:
            values["sealed"] = None
        conn.execute(
            update(suppressions).where(_S.id == any_(literal(ids, ARRAY(BigInteger)))).values(**values)
        )


def note_deliveries(conn: Connection, delivered: Mapping[str, datetime]) -> int:
    """Ends the rows of soft bounces of recipients (keyed hash) that took a mail since; how many bounces count no more. Session `*`."""
    if not delivered:
        return 0
    given = (
        func.unnest(
            literal(list(delivered), ARRAY(Text)),
            literal(list(delivered.values()), ARRAY(DateTime(timezone=True))),
        )
        .table_valued(column("recipient", Text), column("at", DateTime(timezone=True)))
        .render_derived(name="given")
    )
    done = conn.execute(
        update(suppressions)
        .where(_S.recipient_hash == given.c.recipient, _S.reason == Reason.SOFT, _S.at < given.c.at)
        .where(_S.state.in_([State.NEW, State.SOFT]))
        .values(state=State.RESET, why="took a mail since", sealed=None)
    )
    return done.rowcount


def soft_addresses(conn: Connection) -> tuple[tuple[str, bytes], ...]:
    """Keyed hash and sealed address of every recipient with an unfinished row of soft bounces. Session `*`."""
    query = (
        select(_S.recipient_hash, _S.sealed)
        .where(_S.reason == Reason.SOFT, _S.state.in_([State.NEW, State.SOFT]))
        .where(_S.recipient_hash.is_not(None), _S.sealed.is_not(None))
        .order_by(_S.recipient_hash, _S.id.desc())
        .ext(distinct_on(_S.recipient_hash))
    )
    return tuple((row.recipient_hash, row.sealed) for row in conn.execute(query))


def forget_old(conn: Connection, mailwizz: str, before: datetime) -> int:
    """Expires what was noted before that and is not counted yet, and drops every address as old; how many rows expired."""
    of_instance = select(ips.c.id).where(ips.c.mailwizz == mailwizz).scalar_subquery()
    old = and_(_S.recorded_at < before, or_(_S.mailwizz == mailwizz, _S.ip_id.in_(of_instance)))
    unfinished = _S.state.in_([*WAITING, State.OPEN, State.POSTED])
    done = conn.execute(
        update(suppressions)
        .where(old, unfinished)
        .values(state=State.EXPIRED, why="kept for too long", sealed=None)
    )
    conn.execute(update(suppressions).where(old, _S.sealed.is_not(None)).values(sealed=None))
    return done.rowcount
