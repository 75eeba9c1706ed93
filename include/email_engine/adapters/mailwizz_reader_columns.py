"""Columns that opens, clicks and recipient lists are read from, by table, without the prefix.

The only addresses that the engine reads in MailWizz's database: `list_subscriber.email` for `list_hygiene`, `email_blacklist.email` for
`email-engine suppression blocked`."""

_DELIVERIES = ("campaign_id", "subscriber_id", "server_id", "status", "date_added")
OPENS: dict[str, tuple[str, ...]] = {
    "campaign_track_open": ("id", "campaign_id", "subscriber_id", "user_agent", "date_added"),
    "campaign_track_url": ("id", "url_id", "subscriber_id", "user_agent", "date_added"),
    "campaign_url": ("url_id", "campaign_id"),
    "campaign_delivery_log": _DELIVERIES,
    "campaign_delivery_log_archive": _DELIVERIES,
}
LISTS: dict[str, tuple[str, ...]] = {
    "list": ("list_id", "list_uid", "name", "status"),
    "list_subscriber": ("subscriber_id", "subscriber_uid", "list_id", "email", "status", "date_added"),
}
BLACKLIST: dict[str, tuple[str, ...]] = {"email_blacklist": ("email", "reason", "date_added")}
OPTIONAL: frozenset[tuple[str, str]] = frozenset({("list", "name"), ("list", "status")})
"""Columns without which the look goes on."""
