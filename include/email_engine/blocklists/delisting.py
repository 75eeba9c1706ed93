"""Following up one listing: what is asked of a person, when the list is asked again, and when it is over."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from email_engine.fleet.model import IpAddress, IpState, Mode

FIRST_PAUSE = timedelta(hours=1)
LONGEST_PAUSE = timedelta(hours=12)
"""Between two re-checks: the first pause, doubled after each up to the longest."""


class Answer(StrEnum):
    """What the list said about the IP when it was asked again."""

    LISTED = "listed"
    NOT_LISTED = "not_listed"
    UNKNOWN = "unknown"


class Part(StrEnum):
    """The two questions about one listing: while it stands, and when it is over and no cause was named."""

    STANDING = "standing"
    OVER = "over"


class Status(StrEnum):
    """`cleared`: the listing is closed and a re-check after that said so too; `ended`: nothing is left to follow."""

    OPEN = "open"
    CLEARED = "cleared"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Delisting:
    """A followed listing with what is known of it and of its IP now.

    `listing_id`: row of table `blacklist_events`. `parks`: a listing that stops a sending IP. `minor`: the quarantine of its IP is
    one that leads back without a cause (`Quarantine.minor`). `run_id`: the run that follows it. `removed`: the IP left the fleet file. Times are aware UTC."""

    listing_id: int
    tenant: str
    mode: Mode
    ip_id: int
    address: IpAddress
    state: IpState
    removed: bool
    list_name: str
    zone: str
    codes: tuple[str, ...]
    parks: bool
    opened_at: datetime
    closed_at: datetime | None
    quarantine_until: datetime | None
    minor: bool
    status: Status
    question: str
    cause: str | None
    answered_by: str | None
    gives_up: bool
    checks: int
    last_answer: Answer | None
    next_check_at: datetime | None
    ended_because: str | None = None
    replaces: bool = False
    answered_at: datetime | None = None
    run_id: str | None = None
    acknowledged_until: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_ticket: str | None = None

    def __str__(self) -> str:
        return f"{self.address} on {self.list_name}"


@dataclass(frozen=True, slots=True)
class Recheck:
    """What one re-check means. `because` says why where the status is `ended`; `next_check_at` is None where nothing is asked
    any more."""

    status: Status
    because: str | None
    next_check_at: datetime | None


def pause_after(checks: int) -> timedelta:
    """How long to wait after so many re-checks: 1, 2, 4, 8, then 12 hours."""
    return min(FIRST_PAUSE * 2 ** min(checks, 10), LONGEST_PAUSE)


def nothing_to_follow(delisting: Delisting) -> str | None:
    """Why nobody needs to follow the listing any more though it stands, in a few words; None where somebody does."""
    if delisting.removed:
        return f"{delisting.address} left the fleet"
    if delisting.state is IpState.ABANDONED:
        return f"{delisting.address} was abandoned"
    return None


def decide_recheck(delisting: Delisting, answer: Answer, now: datetime) -> Recheck:
    """The status after a re-check. Only a "no" of the list after the sweeps closed the listing clears it; unknown waits, and
    longer each time."""
    if why := nothing_to_follow(delisting):
        return Recheck(Status.ENDED, why, None)
    if delisting.closed_at is not None and answer is Answer.NOT_LISTED:
        return Recheck(Status.CLEARED, None, None)
    return Recheck(Status.OPEN, None, now + pause_after(delisting.checks + 1))


def why_not_ask(delisting: Delisting, part: Part) -> str | None:
    """Why a question has no sense (any more), as a sentence without its full stop; None while it has."""
    if why := nothing_to_follow(delisting):
        return why
    if delisting.mode is Mode.OBSERVE:
        return f"tenant {delisting.tenant} is in observe: nothing hangs on an answer"
    if delisting.gives_up:
        return f"{delisting.answered_by} gave {delisting.address} up"
    if delisting.cause:
        return f"{delisting.answered_by} named the cause: {delisting.cause}"
    if part is Part.STANDING:
        return f"the listing of {delisting} is over" if delisting.closed_at is not None else None
    return _why_not_ask_afterwards(delisting)


def _why_not_ask_afterwards(delisting: Delisting) -> str | None:
    if delisting.closed_at is None:
        return f"the listing of {delisting} stands"
    if delisting.state is not IpState.QUARANTINE:
        return f"{delisting.address} is in {delisting.state}: its release does not wait for a cause"
    if delisting.minor:
        return f"it was one minor listing of {delisting.address} that ended by itself"
    return None


def lacks(delisting: Delisting | None, list_name: str, minor: bool) -> str | None:
    """What keeps an IP in quarantine for this listing of its own, in a few words; None if nothing does. Without a follow-up
    (None) nothing is known: no cause is named.

    `minor`: the quarantine leads back to warming without a cause."""
    if not minor and (delisting is None or not delisting.cause):
        return f"no cause of its listing on {list_name} is named"
    if delisting is not None and delisting.status is Status.OPEN:
        return f"no re-check found it off {list_name} since"
    return None
