"""One bounce or complaint of an accounting file as an event."""

from email_engine.accounting.reply_text import tidy
from email_engine.accounting.scan import BETWEEN, Group
from email_engine.accounting.values import Event, EventKind, SendingSource, parse_time, time_of_mail
from email_engine.fleet.providers import OTHER, Providers

NO_COMPLAINT = frozenset({"not-spam", "auth-failure", "opt-out", "dmarc"})
LONGEST_WORD = 100


def event_of(kind: EventKind, group: Group, source: SendingSource, providers: Providers) -> Event | None:
    """None for a feedback report that is no complaint. ValueError where the group's time cannot be read."""
    rcpt, message_id, job, logged, status, form, feedback, sent = plain_text(group.detail or "").split(
        BETWEEN
    )
    provider = group.provider or OTHER
    at, sent_at = parse_time(logged), None
    if kind is EventKind.COMPLAINT:
        if feedback.lower() in NO_COMPLAINT:
            return None
        sent_at = time_of_mail(sent, at)
        provider = group.provider or providers.of_feedback(form)
    return Event(
        kind=kind,
        source=source,
        provider=provider,
        at=at,
        sent_at=sent_at,
        recipient=rcpt,
        category=plain_text(group.category)[:LONGEST_WORD]
        or (feedback if kind is EventKind.COMPLAINT else "unknown"),
        status=status.partition(" ")[0],
        message_id=message_id.strip("<> "),
        job=job,
        reply=tidy(group.reply or ""),
    )


def plain_text(value: str) -> str:
    """Zero bytes (a file system after a power cut, a broken recipient) are no text that a database takes."""
    return value.replace("\0", "?") if "\0" in value else value
