"""What limits a delivery server beside the two quotas that the engine writes, and how much it can hand over in a day."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil

DAY_SECONDS = 86_400
DAY_MINUTES = 1_440
DAY_HOURS = 24
USES = {
    1: "all", 2: "transactional", 4: "campaigns", 8: "email-tests", 16: "reports", 32: "list-emails", 64: "invoices",
}  # fmt: skip
"""Column `use_for` since MailWizz 2.3.8: a sum of these; before, one of the words."""
ALL, TRANSACTIONAL, CAMPAIGNS = "all", "transactional", "campaigns"


def parse_use_for(value: object) -> frozenset[str]:
    """What a server is for: names out of `USES`; a word or a bit that is not known stays as it is, as text."""
    word = str(value).strip()
    if not word.isdigit():
        return frozenset({word})
    bits = int(word)
    unknown = bits & ~sum(USES)
    return frozenset(name for bit, name in USES.items() if bits & bit) | (
        {str(unknown)} if unknown else set()
    )


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """How far a server is in MailWizz's own warm-up plan: `completed` of `steps`; of the step that runs, the quota and
    what was sent of it."""

    steps: int
    completed: int
    allowed: int = 0
    used: int = 0

    @property
    def last(self) -> bool:
        """Is this its last step? When it is done, MailWizz sets all quotas to 0, unlimited."""
        return self.completed >= self.steps - 1

    def __str__(self) -> str:
        step = min(self.completed + 1, self.steps)
        return f"step {step} of {self.steps}, {self.used:,} of {self.allowed:,} sent"


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """A delivery server's row, as far as the engine only reads it. Quotas of 0 are unlimited.

    `customer_id`: None for a server of the whole installation. `pause_after_send` in seconds. `unknown_quotas`: by
    column, quotas of a MailWizz that this engine does not know; those that are not 0. `unread`: columns that are there
    and that this login may not read."""

    customer_id: int | None = None
    second_quota: int = 0
    minute_quota: int = 0
    monthly_quota: int = 0
    pause_after_send: int = 0
    probability: int = 100
    use_for: frozenset[str] = frozenset({ALL})
    unknown_quotas: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    plan: PlanProgress | None = None

    def doubt(self) -> tuple[str, str] | None:
        """Why it is not known how much this server may send, and the next step; then nobody raises its quotas."""
        if self.unread:
            column = "column" if len(self.unread) == 1 else "columns"
            listed = ", ".join(self.unread)
            return (
                f"{column} {listed} cannot be read with this login",
                f"grant SELECT on {listed}: `email-engine mailwizz grants` prints the statement",
            )
        if self.unknown_quotas:
            listed = ", ".join(f"{name} {quota:,}" for name, quota in sorted(self.unknown_quotas.items()))
            return (
                f"a quota that this release does not know: {listed}",
                "set it to 0 in MailWizz, or update the engine",
            )
        return None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A limit below the allowance. `per_day`: messages a UTC day that it lets through; `limit` names the column with its
    value, `told` how much that is."""

    per_day: int
    limit: str
    told: str
    next_step: str


def server_shortfalls(
    limits: ServerLimits, allowance: int, month_days: int, *, transactional: bool
) -> Iterator[Shortfall]:
    """The limits of the server's own row that let less than `allowance` messages through in a UTC day.

    `month_days`: days of the month, for a monthly quota is used up evenly at best. `transactional`: the IP may be meant
    for transactional mail alone, which needs no campaigns."""
    if limits.probability <= 0:
        yield Shortfall(
            0,
            f"probability {limits.probability}",
            "nothing, it is never picked",
            "set its probability in MailWizz to 1 or more",
        )
    wanted = {ALL, CAMPAIGNS, TRANSACTIONAL} if transactional else {ALL, CAMPAIGNS}
    if not limits.use_for & wanted:
        listed = " and ".join(sorted(limits.use_for)) or "nothing"
        yield Shortfall(
            0, f"use_for {listed}", "none of campaigns", "let it be used for campaigns too, in MailWizz"
        )
    for column, quota, windows in (
        ("second_quota", limits.second_quota, DAY_SECONDS),
        ("minute_quota", limits.minute_quota, DAY_MINUTES),
    ):
        if 0 < quota * windows < allowance:
            step = f"set {column} in MailWizz to 0, or to {ceil(allowance / windows):,} or more"
            yield Shortfall(quota * windows, f"{column} {quota:,}", f"{quota * windows:,} a day", step)
    if limits.pause_after_send > 0 and (most := DAY_SECONDS // limits.pause_after_send) < allowance:
        step = f"set pause_after_send in MailWizz to {DAY_SECONDS // allowance} seconds or less"
        yield Shortfall(most, f"pause_after_send {limits.pause_after_send}", f"{most:,} a day", step)
    if 0 < limits.monthly_quota < allowance * month_days:
        step = f"set monthly_quota in MailWizz to 0, or to {allowance * month_days:,} or more"
        told = f"{limits.monthly_quota:,} a month"
        yield Shortfall(
            limits.monthly_quota // month_days, f"monthly_quota {limits.monthly_quota:,}", told, step
        )


def hourly_shortfall(hourly_quota: int, allowance: int) -> Iterator[Shortfall]:
    """The engine's own hourly quota, where `hourly_max` of its policy holds it below a 24th of the allowance."""
    if 0 < hourly_quota * DAY_HOURS < allowance:
        step = f"set hourly_max in include/config/mailer.yaml to {ceil(allowance / DAY_HOURS):,} or more"
        told = f"{hourly_quota * DAY_HOURS:,} a day"
        yield Shortfall(hourly_quota * DAY_HOURS, f"hourly_quota {hourly_quota:,}", told, step)


def hourly_rate(limits: ServerLimits, hourly_quota: int) -> int:
    """Messages that the server can hand over in one hour at most, `hourly_quota` as it stands or is to be written."""
    bounds = [hourly_quota, limits.second_quota * 3600, limits.minute_quota * 60]
    if limits.pause_after_send > 0:
        bounds.append(max(3600 // limits.pause_after_send, 1))
    return min((bound for bound in bounds if bound > 0), default=DAY_SECONDS * 1000)
