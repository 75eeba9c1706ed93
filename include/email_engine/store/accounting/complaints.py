"""Complaints, counted for the hour in which their mail was sent.

PowerMTA's `f` record has no time of sending, but it carries headers of the mail and fields of the report: the engine asks for
header_Date and arf_Arrival-Date (templates/powermta), which costs two columns of the rarest records. The other way, a
memory of every delivered Message-Id for 30 days, was weighed and left: 8 bytes of hash with IP and hour take 75 MB with
their index for each million of messages in PostgreSQL, 22 GB at 10 million a day, and every delivery would have to
leave the columnar engine one by one. Reports that tell neither still find their mail among the bounces, else they count
for the day of the report."""

from datetime import timedelta

from sqlalchemy import Connection

from email_engine.accounting.summarize import Counts, Summary
from email_engine.store.accounting.counts import Rows
from email_engine.store.accounting.events import EventWriter, complaints_about, mail_of, origin_of


def place_complaints(
    conn: Connection,
    summary: Summary,
    writer: EventWriter,
    rows: Rows,
    unknown_sources: dict[str, int],
    origin_days: int,
) -> None:
    """Each counts for the hour in which its mail was sent: by a header of the report, else by the mail's own event, else by
    the report. A report that names no source takes that of the mail. Reports of one mail and recipient count once: feedback loops
    tell some of them again."""
    writer.flush()
    mails = [mail_of(event, writer.hash_of) for event in summary.complaints]
    told = complaints_about(conn, [mail for mail in mails if mail is not None])
    within = timedelta(days=origin_days)
    for event, mail in zip(summary.complaints, mails, strict=True):
        if mail is not None and any(abs(event.at - at) <= within for at in told.get(mail, ())):
            summary.repeated_complaints += 1
            continue
        ip, at, by = writer.known.find(event.source), event.sent_at, "header"
        if ip is None or at is None:
            origin = origin_of(conn, event, writer.hash_of, origin_days)
            if origin is not None:
                ip = ip or origin.ip
                at, by = (at, by) if at else (origin.at, "message")
        if ip is None:
            name = event.source.address or event.source.vmta
            if name:
                unknown_sources[name] = unknown_sources.get(name, 0) + 1
            else:
                summary.complaints_without_source += 1
            continue
        moment, by = (at, by) if at else (event.at, "report")
        if mail is not None:
            told.setdefault(mail, []).append(event.at)
        hour = moment.replace(minute=0, second=0, microsecond=0)
        rows.setdefault((*ip, event.provider, hour), Counts()).complained += 1
        writer.add_of(ip, event, moment, by)
