"""One queue: the mail of one recipient domain (or roll-up) in one virtual MTA, with the settings in force for it."""

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from zlib import crc32

from lab.mail import Message
from lab.powermta.config_values import interval, rate, seconds
from lab.powermta.dkim import Signer
from lab.powermta.rate_windows import Window, WindowRules, window_for

SECONDS_PER_MESSAGE = 2.0
"""How long one connection is busy with one message."""


class Mail:
    """A recipient in a queue. Times are unix seconds; `first` is the first attempt (0: none yet); `signer`: where it was
    signed when it came in."""

    __slots__ = ("attempts", "domain", "first", "message", "pool", "queued", "signer", "unsafe")

    def __init__(self, queued: float, message: Message, domain: str, pool: str, unsafe: bool) -> None:
        self.queued = queued
        self.message = message
        self.domain = domain
        self.pool = pool
        self.unsafe = unsafe
        self.attempts = 0
        self.first = 0.0
        self.signer: Signer | None = None


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The settings of a queue that sending needs; all times in seconds."""

    rate: tuple[int, int] | None
    backoff_rate: tuple[int, int] | None
    gap: float
    retry_after: tuple[int, ...]
    backoff_retry_after: tuple[int, ...]
    bounce_after: float
    to_normal_after: float
    normal_after_delivery: bool
    reenable_source_after: float
    reply_list: str
    no_records: frozenset[str]


def queue_settings(effective: dict[str, str]) -> QueueSettings:
    """From the effective <domain> settings, with the documented defaults for those that are absent."""
    get = effective.get
    normal_rate = get("max-msg-rate", "unlimited")
    return QueueSettings(
        rate=rate(normal_rate),
        backoff_rate=rate(get("backoff-max-msg-rate", normal_rate)),
        gap=SECONDS_PER_MESSAGE / max(1, int(get("max-smtp-out", "20"))),
        retry_after=tuple(seconds(part) for part in get("retry-after", "10m").split(",")),
        backoff_retry_after=tuple(seconds(part) for part in get("backoff-retry-after", "1h").split(",")),
        bounce_after=interval(get("bounce-after", "4d12h")),
        to_normal_after=interval(get("backoff-to-normal-after", "never")),
        normal_after_delivery=get("backoff-to-normal-after-delivery", "no") in {"yes", "true"},
        reenable_source_after=interval(get("reenable-source-ip-after", "never")),
        reply_list=get("smtp-pattern-list", ""),
        no_records=frozenset(filter(None, get("disable-acct-records", "").split(","))),
    )


class Queue:
    """Mail in order of arrival (`fresh`) and mail that waits for another attempt (`retries`, by due time)."""

    def __init__(self, domain: str, vmta: str) -> None:
        self.domain, self.vmta = domain, vmta
        self.name = f"{domain}/{vmta}"
        self.fresh: deque[Mail] = deque()
        self.retries: list[tuple[float, int, Mail]] = []
        self.paused = False
        self.backoff_until: float | None = None
        self.free_at = 0.0
        self.window: Window | None = None
        self.generation = -1
        self.settings = queue_settings({})
        self.events: deque[tuple[float, str]] = deque(maxlen=10)
        self.turn = 0
        self._serial = 0
        self._phase = (crc32(self.name.encode()) % 997 + 1) / 998

    def __len__(self) -> int:
        return len(self.fresh) + len(self.retries)

    @property
    def backoff(self) -> bool:
        return self.backoff_until is not None

    def adopt(self, settings: QueueSettings, rules: WindowRules, generation: int) -> None:
        """Takes the settings of a newly loaded configuration."""
        self.settings, self.generation = settings, generation
        self.meter(rules)

    def set_backoff(self, until: float | None, rules: WindowRules) -> None:
        """Changes to backoff mode until a moment, or back to normal (None)."""
        self.backoff_until = until
        self.meter(rules)

    def meter(self, rules: WindowRules) -> None:
        """Sets the rate window for the mode the queue is in."""
        limit = self.settings.backoff_rate if self.backoff else self.settings.rate
        self.window = window_for(limit, rules, self.window)

    def spread_arrivals(self, start: float, now: float) -> None:
        """Mail handed over in a jump of the clock came in over the whole jump, not all at its end."""
        count = 0
        for mail in reversed(self.fresh):
            if mail.queued != now:
                break
            count += 1
        if not count:
            return
        step = (now - start) / count
        moment = start + step * self._phase
        for at in range(len(self.fresh) - count, len(self.fresh)):
            self.fresh[at].queued = moment
            moment += step

    def next_due(self) -> float | None:
        """When the next message wants an attempt; None if the queue is empty."""
        if self.fresh:
            first = self.fresh[0].queued
            return min(first, self.retries[0][0]) if self.retries else first
        return self.retries[0][0] if self.retries else None

    def take(self, moment: float) -> Mail:
        """Removes the message whose turn it is: due retries before new mail."""
        if self.retries and (self.retries[0][0] <= moment or not self.fresh):
            return heappop(self.retries)[2]
        return self.fresh.popleft()

    def put_back(self, mail: Mail, due: float) -> None:
        self._serial += 1
        heappush(self.retries, (due, self._serial, mail))

    def take_expired(self, now: float) -> list[Mail]:
        """Removes and returns everything older than `bounce-after`."""
        limit = now - self.settings.bounce_after
        expired = []
        while self.fresh and self.fresh[0].queued <= limit:
            expired.append(self.fresh.popleft())
        if any(mail.queued <= limit for _, _, mail in self.retries):
            expired += [mail for _, _, mail in self.retries if mail.queued <= limit]
            self.retries = sorted(item for item in self.retries if item[2].queued > limit)
        return expired

    def clear(self) -> list[Mail]:
        """Removes and returns all mail."""
        everything = [*self.fresh, *(mail for _, _, mail in self.retries)]
        self.fresh.clear()
        self.retries = []
        return everything
