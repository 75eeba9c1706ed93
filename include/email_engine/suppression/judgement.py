"""What becomes of addresses that a bounce or a complaint speaks of, before MailWizz is told of any."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from email_engine.suppression.outage import Belief, Outage, believe
from email_engine.suppression.policy import SuppressionPolicy
from email_engine.suppression.reasons import Reason
from email_engine.suppression.soft_row import SoftBounce, count_row


class State(StrEnum):
    """Of one row. `new`, `held`, `soft` wait for a judgement; `open` and `posted` for MailWizz; the others are final, and only they
    keep no address."""

    NEW = "new"
    HELD = "held"
    SOFT = "soft"
    OPEN = "open"
    POSTED = "posted"
    STORED = "stored"
    ALREADY = "already"
    NOT_OURS = "not_ours"
    FINDING = "finding"
    EXCUSED = "excused"
    RESET = "reset"
    SPENT = "spent"
    EXPIRED = "expired"


WAITING = frozenset({State.NEW, State.HELD, State.SOFT})
UNCOUNTED = frozenset({State.OPEN, State.POSTED})
COUNTED = frozenset({State.STORED, State.ALREADY, State.NOT_OURS, State.FINDING})


@dataclass(frozen=True, slots=True)
class Waiting:
    """One row that waits. `recipient`: the keyed hash of its address, None where the engine has no key; `at`: aware UTC."""

    row_id: int
    reason: Reason
    state: State
    provider: str
    at: datetime
    recipient: str | None
    message_id: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """A row's next state and why, for people."""

    row_id: int
    state: State
    why: str


def judge(
    rows: Sequence[Waiting],
    outages: Mapping[str, Sequence[Outage]],
    excused_at: Mapping[str, datetime],
    policy: SuppressionPolicy,
    as_of: datetime,
) -> tuple[Judgement, ...]:
    """The rows whose state changes.

    Args:
        rows: all that wait, of one tenant; of a recipient's soft bounces all since the last delivery to it.
        outages: by provider (`find_outages`).
        excused_at: when an outage excused a recipient last."""
    done = [*_at_once(rows, outages, excused_at, policy), *_in_row(rows, outages, policy, as_of)]
    known = {row.row_id: row.state for row in rows}
    return tuple(one for one in done if one.state is not known[one.row_id])


def _at_once(
    rows: Iterable[Waiting],
    outages: Mapping[str, Sequence[Outage]],
    excused_at: Mapping[str, datetime],
    policy: SuppressionPolicy,
) -> Iterable[Judgement]:
    for row in rows:
        if row.reason is Reason.COMPLAINT:
            yield Judgement(row.row_id, State.OPEN, "complained")
        elif row.reason is Reason.HARD:
            before = excused_at.get(row.recipient or "")
            belief = believe(row.at, outages.get(row.provider, ()), policy.outage, before)
            if belief is Belief.BELIEVED:
                yield Judgement(row.row_id, State.OPEN, "no such mailbox")
            elif belief is Belief.HELD:
                yield Judgement(row.row_id, State.HELD, f"{row.provider} calls too many of its users unknown")
            else:
                yield Judgement(row.row_id, State.EXCUSED, f"{row.provider} had an outage then")


def _in_row(
    rows: Iterable[Waiting],
    outages: Mapping[str, Sequence[Outage]],
    policy: SuppressionPolicy,
    as_of: datetime,
) -> Iterable[Judgement]:
    """A recipient that nobody can tell from others is never counted, nor is what a provider says in an outage of its own."""
    by_recipient: dict[str, list[SoftBounce]] = {}
    for row in rows:
        if row.reason is not Reason.SOFT:
            continue
        belief = believe(row.at, outages.get(row.provider, ()), policy.outage, None)
        if belief is Belief.HELD:
            yield Judgement(row.row_id, State.HELD, f"{row.provider} calls too many of its users unknown")
        elif belief is Belief.EXCUSED:
            yield Judgement(row.row_id, State.EXCUSED, f"{row.provider} had an outage then")
        elif row.recipient is None:
            yield Judgement(row.row_id, State.EXPIRED, "no key: soft bounces in a row cannot be counted")
        else:
            bounce = SoftBounce(row.row_id, row.at, row.message_id)
            by_recipient.setdefault(row.recipient, []).append(bounce)
    for bounces in by_recipient.values():
        found = count_row(bounces, policy.soft_in_row, as_of, timedelta(days=policy.soft_days))
        for bounce in bounces:
            if bounce.row_id in found.stale:
                yield Judgement(bounce.row_id, State.EXPIRED, f"older than {policy.soft_days} days")
            elif found.completed_by is None:
                yield Judgement(
                    bounce.row_id, State.SOFT, f"{found.counted} in a row, {policy.soft_in_row} suppress"
                )
            elif bounce.row_id == found.completed_by:
                yield Judgement(bounce.row_id, State.OPEN, f"{policy.soft_in_row} soft bounces in a row")
            else:
                yield Judgement(bounce.row_id, State.SPENT, "counted with a later one")
