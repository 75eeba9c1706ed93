"""What MailWizz is told and what counts as told: by the subscriber's status as it is read back, never by an answer's code."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from email_engine.suppression.judgement import State
from email_engine.suppression.reasons import Reason

BLACKLISTED, UNSUBSCRIBED = "blacklisted", "unsubscribed"
NO_MAIL = frozenset({BLACKLISTED, UNSUBSCRIBED, "disabled", "moved"})
"""Statuses of a subscriber to whom no campaign writes, and who does not come back by a confirmation."""

TEXTS = {
    Reason.HARD: "5.1.1 No such mailbox, told by the receiving server",
    Reason.SOFT: "5.2.2 Mailbox took no mail several times in a row",
    Reason.COMPLAINT: "The recipient complained to the mailbox provider",
}
"""Without a word by which MailWizz types a bounce anew (spam, block, blacklist, RBL and the like)."""
WANTED = {Reason.HARD: BLACKLISTED, Reason.SOFT: BLACKLISTED, Reason.COMPLAINT: UNSUBSCRIBED}
"""The status that is put where the usual way did not lead to one of NO_MAIL."""


class Way(StrEnum):
    """How MailWizz was told, in the order in which they are tried."""

    WEBHOOK = "webhook"
    FEEDBACK = "feedback"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One entry of a recipient list; `status` as MailWizz says it."""

    list_uid: str
    uid: str
    status: str

    @property
    def takes_mail(self) -> bool:
        return self.status not in NO_MAIL


@dataclass(frozen=True, slots=True)
class Tally:
    """`posted` is what a run dealt with to the end; it is always the sum of the others."""

    stored: int = 0
    already: int = 0
    not_ours: int = 0
    findings: int = 0

    @property
    def posted(self) -> int:
        return self.stored + self.already + self.not_ours + self.findings


def result_of(before: Collection[Subscriber], after: Collection[Subscriber], *, told: bool) -> State:
    """What a recipient counts as.

    Args:
        before: its entries as they were read first; none: MailWizz does not know it.
        after: the same, read back last.
        told: the engine told MailWizz of it, now or in a run that was killed."""
    if not before:
        return State.NOT_OURS
    if any(one.takes_mail for one in after):
        return State.FINDING
    return State.STORED if told else State.ALREADY
