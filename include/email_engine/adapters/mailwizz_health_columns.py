"""Columns that a look at a MailWizz's health reads, by table, without the prefix; never a name or an address."""

READ: dict[str, tuple[str, ...]] = {
    "console_command": ("command_id", "command", "date_added"),
    "console_command_history": ("history_id", "command_id", "start_time", "end_time"),
    "campaign": ("campaign_id", "list_id", "segment_id", "type", "status", "send_at"),
    "campaign_to_delivery_server": ("campaign_id", "server_id"),
    "campaign_option": ("campaign_id", "processed_count"),
    "campaign_delivery_log": ("log_id", "campaign_id", "subscriber_id", "date_added"),
    "list_subscriber": ("subscriber_id", "list_id", "status"),
    "delivery_server_usage_log": ("server_id", "customer_id", "customer_countable", "date_added"),
}
OPTIONAL = frozenset(
    {
        ("console_command", "date_added"),
        ("campaign", "segment_id"),
        ("campaign", "type"),
        ("campaign", "send_at"),
    }
)
"""Columns without which the look goes on."""
