"""Columns that are read to prove a stop by silence and to find whose campaigns go on, by table, without the prefix."""

READ: dict[str, tuple[str, ...]] = {
    "delivery_server_usage_log": ("log_id", "server_id", "date_added"),
    "campaign_delivery_log": ("log_id", "campaign_id", "server_id"),
    "campaign": ("campaign_id", "campaign_uid", "name", "customer_id", "status"),
}
