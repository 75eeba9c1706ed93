"""Columns that an adoption reads beside those of servers and customers, by table, without the prefix."""

SERVER = "delivery_server"
LOG, ARCHIVE = "campaign_delivery_log", "campaign_delivery_log_archive"
READ: dict[str, tuple[str, ...]] = {
    SERVER: ("server_id", "from_email"),
    "campaign": ("campaign_id", "list_id", "segment_id", "type", "send_at"),
    "campaign_option": ("campaign_id", "processed_count"),
    "list_subscriber": ("subscriber_id", "list_id", "status"),
    LOG: ("email_message_id", "server_id"),
    ARCHIVE: ("email_message_id", "server_id"),
}
OPTIONAL = frozenset({("campaign", "segment_id"), ("campaign", "type"), ("campaign", "send_at")})
"""Columns without which the look goes on."""
