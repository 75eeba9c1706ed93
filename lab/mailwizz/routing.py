"""When a campaign may send, and over which delivery servers."""

from dataclasses import dataclass
from datetime import UTC, datetime, time

from .database import Database, Row


@dataclass(frozen=True, slots=True)
class Routing:
    """`servers`: ids of the delivery servers that may be used, None for all. `start`, `end`: the hours (UTC here) between
    which the campaign sends, None for any time; a window may span midnight."""

    servers: frozenset[int] | None = None
    start: time | None = None
    end: time | None = None

    def open_at(self, at: float) -> bool:
        """May it send at that unix time?"""
        if self.start is None or self.end is None:
            return True
        now = datetime.fromtimestamp(at, UTC).time()
        if self.start <= self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end


ANYTHING = Routing()


_CAMPAIGNS = "SELECT campaign_id, campaign_uid, customer_id, list_id, status FROM {campaign}"
_CAMPAIGNS_WITH_HOURS = "SELECT campaign_id, campaign_uid, customer_id, list_id, status, send_between_start, send_between_end FROM {campaign}"


def load_campaigns(database: Database, version: tuple[int, ...]) -> list[Row]:
    """Every campaign; its hours exist since 2.2."""
    return database.rows(_CAMPAIGNS_WITH_HOURS if version >= (2, 2) else _CAMPAIGNS)


def load_routing(database: Database, campaign: Row) -> Routing:
    """The campaign's own servers if it names any, else the customer's own, else those of its group, else all."""
    return Routing(
        _servers(database, campaign["campaign_id"], campaign["customer_id"]),
        campaign.get("send_between_start"),
        campaign.get("send_between_end"),
    )


def _servers(database: Database, campaign_id: int, customer_id: int) -> frozenset[int] | None:
    for query, value in (
        ("SELECT server_id FROM {campaign_to_delivery_server} WHERE campaign_id = %s", campaign_id),
        (
            "SELECT server_id FROM {delivery_server} WHERE customer_id = %s AND status IN ('active', 'in-use')",
            customer_id,
        ),
        (
            "SELECT server_id FROM {delivery_server_to_customer_group} JOIN {customer} USING (group_id)"
            " WHERE customer_id = %s",
            customer_id,
        ),
    ):
        found = frozenset(row["server_id"] for row in database.rows(query, value))
        if found:
            return found
    return None
