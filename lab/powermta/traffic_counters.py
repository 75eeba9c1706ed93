"""Counters as `show status` reports them."""

from collections import deque


class TrafficCounters:
    """Recipients in and out: in all, and over the last hour and minute as far as the ticks tell."""

    def __init__(self) -> None:
        self.received = 0
        self._seen: deque[tuple[float, int, int]] = deque([(0.0, 0, 0)])

    def count(self, now: float, sent: int) -> None:
        self._seen.append((now, self.received, sent))
        while len(self._seen) > 2 and self._seen[1][0] <= now - 3600:
            self._seen.popleft()

    def since(self, moment: float) -> tuple[int, int]:
        """(in, out) since a moment of the last hour."""
        before = next((item for item in reversed(self._seen) if item[0] <= moment), self._seen[0])
        last = self._seen[-1]
        return self.received - before[1], last[2] - before[2]
