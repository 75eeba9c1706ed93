"""Mail that timed out because its mailbox provider was suspended: it says nothing about IP, provider or recipient."""

import re
from collections.abc import Callable
from datetime import datetime

from email_engine.accounting.scan import Group
from email_engine.accounting.values import SendingSource

CATEGORY = "message-expired"
_STATUS = re.compile(r"[45]\.4\.7 ")
"""Delivery time expired (RFC 3463, x.4.7)."""
Suspended = Callable[[SendingSource, str, datetime], bool]
"""Source, mailbox provider and the hour's begin: may its mail have waited there for the end of a suspension?"""


def waited_out(suspended: Suspended | None, group: Group, source: SendingSource, hour: datetime) -> bool:
    """Are these bounces such mail?"""
    if suspended is None or not group.provider:
        return False
    timed_out = group.category == CATEGORY or _STATUS.match(group.reply or "") is not None
    return timed_out and suspended(source, group.provider, hour)
