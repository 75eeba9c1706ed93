"""Does a delivery server that was switched off hand nothing over any more? Judged by the rows of MailWizz's usage log, not by clocks:
MailWizz's and the engine's may differ."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

QUIET = timedelta(minutes=2)
"""So long no new row: it is silent."""
LOUD = timedelta(minutes=10)
"""A worker finishes the batch that it holds; who goes on for longer does not follow the switch."""
AGAIN = timedelta(minutes=10)
"""So long after that it is looked at once more."""
LATELY = timedelta(hours=24)
"""A server with a row in that time before the stop is one whose messages MailWizz logs. It logs none of a server without quotas whose sends do
not count for the customer, and nothing at all where it cannot write the log: no row proves nothing then."""


class Heard(StrEnum):
    """What is new since the look before."""

    SILENT = "silent"
    LOUD = "hands over still"
    WOKE = "hands over again"
    UNKNOWN = "is not known to be silent"


@dataclass(frozen=True, slots=True)
class Rows:
    """Of MailWizz's usage log: `newest` is the id of its newest row of any server (None: it has none), `of_server` how many of one
    server's came after the look before; `logged`: that server had rows lately."""

    newest: int | None
    of_server: int
    logged: bool


@dataclass(frozen=True, slots=True)
class Silence:
    """One server under one brake. Times are aware UTC, by the engine's clock. `handed_over`: messages since `began_at`; `quiet_since`:
    the first look that found nothing new; `proven_at`: when it was silent at the later look too. `told`: a `Heard`."""

    brake_id: int
    tenant: str
    server_id: int
    began_at: datetime
    last_row: int | None
    quiet_since: datetime
    handed_over: int = 0
    silent_at: datetime | None = None
    proven_at: datetime | None = None
    told: str | None = None


def listen(before: Silence, rows: Rows, now: datetime) -> tuple[Silence, Heard | None]:
    """What one look makes of it, and what people must be told of that."""
    after = replace(before, last_row=rows.newest, handed_over=before.handed_over + rows.of_server)
    if rows.of_server:
        woke = before.silent_at is not None
        after = replace(after, quiet_since=now, silent_at=None, proven_at=None)
        heard = Heard.WOKE if woke else Heard.LOUD if now - before.began_at >= LOUD else None
    elif before.silent_at is None:
        proof = Heard.SILENT if rows.logged or before.handed_over else Heard.UNKNOWN
        heard = proof if now - before.quiet_since >= QUIET else None
        after = replace(after, silent_at=now if heard is Heard.SILENT else None)
    else:
        heard = None
        if before.proven_at is None and now - before.silent_at >= AGAIN:
            after = replace(after, proven_at=now)
    news = heard if heard != before.told else None
    return replace(after, told=heard or before.told), news
