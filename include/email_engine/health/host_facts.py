"""What one look at an MTA host sees, what is expected of it, and the words of the judgement."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from email_engine.health.queue_ages import QueueGroup


class Check(StrEnum):
    """What is looked at."""

    REACHABLE = "reachable"
    POWERMTA = "powermta"
    VERSION = "version"
    CLOCK = "clock"
    DISK = "disk"
    WRITE = "write"
    FILE = "file"
    QUEUES = "queues"
    AGE = "age"
    BACKOFF = "backoff"
    ACCOUNTING = "accounting"
    SENDERS = "senders"
    HOLDS = "holds"
    BY_HAND = "by-hand"


class Level(StrEnum):
    GOOD = "good"
    UNKNOWN = "unknown"
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """One check. `state`: what makes it news when it changes; numbers that wander are not in it."""

    check: Check
    level: Level
    told: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class PmtaStatus:
    """Out of `pmta show status`; None where it does not tell. `sent`: recipients handed out since `started`.

    `started` is the host's local time without a zone, as PowerMTA prints it; `uptime` needs none."""

    version: str | None
    started: str | None
    sent: int | None
    shutting_down: bool | None = None
    uptime: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system: free share of its blocks and of its inodes, whichever is smaller, in percent."""

    path: str
    free_percent: float
    free_bytes: int

    @property
    def used_percent(self) -> float:
        return 100 - self.free_percent


@dataclass(frozen=True, slots=True)
class Queues:
    """Recipients in all queues; `running`: in queues that are not paused; `backoff`: of those, in backoff mode."""

    recipients: int
    running: int
    backoff: int
    backoff_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewestFile:
    """The newest closed accounting file; no name: there is none. `at`: when it was last written, by the host's clock. `unusable`:
    what lies beside it and cannot be taken, name and why."""

    name: str = ""
    at: datetime | None = None
    unusable: tuple[tuple[str, str], ...] = ()

    @property
    def told(self) -> str:
        return f"{self.name} of {self.at:%Y-%m-%d %H:%M:%S} UTC" if self.at else self.name


@dataclass(frozen=True, slots=True)
class Facts:
    """One look. None: it could not be seen. `host_trouble`: no session at all; `powermta_trouble`: its command fails.

    `file`: digest of the engine's file, "" where it is not there; `groups`: the queues by virtual MTA and provider;
    `put_back`: virtual MTAs that ran although they must stand still, and are held again; `loose`: those that could not be
    held; `by_hand`: what stands still although nothing of the engine's asks for it."""

    host_trouble: str | None = None
    powermta_trouble: str | None = None
    status: PmtaStatus | None = None
    clock_offset: timedelta | None = None
    write_trouble: str | None = None
    disks: tuple[Disk, ...] = ()
    queues: Queues | None = None
    groups: tuple[QueueGroup, ...] | None = None
    file: str | None = None
    newest: NewestFile | None = None
    put_back: tuple[str, ...] = ()
    loose: tuple[str, ...] | None = None
    by_hand: tuple[str, ...] | None = None

    @property
    def fullest(self) -> Disk | None:
        return min(self.disks, key=lambda disk: disk.free_percent, default=None)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the engine knows. `digest`: of the last verified deployment, None if there was none; `under_way`: a deployment
    is; `interrupted`: one was, and nobody has finished it; `allowance`: messages a day of all IPs there; `deployed_at`:
    when a deployment last reloaded PowerMTA well; `unknown_sources`: accounting records of the last day of senders that are not
    in the fleet, None: not asked."""

    version: str
    digest: str | None
    under_way: bool
    allowance: int
    interrupted: bool = False
    deployed_at: datetime | None = None
    unknown_sources: int | None = None


def loaded_at(facts: Facts, expected: Expected, as_of: datetime) -> datetime | None:
    """When PowerMTA last loaded its configuration well, as far as is known: by a deployment, or when it started.

    A reload by hand is not told by any command."""
    uptime = facts.status.uptime if facts.status else None
    known = [expected.deployed_at, as_of - uptime if uptime is not None else None]
    return max((at for at in known if at is not None), default=None)
