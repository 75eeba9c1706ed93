"""Delivery servers and what is to become of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from email_engine.fleet.model import IpAddress
from email_engine.mailer.limits import ServerLimits

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
    touched_at: datetime | None = None
    """When its row was changed last, by MailWizz's clock; None where MailWizz does not tell."""
    limits: ServerLimits = field(default_factory=ServerLimits)

    def may_be(self, type_: str, hostname: str) -> bool:
        """Is that this server, as far as its row can be read?"""
        pairs = (("type", self.type, type_), ("hostname", self.hostname, hostname))
        return all(mine == theirs for column, mine, theirs in pairs if column not in self.limits.unread)


A_WRITE = timedelta(minutes=1)
"""No write of the engine takes longer: what changed a row later was somebody else."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A write that was begun `at` (engine's clock) and never verified: `old` or `new` stands, or new quotas with the old status."""

    sync_id: int
    old: Setting
    new: Setting
    at: datetime

    @property
    def switches(self) -> bool:
        return self.old.runs != self.new.runs

    def stands(self, server: DeliveryServer) -> Setting:
        """What became of it, by what is seen of the server now. What somebody else has changed since counts as written: it
        shows as drift, or as a person's switch, afterwards."""
        quotas = (self.old.daily_quota, self.old.hourly_quota)
        if (server.setting.daily_quota, server.setting.hourly_quota) != quotas:
            quotas = (self.new.daily_quota, self.new.hourly_quota)
        took = self.switches and server.setting.runs == self.new.runs
        return Setting(*quotas, self.new.status if took or self._by_person(server) else self.old.status)

    def _by_person(self, server: DeliveryServer) -> bool:
        """The engine was enabling the server, it is off, and its row was changed after that: MailWizz touches no server
        that is off, so it was enabled and then a person disabled it."""
        enabling = self.new.runs and not self.old.runs and not server.setting.runs
        return enabling and server.touched_at is not None and server.touched_at > self.at + A_WRITE


@dataclass(frozen=True, slots=True)
class LastSync:
    """What the engine last wrote to a server; None where it never wrote that.

    `status` is the last status that the engine itself changed: only what it disabled may it enable again. `attempt`: the
    last write, where it was not verified: then the others say what it tried, and `seen` what became of it."""

    daily_quota: int | None = None
    hourly_quota: int | None = None
    status: str | None = None
    attempt: Attempt | None = None

    def seen(self, server: DeliveryServer) -> "LastSync":
        """An attempt is settled by what stands now."""
        if self.attempt is None:
            return self
        found = self.attempt.stands(server)
        status = found.status if self.attempt.switches else self.status
        return LastSync(found.daily_quota, found.hourly_quota, status)


class QuotaFinding(StrEnum):
    """Why a server cannot follow its IP's allowance."""

    MISSING = "server-missing"
    NOT_LEARNED = "server-not-learned"
    WRONG_TYPE = "wrong-type"
    NO_VMTA = "no-virtual-mta"
    WRONG_VMTA = "wrong-virtual-mta"
    SHARED_VMTA = "shared-virtual-mta"
    WARMUP_PLAN = "warmup-plan"
    WARMUP_PLAN_ENDS = "warmup-plan-ends"
    LIMITS_NOT_KNOWN = "limits-not-known"
    HANDS_LESS = "hands-over-less"
    CUSTOMER_QUOTA = "customer-quota"
    CAMPAIGNS = "campaigns-leave-it-out"
    DISABLED_BY_PERSON = "disabled-by-person"
    NOT_IN_SERVICE = "not-in-service"
    KEPT_LOWER = "kept-lower"

    @property
    def needs_a_person(self) -> bool:
        """Campaigns come and go, and what they leave out is recorded for whoever asks; nobody is called for it."""
        return self is not QuotaFinding.CAMPAIGNS

    @property
    def decision_kind(self) -> str:
        """The kind of decision that it is recorded as, once a day and kind for each IP."""
        kinds = {QuotaFinding.CAMPAIGNS: "campaign-finding", QuotaFinding.CUSTOMER_QUOTA: "customer-finding"}
        return kinds.get(self, "quota-finding")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One server that a person must look at; the text names what was seen and what to do."""

    ip_id: int
    ip: IpAddress
    tenant: str
    server_id: int | None
    finding: QuotaFinding
    observed: str
    next_step: str

    def __str__(self) -> str:
        server = "no server" if self.server_id is None else f"server {self.server_id}"
        return f"{server} ({self.ip}): {self.observed}. Next: {self.next_step}"


@dataclass(frozen=True, slots=True)
class QuotaChange:
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
    """Everything that one instance needs on the UTC `day`. `learned`: delivery servers by `ip_id`, of IPs that had none."""

    day: date
    changes: tuple[QuotaChange, ...]
    refusals: tuple[Refusal, ...]
    unchanged: int
    learned: Mapping[int, int] = field(default_factory=dict)

    @property
    def for_people(self) -> tuple[Refusal, ...]:
        """The refusals that somebody is called for."""
        return tuple(refusal for refusal in self.refusals if refusal.finding.needs_a_person)


def _at_most(new: int, old: int) -> bool:
    return old == UNLIMITED or (new != UNLIMITED and new <= old)


def _text(setting: Setting) -> str:
    daily, hourly = (quota or "unlimited" for quota in (setting.daily_quota, setting.hourly_quota))
    return f"{daily} a day, {hourly} an hour, {setting.status}"
