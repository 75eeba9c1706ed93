"""Telegram's flood control: who sends too fast is told how long to wait, and the whole bot waits.

About one message a second a chat, where short bursts pass; 20 a minute in a group; 30 a second in all.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

BURST_SECONDS = 5.0
BURST_MESSAGES = 10
PER_GROUP_MINUTE = 20
OVERALL_SECOND = 30


@dataclass(slots=True)
class FloodControl:
    """`monotonic` gives real seconds. `forced`: that many of the next calls are refused whatever their rate."""

    monotonic: Callable[[], float]
    forced: int = 0
    forced_seconds: int = 3
    _blocked_until: float = 0.0
    _by_chat: dict[str, deque[float]] = field(default_factory=dict)
    _all: deque[float] = field(default_factory=deque)

    def refuse(self, chat: str, rates: bool) -> int | None:
        """Seconds to wait, or None: go on. `rates`: also judge how fast this chat and the bot were used."""
        now = self.monotonic()
        if now < self._blocked_until:
            return math.ceil(self._blocked_until - now)
        if self.forced > 0:
            self.forced -= 1
            return self._block(now, self.forced_seconds)
        if not rates:
            return None
        sent = self._by_chat.setdefault(chat, deque())
        for times, span in ((sent, 60.0), (self._all, 1.0)):
            while times and times[0] <= now - span:
                times.popleft()
        recent = sum(at > now - BURST_SECONDS for at in sent)
        if chat.startswith("-") and len(sent) >= PER_GROUP_MINUTE:
            return self._block(now, 60 - (now - sent[0]))
        if recent >= BURST_MESSAGES or len(self._all) >= OVERALL_SECOND:
            return self._block(now, BURST_SECONDS)
        sent.append(now)
        self._all.append(now)
        return None

    def _block(self, now: float, seconds: float) -> int:
        wait = max(1, math.ceil(seconds))
        self._blocked_until = now + wait
        return wait

    def release(self) -> None:
        """Nobody is blocked and nothing is remembered."""
        self.forced, self._blocked_until = 0, 0.0
        self._by_chat.clear()
        self._all.clear()
