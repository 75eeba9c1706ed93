"""What a person should look at before an adopted fleet may act."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Topic(StrEnum):
    """What a finding is about, in the order of the report."""

    UNREAD = "could not be read"
    SERVERS = "delivery servers"
    ACCOUNTING = "accounting"
    MESSAGE_ID = "Message-Id"
    QUOTAS = "quotas"
    CAMPAIGNS = "campaigns"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class AdoptionFinding:
    """`subject`: an IP, a server, a host, a file."""

    topic: Topic
    subject: str
    observed: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.observed}. Next: {self.next_step}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
