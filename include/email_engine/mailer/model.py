"""Delivery servers and what is to become of them."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from email_engine.fleet.model import IpAddress

DISABLED = "disabled"
ACTIVE = "active"
RUNNING = frozenset({ACTIVE, "in-use"})
"""MailWizz itself moves a server between these two; both send."""
GOVERNED = RUNNING | {DISABLED}
"""The engine writes to servers in these states only; inactive, hidden and pending-delete are people's."""
UNLIMITED = 0


class Warmup(StrEnum):
    """MailWizz's own warm-up plan of a server. `running` also stands for one whose progress cannot be read."""

    NONE = "none"
    RUNNING = "running"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Setting:
    """What the engine governs of a server; a quota of 0 means unlimited."""

    daily_quota: int
    hourly_quota: int
    status: str

    @property
    def runs(self) -> bool:
        return self.status in RUNNING


@dataclass(frozen=True, slots=True)
class DeliveryServer:
    """A row of `delivery_server`. `vmtas`: the values of its x-virtual-mta headers; None if they cannot be read."""

    server_id: int
    name: str
    type: str
    hostname: str
    setting: Setting
    vmtas: tuple[str, ...] | None
    warmup: Warmup = Warmup.NONE


@dataclass(frozen=True, slots=True)
class LastSync:
    """What the engine last wrote to a server; None where it never wrote that.

    `status` is the last status that the engine itself changed: only what it disabled may it enable again."""

    daily_quota: int | None = None
    hourly_quota: int | None = None
    status: str | None = None


class Finding(StrEnum):
    """Why a server cannot follow its IP's allowance."""

    MISSING = "server-missing"
    WRONG_TYPE = "wrong-type"
    NO_VMTA = "no-virtual-mta"
    WRONG_VMTA = "wrong-virtual-mta"
    SHARED_VMTA = "shared-virtual-mta"
    WARMUP_PLAN = "warmup-plan"
    DISABLED_BY_PERSON = "disabled-by-person"
    NOT_IN_SERVICE = "not-in-service"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One server that a person must look at; the text names what was seen and what to do."""

    ip_id: int
    ip: IpAddress
    tenant: str
    server_id: int
    finding: Finding
    observed: str
    next_step: str

    def __str__(self) -> str:
        return f"server {self.server_id} ({self.ip}): {self.observed}. Next: {self.next_step}"


@dataclass(frozen=True, slots=True)
class Change:
    """One server's new setting. `drift`: somebody else changed what the engine had written."""

    ip_id: int
    ip: IpAddress
    tenant: str
    server_id: int
    old: Setting
    new: Setting
    reason: str
    drift: bool = False

    @property
    def reduces(self) -> bool:
        """Can no more mail leave than before? Such a change never waits."""
        if not self.new.runs:
            return True
        return (
            self.old.runs
            and _at_most(self.new.daily_quota, self.old.daily_quota)
            and _at_most(self.new.hourly_quota, self.old.hourly_quota)
        )

    def __str__(self) -> str:
        return (
            f"server {self.server_id} ({self.ip}): {_text(self.old)} -> {_text(self.new)}, {self.reason}"
            + (", somebody else had changed it" if self.drift else "")
        )


@dataclass(frozen=True, slots=True)
class QuotaPlan:
    """Everything that one instance needs on the UTC `day`."""

    day: date
    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]
    unchanged: int


def _at_most(new: int, old: int) -> bool:
    return old == UNLIMITED or (new != UNLIMITED and new <= old)


def _text(setting: Setting) -> str:
    daily, hourly = (quota or "unlimited" for quota in (setting.daily_quota, setting.hourly_quota))
    return f"{daily} a day, {hourly} an hour, {setting.status}"
