"""Bounces and complaints one by one, and rows that could not be read; never with an address in clear."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from email_engine.accounting.recipients import Hash, clean_address
from email_engine.accounting.summarize import Event, EventKind, Rejected
from email_engine.store.accounting.counts import KnownIps
from email_engine.store.schema import accounting_quarantine, delivery_events
from email_engine.store.suppression.noted import SuppressionNotes

BATCH = 1_000
LONGEST = 500
"""Bytes of a text; an index takes no more than 2,700."""


@dataclass(slots=True)
class EventWriter:
    """Writes the events of one file as they come, and notes the addresses that they speak of (`notes`, None: none). Those of sources outside
    the fleet are left out: they are no tenant's."""

    conn: Connection
    file_id: int
    known: KnownIps
    hash_of: Hash | None
    notes: SuppressionNotes | None = None
    waiting: list[dict[str, Any]] = field(default_factory=list)

    def add(self, event: Event, counted_at: datetime | None = None, counted_by: str = "record") -> None:
        ip = self.known.find(event.source)
        if ip is not None:
            self.add_of(ip, event, counted_at or event.at, counted_by)

    def add_of(self, ip: tuple[int, str], event: Event, counted_at: datetime, counted_by: str) -> None:
        mail = {
            "tenant": ip[1],
            "ip_id": ip[0],
            "file_id": self.file_id,
            "provider": event.provider,
            "at": event.at,
            "recipient_hash": self.hash_of(event.recipient) if self.hash_of else None,
            "message_id": _message_id(event.message_id, event.recipient, self.hash_of),
            "campaign": _campaign(event.job, event.recipient, self.hash_of),
        }
        told = {
            "kind": event.kind.value,
            "counted_at": counted_at,
            "counted_by": counted_by,
            "category": _short(event.category),
            "status": _short(event.status),
            "reply": _short(event.reply),
        }
        self.waiting.append(mail | told)
        if self.notes is not None:
            self.notes.add(event, mail)
        if len(self.waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        if self.waiting:
            self.conn.execute(insert(delivery_events), self.waiting)
            self.waiting.clear()
        if self.notes is not None:
            self.notes.flush(self.conn)

    def clear(self) -> None:
        """Forgets every event of the file."""
        self.waiting.clear()
        self.conn.execute(delete(delivery_events).where(delivery_events.c.file_id == self.file_id))
        if self.notes is not None:
            self.notes.clear(self.conn, self.file_id)


def _message_id(text: str, recipient: str, hash_of: Hash | None) -> str:
    """As it is, for MailWizz finds its mail by it; one that carries the whole address (`local@domain`, `local=domain`) is replaced by
    its hash. A local part alone, which a number may hold by chance, tells nobody's address."""
    local, domain, lower = *_parts(recipient), text.lower()
    if not local or local not in lower:
        return _short(text)
    whole = any(f"{local}{sign}{domain}" in lower for sign in ("@", "=", "%40", "_at_"))
    return _hashed(text, hash_of) if whole else _short(text)


def _campaign(text: str, recipient: str, hash_of: Hash | None) -> str:
    """A job that carries the recipient's name is replaced by its own hash; as much of it as an index takes."""
    local, lower = _parts(recipient)[0], text.lower()
    if len(local) < 3 or local not in lower:
        return _short(text)
    named = re.search(rf"(?<![a-z0-9]){re.escape(local)}(?![a-z0-9])", lower)
    return _hashed(text, hash_of) if named else _short(text)


def _parts(recipient: str) -> tuple[str, str]:
    local, _, domain = (clean_address(recipient) or "").rpartition("@")
    return local, domain


def _hashed(text: str, hash_of: Hash | None) -> str:
    return (hash_of(f"{text}@") if hash_of else None) or ""


def _short(text: str) -> str:
    return text.encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore")


def quarantine(conn: Connection, file_id: int, rejected: Iterable[Rejected], hash_of: Hash | None) -> None:
    """Keeps which lines of a file could not be read, and why."""
    rows = [
        {
            "file_id": file_id,
            "line": one.line,
            "reason": one.reason,
            "recipient_hash": hash_of(one.recipient) if hash_of else None,
        }
        for one in rejected
    ]
    for at in range(0, len(rows), BATCH):
        conn.execute(insert(accounting_quarantine), rows[at : at + BATCH])


Mail = tuple[str, str]
"""Message-Id and hash of the recipient, as an event holds them."""


def mail_of(event: Event, hash_of: Hash | None) -> Mail | None:
    """None where the event does not tell one mail from others."""
    recipient = hash_of(event.recipient) if hash_of else None
    message_id = _message_id(event.message_id, event.recipient, hash_of)
    return (message_id, recipient) if message_id and recipient else None


def complaints_about(conn: Connection, mails: Sequence[Mail]) -> dict[Mail, list[datetime]]:
    """When somebody complained about each of these already, in files that were read; those about which nobody did are left out."""
    rows, wanted = delivery_events.c, set(mails)
    found: dict[Mail, list[datetime]] = {}
    ids = sorted({message_id for message_id, _ in mails})
    for start in range(0, len(ids), BATCH):
        query = select(rows.message_id, rows.recipient_hash, rows.at).where(
            rows.message_id.in_(ids[start : start + BATCH]), rows.kind == EventKind.COMPLAINT.value
        )
        for row in conn.execute(query):
            if (mail := (row.message_id, row.recipient_hash)) in wanted:
                found.setdefault(mail, []).append(row.at)
    return found


@dataclass(frozen=True, slots=True)
class Origin:
    """The mail that a complaint is about: which IP sent it, and when."""

    ip: tuple[int, str]
    at: datetime


def origin_of(conn: Connection, event: Event, hash_of: Hash | None, days: int) -> Origin | None:
    """By the Message-Id and the recipient, in the bounces of the `days` before the complaint."""
    rows = delivery_events.c
    recipient = hash_of(event.recipient) if hash_of else None
    message_id = _message_id(event.message_id, event.recipient, hash_of)
    if not message_id:
        return None
    query = (
        select(rows.ip_id, rows.tenant, rows.at)
        .where(rows.message_id == message_id, rows.kind != EventKind.COMPLAINT.value)
        .where(rows.at <= event.at, rows.at >= event.at - timedelta(days=days))
        .order_by((rows.recipient_hash == recipient).desc().nulls_last() if recipient else rows.at, rows.at)
        .limit(1)
    )
    found = conn.execute(query).first()
    return Origin((found.ip_id, found.tenant), found.at) if found else None
