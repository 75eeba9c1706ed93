"""How a rate such as `50/d` is metered. The vendor does not say how a day is counted, so every way is on offer."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

DAY = 86400


class DailyWindow(StrEnum):
    """When a daily count starts again."""

    FIXED_UTC = "fixed-utc"
    FIXED_LOCAL = "fixed-local"
    SLIDING = "sliding"
    RESET_BY_RELOAD = "reset-by-reload"


@dataclass(frozen=True, slots=True)
class WindowRules:
    """The way of counting in force: `utc_offset` in seconds for local midnight, `loaded_at` in unix seconds."""

    kind: DailyWindow = DailyWindow.FIXED_UTC
    utc_offset: int = 0
    loaded_at: int = 0

    def anchor(self, period: int) -> int:
        """A moment (unix seconds) at which a window of `period` seconds begins."""
        if period % DAY:
            return 0
        if self.kind is DailyWindow.FIXED_LOCAL:
            return -self.utc_offset
        return self.loaded_at if self.kind is DailyWindow.RESET_BY_RELOAD else 0


class FixedWindow:
    """Counts attempts in windows that follow each other without a gap."""

    def __init__(self, limit: int, period: int, anchor: int) -> None:
        self.limit, self.period, self.anchor = limit, period, anchor
        self._index = -1
        self._count = 0

    def earliest(self, moment: float) -> float:
        """The first moment not before `moment` at which one more attempt is allowed."""
        self._roll(moment)
        if self._count < self.limit:
            return moment
        return self.anchor + (self._index + 1) * self.period if self.limit else float("inf")

    def take(self, moment: float) -> None:
        self._roll(moment)
        self._count += 1

    def _roll(self, moment: float) -> None:
        index = int((moment - self.anchor) // self.period)
        if index != self._index:
            self._index, self._count = index, 0

    def used(self, moment: float) -> int:
        """Attempts counted in the window that holds `moment`."""
        return self._count if int((moment - self.anchor) // self.period) == self._index else 0


class SlidingWindow:
    """Counts the attempts of the last `period` seconds."""

    def __init__(self, limit: int, period: int, anchor: int = 0) -> None:
        self.limit, self.period, self.anchor = limit, period, anchor
        self._taken: deque[float] = deque()

    def earliest(self, moment: float) -> float:
        """The first moment not before `moment` at which one more attempt is allowed."""
        excess = self.used(moment) - self.limit
        if excess < 0:
            return moment
        return self._taken[excess] + self.period if self.limit else float("inf")

    def take(self, moment: float) -> None:
        self._taken.append(moment)

    def used(self, moment: float) -> int:
        while self._taken and self._taken[0] + self.period <= moment:
            self._taken.popleft()
        return len(self._taken)


Window = FixedWindow | SlidingWindow


def window_for(rate: tuple[int, int] | None, rules: WindowRules, old: Window | None) -> Window | None:
    """The window that meters `rate`; takes over the count of `old` where it measures in the same way."""
    if rate is None:
        return None
    limit, period = rate
    kind = SlidingWindow if rules.kind is DailyWindow.SLIDING else FixedWindow
    anchor = rules.anchor(period)
    if old is not None and type(old) is kind and (old.period, old.anchor) == (period, anchor):
        old.limit = limit
        return old
    return kind(limit, period, anchor)
