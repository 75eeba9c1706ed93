"""How much a delivery server may still send: MailWizz's cached sum, with its lag.

The rules (facts, sections 4.1 and 10): what is left comes from the cache if it is there; else it is the limit less the
sends of the current UTC calendar window, and is cached 300 s (a second's 1 s, a minute's 30 s). Each send lowers the
cached number and stores it again for a fresh 300 s (1 s, 60 s). So a limit changed by SQL is seen only after five
minutes without a send. A server also rests for its `pause_after_send`. Times are unix seconds (float).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

HOUR = 3600
WINDOWS = ("second", "minute", "hourly", "daily", "monthly")
SHORT = {"second": 1, "minute": 60}
LENGTHS = {**SHORT, "hourly": HOUR, "daily": 86_400}
COLD_SECONDS = {"second": 1.0, "minute": 30.0, "hourly": 300.0, "daily": 300.0, "monthly": 300.0}
"""How long a number stays cached that was counted anew."""
SENT_SECONDS = COLD_SECONDS | {"minute": 60.0}
"""How long it stays cached after a send."""


def window_start(window: str, at: float) -> int:
    """Unix time at which the UTC second, minute, hour, day or month around `at` began."""
    if window in LENGTHS:
        return int(at // LENGTHS[window] * LENGTHS[window])
    month = datetime.fromtimestamp(at, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(month.timestamp())


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A delivery server as a worker loaded it. `limits`: (window, limit) for each quota that is not 0; `pause`: seconds
    that it rests after each send."""

    server_id: int
    hostname: str
    virtual_mta: str
    job: str
    probability: int
    limits: tuple[tuple[str, int], ...]
    pause: float = 0.0


class UsageCounts:
    """Sends per server and UTC hour: the usage log, counted once instead of at each question."""

    def __init__(self) -> None:
        self._hours: dict[int, dict[int, int]] = defaultdict(dict)
        self._newest = 0
        self._short: dict[tuple[int, str], tuple[int, int]] = {}

    def add(self, server_id: int, at: float, messages: int = 1) -> None:
        hours, hour = self._hours[server_id], int(at // HOUR)
        hours[hour] = hours.get(hour, 0) + messages
        self._newest = max(self._newest, hour)

    def sent(self, server_id: int, at: float) -> None:
        """One send, counted in its second, minute and hour."""
        self.add(server_id, at)
        for window in SHORT:
            start = window_start(window, at)
            self._short[server_id, window] = (start, self.used_shortly(server_id, window, at) + 1)

    def used_shortly(self, server_id: int, window: str, at: float) -> int:
        """Sends in the second or minute around `at`, as far as this process knows."""
        start, count = self._short.get((server_id, window), (0, 0))
        return count if start == window_start(window, at) else 0

    def used_in(self, server_id: int, window: str, at: float) -> int:
        """Sends in the window around `at`."""
        if window in SHORT:
            return self.used_shortly(server_id, window, at)
        return self.used(server_id, window_start(window, at))

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
    _rests_until: dict[int, float] = field(default_factory=dict)

    def blocked_until(self, server: ServerRow, at: float) -> float | None:
        """None if the server may send now, else when it has rested or its cached 0 will be counted anew."""
        rests_until = self._rests_until.get(server.server_id, 0.0)
        until = rests_until if rests_until > at else None
        if not self.enforced:
            return until
        for window, limit in server.limits:
            entry = self._entries.get((server.server_id, window))
            if entry is None or entry.expires <= at:
                used = self.usage.used_in(server.server_id, window, at)
                entry = self._entries[server.server_id, window] = _Left(
                    max(limit - used, 0), at + COLD_SECONDS[window]
                )
            if entry.messages <= 0:
                until = max(until or 0.0, entry.expires)
        return until

    def spend(self, server: ServerRow, at: float) -> None:
        """One send: lowers what is left and stores it again; then the server rests."""
        if server.pause:
            self._rests_until[server.server_id] = at + server.pause
        for window, _ in server.limits:
            entry = self._entries.get((server.server_id, window))
            if entry is not None:
                entry.messages -= 1
                entry.expires = at + SENT_SECONDS[window]

    def left(self, server_id: int, at: float) -> dict[str, int]:
        """The cached numbers that are still valid, by window."""
        found = {window: self._entries.get((server_id, window)) for window in WINDOWS}
        return {window: max(e.messages, 0) for window, e in found.items() if e is not None and e.expires > at}

    def forget(self, server_id: int | None = None) -> None:
        """What a full save of the server model does; None clears the whole cache."""
        for key in [key for key in self._entries if server_id in (None, key[0])]:
            del self._entries[key]
