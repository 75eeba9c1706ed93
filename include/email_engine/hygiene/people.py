"""Whether a person on a recipient list is there: by opens and clicks, of people who got mail."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from email_engine.hygiene.policy import HygienePolicy


class Standing(StrEnum):
    """`machines_alone`: programs fetched the mail, so opens say nothing of the person; `unjudged`: got no mail in that time, is newer on the
    list, or MailWizz does not know."""

    ENGAGED = "engaged"
    MACHINES_ALONE = "machines_alone"
    SILENT = "silent"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class Heard:
    """Of one subscriber since that time. `person`: when a person opened or clicked last (naive UTC); `machine`: machines did."""

    person: datetime | None = None
    machine: bool = False


NOTHING_HEARD = Heard()


def judge_person(
    added: datetime | None, heard: Heard, mails: int | None, since: datetime, policy: HygienePolicy
) -> Standing:
    """What opens, clicks and mails since `since` say of one subscriber. Times are naive UTC, as MailWizz has them.

    Args:
        added: when the subscriber came on the list; None: nobody knows.
        mails: handed over since then; None: nobody knows, or nobody knows what was opened."""
    if heard.person is not None and heard.person >= since:
        return Standing.ENGAGED
    if heard.machine:
        return Standing.MACHINES_ALONE
    if mails is None or mails < policy.silent_mails or added is None or added > since:
        return Standing.UNJUDGED
    return Standing.SILENT
