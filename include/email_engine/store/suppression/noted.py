"""What an accounting file says against addresses, noted in the transaction that takes the file: once, as the file is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert

from email_engine.accounting.lexicon import Lexicon, shipped_lexicon
from email_engine.accounting.recipients import clean_address
from email_engine.accounting.sealing import Sealer
from email_engine.accounting.values import Event, EventKind
from email_engine.store.schema import suppressions
from email_engine.store.suppression.judged import soft_addresses
from email_engine.suppression.reasons import Reason, reason_of


@dataclass(slots=True)
class SuppressionNotes:
    """Of one file. `sealer`: None keeps no address; then MailWizz finds the recipient by the Message-Id alone."""

    sealer: Sealer | None
    lexicon: Lexicon = field(default_factory=shipped_lexicon)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    soft: set[str] = field(default_factory=set, repr=False)
    known: frozenset[str] = field(default=frozenset(), repr=False)
    judged: dict[tuple[EventKind, str, str, str, str], Reason | None] = field(default_factory=dict)

    def add(self, event: Event, mail: Mapping[str, Any]) -> None:
        """`mail`: whose it was, when, its recipient's hash, Message-Id and campaign, as columns."""
        words = (event.kind, event.provider, event.category, event.status, event.reply)
        if words not in self.judged:
            self.judged[words] = reason_of(*words, self.lexicon)
        reason = self.judged[words]
        if reason is None:
            return
        if reason is Reason.SOFT and (address := clean_address(event.recipient)):
            self.soft.add(address)
        sealed = self.sealer.seal(event.recipient) if self.sealer else None
        self.waiting.append(dict(mail) | {"reason": reason.value, "sealed": sealed})

    def watch_known(self, conn: Connection) -> None:
        """Recipients whose soft bounces are being counted since an earlier file are watched too."""
        if self.sealer:
            opened = (self.sealer.opened(sealed) for _, sealed in soft_addresses(conn))
            self.known = frozenset(address for address in opened if address)

    def watched(self) -> frozenset[str]:
        """Addresses in clear whose deliveries end a row of soft bounces; those of this file are known when it was read."""
        return self.known.union(self.soft)

    def flush(self, conn: Connection) -> None:
        if self.waiting:
            conn.execute(insert(suppressions), self.waiting)
            self.waiting.clear()

    def clear(self, conn: Connection, file_id: int) -> None:
        """Forgets every row of the file."""
        self.waiting.clear()
        self.soft.clear()
        conn.execute(delete(suppressions).where(suppressions.c.file_id == file_id))
