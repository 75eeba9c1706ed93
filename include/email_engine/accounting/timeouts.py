"""Mail that timed out because its queue stood still for a suspended provider: it says nothing about IP, provider or recipient."""

from collections.abc import Callable
from datetime import datetime

from email_engine.accounting.scan import BETWEEN, Group
from email_engine.accounting.values import SendingSource, parse_time

Suspended = Callable[[SendingSource, str, datetime | None, datetime], bool]
"""Source, the queue's domain or roll-up, when the mail was queued (None where nobody knows) and when it timed out: did that queue stand
still for most of this time?"""


def waited_out(suspended: Suspended | None, group: Group, source: SendingSource) -> bool:
    """Are these bounces such mail?"""
    if suspended is None or group.waited is None:
        return False
    queue, queued = group.waited.split(BETWEEN)
    try:
        logged = parse_time(group.details()[3])
    except ValueError:
        return False
    try:
        since = parse_time(queued)
    except ValueError:
        since = None
    return suspended(source, queue.rstrip("."), since, logged)
