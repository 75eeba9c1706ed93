"""What a bounce or a complaint does inside MailWizz: logs, re-typing, the global blacklist."""

import re
from datetime import datetime

from .database import Database, Row

_RETYPE = re.compile(r"unsolicited mail|spam|block(ed)?|dnsbl|cdrbl|rbl|blacklist", re.IGNORECASE)
MESSAGE_LENGTH = 250


def bounce_type(claimed: str, message: str) -> str:
    """`internal` if the message speaks of blocking, whatever was claimed."""
    if _RETYPE.search(message) or claimed not in ("hard", "soft"):
        return "internal"
    return claimed


def log_bounce(
    database: Database, campaign_id: int, subscriber: Row, claimed: str, message: str, now: datetime
) -> Row | None:
    """The new bounce_log row, or None if the campaign has one for this subscriber. `subscriber` has subscriber_id,
    email and status. A hard bounce of a confirmed subscriber reaches the global blacklist at once."""
    message = message[:MESSAGE_LENGTH]
    made = database.row(
        "INSERT INTO {campaign_bounce_log} (campaign_id, subscriber_id, message, bounce_type, date_added)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING *",
        campaign_id,
        subscriber["subscriber_id"],
        message,
        bounce_type(claimed, message),
        now,
    )
    if made and made["bounce_type"] == "hard" and subscriber["status"] == "confirmed":
        blacklist(database, subscriber, message, now)
    return made


def blacklist(database: Database, subscriber: Row, reason: str, now: datetime) -> None:
    database.run(
        "INSERT INTO {email_blacklist} (subscriber_id, email, reason, date_added) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        subscriber["subscriber_id"],
        subscriber["email"],
        reason,
        now,
    )
    database.run(
        "UPDATE {list_subscriber} SET status = 'blacklisted', last_updated = %s WHERE email = %s AND status = 'confirmed'",
        now,
        subscriber["email"],
    )


def log_complaint(database: Database, campaign_id: int, subscriber: Row, message: str, now: datetime) -> None:
    database.run(
        "INSERT INTO {campaign_complain_log} (campaign_id, subscriber_id, message, date_added)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        campaign_id,
        subscriber["subscriber_id"],
        message[:255],
        now,
    )


def unsubscribe(database: Database, subscriber_id: int, now: datetime) -> None:
    database.run(
        "UPDATE {list_subscriber} SET status = 'unsubscribed', last_updated = %s WHERE subscriber_id = %s",
        now,
        subscriber_id,
    )
