"""Campaigns that send now or are about to, and how many messages of them still wait."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from email_engine.mailer.senders import LiveCampaign


@dataclass(frozen=True, slots=True)
class WaitingCampaign:
    """`waiting`: messages still to hand over; None: not known, which `why` tells. `starts`: when it begins, None: it has begun, or
    nobody knows."""

    campaign: LiveCampaign
    waiting: int | None
    starts: datetime | None = None
    why: str = ""


KnownIds = Mapping[str, int | None]
"""Message-Ids that MailWizz's delivery log has, with the server that handed each over."""
