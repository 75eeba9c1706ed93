"""Reading what was counted: a tenant's suppression list, and findings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import distinct_on

from email_engine.store.schema import suppressions
from email_engine.suppression.judgement import State

_S = suppressions.c


@dataclass(frozen=True, slots=True)
class Listed:
    """One subscriber that mail may not reach; `recipient`: the keyed hash of its address, '' without a key."""

    mailwizz: str
    list_uid: str
    subscriber_uid: str
    reason: str
    at: datetime
    recipient: str


def listed(conn: Connection) -> tuple[Listed, ...]:
    """Of the session's tenant, each subscriber once with the first reason, by instance."""
    query = (
        select(suppressions)
        .where(_S.state.in_([State.STORED, State.ALREADY]), _S.mailwizz.is_not(None))
        .where(_S.list_uid.is_not(None), _S.subscriber_uid.is_not(None))
        .order_by(_S.mailwizz, _S.list_uid, _S.subscriber_uid, _S.at)
        .ext(distinct_on(_S.mailwizz, _S.list_uid, _S.subscriber_uid))
    )
    return tuple(
        Listed(row.mailwizz, row.list_uid, row.subscriber_uid, row.reason, row.at, row.recipient_hash or "")
        for row in conn.execute(query)
    )


def findings(conn: Connection, mailwizz: str) -> Sequence[Row[Any]]:
    """Rows that ended as findings, the oldest first."""
    query = select(suppressions).where(_S.mailwizz == mailwizz, _S.state == State.FINDING).order_by(_S.id)
    return conn.execute(query).all()
