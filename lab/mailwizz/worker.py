"""A campaign worker's view of the delivery servers: loaded once, kept for the whole batch."""

import itertools
import random
from bisect import bisect_right
from collections.abc import Sequence

from .database import Database, Row
from .php_serialize import additional_headers
from .quota import WINDOWS, QuotaLeft, ServerRow

ELIGIBLE = "SELECT * FROM {delivery_server} WHERE status IN ('active', 'in-use') ORDER BY server_id"
ALL_BIT, CAMPAIGNS_BIT = 1, 4


def for_campaigns(use_for: str | int) -> bool:
    """Text until 2.3.8, a sum of bits since."""
    if isinstance(use_for, str):
        return use_for in ("all", "campaigns")
    return bool(use_for & (ALL_BIT | CAMPAIGNS_BIT))


def load_servers(database: Database) -> list[ServerRow]:
    """The servers that may send campaigns now."""
    return [_loaded(row) for row in database.rows(ELIGIBLE) if for_campaigns(row["use_for"])]


def _loaded(row: Row) -> ServerRow:
    headers = additional_headers(row["meta_data"])
    quotas = ((window, row.get(f"{window}_quota") or 0) for window in WINDOWS)
    return ServerRow(
        server_id=row["server_id"],
        hostname=row["hostname"],
        virtual_mta=headers.get("x-virtual-mta", ""),
        job=headers.get("x-job", ""),
        probability=row["probability"],
        limits=tuple((window, quota) for window, quota in quotas if quota > 0),
        pause=float(row["pause_after_send"]),
    )


class Batch:
    """Draws a server for each message. Those without quota stand aside until their cached 0 expires.

    `messages_left`: how many messages this worker still serves, None for as long as the tick lasts."""

    def __init__(self, servers: Sequence[ServerRow], messages_left: int | None = None) -> None:
        self.messages_left = messages_left
        self._servers = servers
        self._aside: dict[int, float] = {}
        self._sort()

    def _sort(self) -> None:
        self._drawn: dict[frozenset[int] | None, tuple[list[ServerRow], list[int]]] = {}
        self._next_return = min(self._aside.values(), default=float("inf"))

    def pick(
        self, rng: random.Random, quotas: QuotaLeft, at: float, allowed: frozenset[int] | None = None
    ) -> ServerRow | None:
        """A server with quota left at unix time `at`, drawn by probability; None if there is none. `allowed`: ids of the
        servers that the campaign may use, None for all."""
        if self._next_return <= at:
            self._aside = {server_id: until for server_id, until in self._aside.items() if until > at}
            self._sort()
        while True:
            servers, weights = self._weighted(allowed)
            if not (weights and weights[-1]):
                return None
            server = servers[bisect_right(weights, rng.random() * weights[-1])]
            until = quotas.blocked_until(server, at)
            if until is None:
                return server
            self._aside[server.server_id] = until
            self._sort()

    def _weighted(self, allowed: frozenset[int] | None) -> tuple[list[ServerRow], list[int]]:
        """Servers that do not stand aside, and their added up probabilities."""
        if allowed not in self._drawn:
            servers = [
                server
                for server in self._servers
                if server.server_id not in self._aside and (allowed is None or server.server_id in allowed)
            ]
            weights = list(itertools.accumulate(server.probability for server in servers))
            self._drawn[allowed] = (servers, weights)
        return self._drawn[allowed]
