"""The warm-up policy as values, known by their digest; the file include/config/policy.yaml explains each of them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from email_engine.reputation.gates import Asked, GatePolicy
from email_engine.reputation.score import ScorePolicy


@dataclass(frozen=True, slots=True)
class Schedule:
    """`stages`: messages a UTC day, phase 1 first; each takes `sent_days` days on which it was really sent."""

    stages: tuple[int, ...]
    sent_days: int


@dataclass(frozen=True, slots=True)
class ProviderLimit:
    """How a mailbox provider warms: at most `share` of the stage (0..1), `lag` stages behind."""

    share: float
    lag: int


@dataclass(frozen=True, slots=True)
class Ask:
    """What each gate must show, from phase `start` on, before a warming IP leaves it."""

    start: int
    gates: Mapping[str, Asked]


@dataclass(frozen=True, slots=True)
class Tripwire:
    """So many `complaints` pause an IP that sent fewer than `below_messages`."""

    complaints: int
    below_messages: int


@dataclass(frozen=True, slots=True)
class VaryingDays:
    """Evidence of one day alone pauses only where it is `extreme` times the limit; else when two of
    `within_days` days are such days."""

    extreme: float
    within_days: int


@dataclass(frozen=True, slots=True)
class NamedLists:
    """Replies that name a block list are a suspicion for `days` days. Where the list cannot be asked, `receivers` or more that together refuse
    `share` (0..1) of the day's mail confirm it; `many` (0..1) of the fleet at once confirm nothing."""

    days: int
    receivers: int
    share: float
    many: float


@dataclass(frozen=True, slots=True)
class Suspend:
    """A provider that refuses gets no mail from an IP for `days` days, then `probe` messages a day until it takes them; providers with more
    than `most` (0..1) of an IP's mail stop the whole IP."""

    days: int
    probe: int
    most: float


@dataclass(frozen=True, slots=True)
class Slow:
    """Speed of what was slowed: `factor` at once, times `recover` for each good day, never under `least`."""

    factor: float
    recover: float
    least: float


class CycleStart(StrEnum):
    """What happens when an active IP is due for its rest."""

    NEVER = "never"
    TELL = "tell"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class OpenRate:
    """With `hold` nothing advances where people opened less than `least` (0..1) of what was delivered in the last `days` days;
    fewer than `min_messages` say nothing."""

    hold: bool = False
    least: float = 0.1
    days: int = 7
    min_messages: int = 200


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that decisions about IPs go by."""

    schedules: Mapping[str, Schedule]
    sent_day_rate: float
    unwarmed_max: int
    providers: Mapping[str, ProviderLimit]
    gates: GatePolicy
    advance: tuple[Ask, ...]
    stream_pause_after: int
    tripwire: Tripwire
    varying_days: VaryingDays
    named_lists: NamedLists
    suspend: Suspend
    score: ScorePolicy
    slow: Slow
    pause_days: int
    remember_days: int
    quarantine_at: int
    quarantine_days: int
    rest_days: int
    reentry_phases_back: int
    clean_days: int
    auto_start_standby: bool
    head_room_rate: float
    idle_days: int
    retiring_parts: tuple[float, ...]
    retiring_days_each: int
    cycle_active_days: int
    cycle_start: CycleStart
    accounting_lag_hours: int
    dns_max_age_hours: int
    blocklists_max_age_hours: int
    overrun_rate: float
    share_step: int
    open_rate: OpenRate = OpenRate()

    @property
    def digest(self) -> str:
        """sha256 of the values as canonical JSON: comments and layout do not count."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def asked(self, phase: int) -> Mapping[str, Asked]:
        """What each gate must show before an IP leaves `phase`."""
        return next(ask.gates for ask in reversed(self.advance) if ask.start <= phase)
