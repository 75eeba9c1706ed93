"""What a delivery server was handed today, by two that count it: MailWizz's usage log and PowerMTA's accounting. The stricter counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from email_engine.fleet.model import IpRecord

SETTLED = timedelta(hours=2)
"""So long a message may be under way before accounting should know of it: the queue, and a file that is still open."""
FEWEST = 500
KNOWN_RATE = 0.5
"""Below so many messages, or where accounting knows of this share, nothing is told: some mail waits for its receiver."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Messages of the UTC day by server id: `usage` in MailWizz's log, `settled` those of it that are older than SETTLED; and
    by `ip_id` what accounting saw delivered or bounced."""

    usage: Mapping[int, int]
    settled: Mapping[int, int]
    accounted: Mapping[int, int]

    def today(self, record: IpRecord) -> int:
        """The larger of the two."""
        return max(self.usage.get(record.mailwizz_server_id or 0, 0), self.accounted.get(record.ip_id, 0))

    def unaccounted(self, records: Iterable[IpRecord]) -> tuple[str, ...]:
        """In words, each server whose mail accounting mostly does not know of."""
        return tuple(
            f"server {record.mailwizz_server_id} ({record.address}): handed {settled} by two hours ago, accounting knows of "
            f"{self.accounted.get(record.ip_id, 0)}"
            for record in records
            if (settled := self.settled.get(record.mailwizz_server_id or 0, 0)) >= FEWEST
            and self.accounted.get(record.ip_id, 0) < settled * KNOWN_RATE
        )
