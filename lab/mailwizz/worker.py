"""A campaign worker's view of the delivery servers: loaded once, kept for the whole batch."""

import itertools
import random
from bisect import bisect_right
from collections.abc import Sequence

from .database import Database
from .php_serialize import additional_headers
from .quota import WINDOWS, QuotaLeft, ServerRow

ELIGIBLE = (
    "SELECT server_id, hostname, probability, hourly_quota, daily_quota, monthly_quota, meta_data FROM {delivery_server}"
    " WHERE status IN ('active', 'in-use') AND use_for IN ('all', 'campaigns') ORDER BY server_id"
)


def load_servers(database: Database) -> list[ServerRow]:
    """The servers that may send campaigns now."""
    servers = []
    for row in database.rows(ELIGIBLE):
        headers = additional_headers(row["meta_data"])
        limits = tuple((window, row[f"{window}_quota"]) for window in WINDOWS if row[f"{window}_quota"] > 0)
        servers.append(
            ServerRow(
                server_id=row["server_id"],
                hostname=row["hostname"],
                virtual_mta=headers.get("x-virtual-mta", ""),
                job=headers.get("x-job", ""),
                probability=row["probability"],
                limits=limits,
            )
        )
    return servers


class Batch:
    """Draws a server for each message. Those without quota stand aside until their cached 0 expires.

    `messages_left`: how many messages this worker still serves, None for as long as the tick lasts."""

    def __init__(self, servers: Sequence[ServerRow], messages_left: int | None = None) -> None:
        self.messages_left = messages_left
        self._servers = servers
        self._aside: dict[int, float] = {}
        self._sort()

    def _sort(self) -> None:
        self._open = [server for server in self._servers if server.server_id not in self._aside]
        self._weights = list(itertools.accumulate(server.probability for server in self._open))
        self._next_return = min(self._aside.values(), default=float("inf"))

    def pick(self, rng: random.Random, quotas: QuotaLeft, at: float) -> ServerRow | None:
        """A server with quota left at unix time `at`, drawn by probability; None if there is none."""
        if self._next_return <= at:
            self._aside = {server_id: until for server_id, until in self._aside.items() if until > at}
            self._sort()
        while self._weights and self._weights[-1]:
            server = self._open[bisect_right(self._weights, rng.random() * self._weights[-1])]
            until = quotas.blocked_until(server, at)
            if until is None:
                return server
            self._aside[server.server_id] = until
            self._sort()
        return None
