"""Rows of one MailWizz instance that the tenant's others are told of too, for they may know the same address. Sessions of the tenant."""

from collections.abc import Collection

from sqlalchemy import BigInteger, Connection, Text, any_, column, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY, insert

from email_engine.store.schema import suppressions
from email_engine.suppression.judgement import State

_S = suppressions.c
_KEPT = (
    "tenant", "ip_id", "file_id", "reason", "provider", "at", "recipient_hash", "sealed", "state", "why", "decided_at", "dag_id",
    "run_id",
)  # fmt: skip


def copy_open(conn: Connection, row_ids: Collection[int], others: Collection[str]) -> int:
    """One open row for each of these instances, once; how many are new. Without its address nobody finds a recipient elsewhere, and
    Message-Id and campaign mean nothing there."""
    if not row_ids or not others:
        return 0
    names = func.unnest(literal(sorted(others), ARRAY(Text))).table_valued(column("name", Text))
    other = names.render_derived(name="other")
    kept = [_S[name] for name in _KEPT]
    given = (
        select(*kept, literal("").label("message_id"), literal("").label("campaign"), other.c.name, _S.id)
        .select_from(suppressions.join(other, true()))
        .where(
            _S.id == any_(literal(list(row_ids), ARRAY(BigInteger))),
            _S.state == State.OPEN,
            _S.sealed.is_not(None),
            _S.copy_of.is_(None),
        )
    )
    made = (
        insert(suppressions)
        .from_select([*_KEPT, "message_id", "campaign", "mailwizz", "copy_of"], given)
        .on_conflict_do_nothing(index_elements=["copy_of", "mailwizz"])
    )
    return int(conn.execute(made).rowcount)
