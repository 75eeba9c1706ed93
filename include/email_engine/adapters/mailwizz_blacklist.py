"""MailWizz's global blacklist, which no API shows: read from its database, never written."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import column, select, table
from sqlalchemy.exc import DBAPIError

from email_engine.adapters.mailwizz_database import MailwizzDatabase

BATCH = 1_000


@dataclass(frozen=True, slots=True)
class BlacklistRow:
    """`reason`: as MailWizz noted it, for a bounce the receiver's words, '' where there are none; `added`: naive UTC, as it stands there."""

    email: str = field(repr=False)
    reason: str
    added: datetime | None


def blacklist(database: MailwizzDatabase) -> Iterator[BlacklistRow]:
    """Every row, in MailWizz's order; it may be millions, read in batches. Raises AccessDenied without SELECT on `email_blacklist`,
    Unreachable, Refused."""
    rows = table(
        f"{database.table_prefix}email_blacklist", column("email"), column("reason"), column("date_added")
    )
    engine = database.engine()
    try:
        with engine.connect().execution_options(stream_results=True, yield_per=BATCH) as conn:
            for row in conn.execute(select(rows.c.email, rows.c.reason, rows.c.date_added)):
                yield BlacklistRow(str(row.email), str(row.reason or ""), row.date_added)
    except DBAPIError as error:
        raise database.failure(error) from None
    finally:
        engine.dispose()
