"""Soft bounces in a row: the engine's own counter. MailWizz counts what its own bounce box or webhook brought it, over all time and
apart from this."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

ONE_MESSAGE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SoftBounce:
    """One soft bounce since the last delivery to its address; `message_id` may be ''. `at`: aware UTC."""

    row_id: int
    at: datetime
    message_id: str


@dataclass(frozen=True, slots=True)
class SoftRow:
    """`completed_by`: the row of the bounce that made the number full, None as long as none did; `counted`: messages so far;
    `stale`: rows too old to count."""

    completed_by: int | None
    counted: int
    stale: tuple[int, ...]


def count_row(bounces: Sequence[SoftBounce], needed: int, as_of: datetime, longest: timedelta) -> SoftRow:
    """Counts the messages that bounced, each once however often its bounce was told; bounces older than `longest` before
    `as_of` count no more. Bounces that name no message count as one where less than `ONE_MESSAGE` lies between them."""
    fresh = sorted(
        (one for one in bounces if one.at >= as_of - longest), key=lambda one: (one.at, one.row_id)
    )
    stale = tuple(one.row_id for one in bounces if one.at < as_of - longest)
    seen: set[str] = set()
    counted, unnamed = 0, None
    for bounce in fresh:
        if bounce.message_id in seen and bounce.message_id:
            continue
        if not bounce.message_id:
            told_before = unnamed is not None and bounce.at - unnamed < ONE_MESSAGE
            unnamed = bounce.at
            if told_before:
                continue
        seen.add(bounce.message_id)
        counted += 1
        if counted >= needed:
            return SoftRow(fresh[-1].row_id, counted, stale)
    return SoftRow(None, counted, stale)
