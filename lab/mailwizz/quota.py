"""How much a delivery server may still send: MailWizz's cached sum, with its lag.

The rules (facts, section 4.1): what is left comes from the cache if it is there; else it is the limit less the sends of
the current UTC calendar window, and is cached 300 s. Each send lowers the cached number and stores it again for a fresh
300 s. So a limit changed by SQL is seen only after five minutes without a send. Times are unix seconds (float).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

CACHE_SECONDS = 300.0
HOUR = 3600
WINDOWS = ("hourly", "daily", "monthly")


def window_start(window: str, at: float) -> int:
    """Unix time at which the UTC hour, day or month around `at` began."""
    if window == "hourly":
        return int(at // HOUR * HOUR)
    if window == "daily":
        return int(at // 86_400 * 86_400)
    month = datetime.fromtimestamp(at, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(month.timestamp())


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A delivery server as a worker loaded it. `limits`: (window, limit) for each quota that is not 0."""

    server_id: int
    hostname: str
    virtual_mta: str
    job: str
    probability: int
    limits: tuple[tuple[str, int], ...]


class UsageCounts:
    """Sends per server and UTC hour: the usage log, counted once instead of at each question."""

    def __init__(self) -> None:
        self._hours: dict[int, dict[int, int]] = defaultdict(dict)
        self._newest = 0

    def add(self, server_id: int, at: float, messages: int = 1) -> None:
        hours, hour = self._hours[server_id], int(at // HOUR)
        hours[hour] = hours.get(hour, 0) + messages
        self._newest = max(self._newest, hour)

    def used(self, server_id: int, since: int) -> int:
        first = since // HOUR
        hours = self._hours.get(server_id, {})
        if self._newest - first < len(hours):  # a day's few hours out of a month of them
            return sum(hours.get(hour, 0) for hour in range(first, self._newest + 1))
        return sum(n for hour, n in hours.items() if hour >= first)

    def replace_since(self, since: int, counts: Iterable[tuple[int, int, int]]) -> None:
        """Takes (server, unix time of the hour, messages) for all that happened from `since` on."""
        first = since // HOUR
        for hours in self._hours.values():
            for hour in [hour for hour in hours if hour >= first]:
                del hours[hour]
        for server_id, hour_start, messages in counts:
            self.add(server_id, hour_start, messages)

    def forget_before(self, moment: float) -> None:
        for hours in self._hours.values():
            for hour in [hour for hour in hours if hour < moment // HOUR]:
                del hours[hour]


@dataclass(slots=True)
class _Left:
    messages: int
    expires: float


@dataclass(slots=True)
class QuotaLeft:
    """The cache. `enforced` False is MW_PERF_LVL_DISABLE_DS_QUOTA_CHECK."""

    usage: UsageCounts
    enforced: bool = True
    _entries: dict[tuple[int, str], _Left] = field(default_factory=dict)

    def blocked_until(self, server: ServerRow, at: float) -> float | None:
        """None if the server may send now, else when its cached 0 will be counted anew."""
        if not self.enforced:
            return None
        until = None
        for window, limit in server.limits:
            entry = self._entries.get((server.server_id, window))
            if entry is None or entry.expires <= at:
                used = self.usage.used(server.server_id, window_start(window, at))
                entry = self._entries[server.server_id, window] = _Left(
                    max(limit - used, 0), at + CACHE_SECONDS
                )
            if entry.messages <= 0:
                until = max(until or 0.0, entry.expires)
        return until

    def spend(self, server: ServerRow, at: float) -> None:
        """One send: lowers what is left and stores it again."""
        for window, _ in server.limits:
            entry = self._entries.get((server.server_id, window))
            if entry is not None:
                entry.messages -= 1
                entry.expires = at + CACHE_SECONDS

    def left(self, server_id: int, at: float) -> dict[str, int]:
        """The cached numbers that are still valid, by window."""
        found = {window: self._entries.get((server_id, window)) for window in WINDOWS}
        return {window: max(e.messages, 0) for window, e in found.items() if e is not None and e.expires > at}

    def forget(self, server_id: int | None = None) -> None:
        """What a full save of the server model does; None clears the whole cache."""
        for key in [key for key in self._entries if server_id in (None, key[0])]:
            del self._entries[key]
