"""What a look at recipient lists goes by, and why one may end before its list does."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from email_engine.adapters.mailwizz_lists import MailwizzLists
from email_engine.hygiene.policy import HygienePolicy
from email_engine.mailer.opens import OpensPolicy
from email_engine.mailer.unreadable import Unreadable
from email_engine.pipelines.list_hygiene.domain_book import DomainBook


class NotWhole(Exception):
    """A list was not read to its end: its report and its file stay as they were."""


class TimeIsUp(NotWhole):
    """The run has no time left; the next one begins with this list."""


@dataclass(frozen=True, slots=True)
class Looking:
    """`since`, `lately`: naive UTC; `until`: of the monotonic clock; `no_silence`: why silence is not known, '' if it is."""

    policy: HygienePolicy
    opens: OpensPolicy
    book: DomainBook
    since: datetime
    lately: datetime
    until: float
    clock: Callable[[], float]
    no_silence: str


def looking(
    mailwizz: MailwizzLists,
    policy: HygienePolicy,
    opens: OpensPolicy,
    book: DomainBook,
    as_of: datetime,
    until: float,
    clock: Callable[[], float],
) -> Looking:
    """`as_of`: aware; the run's time."""
    since = policy.silent_since(as_of).astimezone(UTC).replace(tzinfo=None)
    lately = as_of.astimezone(UTC).replace(tzinfo=None) - timedelta(days=policy.engaged_days)
    return Looking(policy, opens, book, since, lately, until, clock, _no_silence(mailwizz, since))


def _no_silence(mailwizz: MailwizzLists, since: datetime) -> str:
    """Nobody can be called silent where MailWizz's memory is shorter than the silence."""
    oldest = mailwizz.opens_since()
    if isinstance(oldest, Unreadable):
        return f"silence is not known: {oldest.told}"
    if oldest is None:
        return "silence is not known: MailWizz noted no open"
    if oldest > since:
        return f"silence is not known: MailWizz's opens go back to {oldest:%Y-%m-%d} only"
    return ""
