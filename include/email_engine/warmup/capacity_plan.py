"""What a capacity plan says: a seat for every IP of a tenant, and the words for people."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from email_engine.fleet.model import IpState
from email_engine.plural import amount

DEMAND_DAYS = 7
NAMED = 10


class AllocationKind(StrEnum):
    """Where an IP stands in the plan. `short`: it warms, but has too little to progress."""

    WARMS = "warms"
    SHORT = "short"
    ACTIVE = "active"
    RETIRES = "retires"
    WAITS = "waits"
    PAUSED = "paused"
    RESTS = "rests"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Allocation:
    """One IP. `allowance`, `wanted`: messages a UTC day that it has and could use; `sent`: its mean of the last 7 days.

    `why`: a clause for one that is short or waits. `until`: the first day on which the quota has room for it, if all that
    warm and retire go on as they should; `quota_short`: so much more a day the quota would need, where there is no such day."""

    ip: str
    stream: str
    state: IpState
    kind: AllocationKind
    allowance: int
    wanted: int
    sent: int
    why: str | None = None
    until: date | None = None
    quota_short: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "ip": self.ip, "stream": self.stream, "state": str(self.state), "place": str(self.kind),
            "allowance": self.allowance, "wanted": self.wanted, "sent": self.sent, "why": self.why,
            "until": self.until and self.until.isoformat(), "quota_short": self.quota_short,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """`effective`: the UTC day that it is for; `quota`: of the tenant."""

    tenant: str
    effective: date
    quota: int
    allocations: tuple[Allocation, ...]

    def at(self, kind: AllocationKind) -> tuple[Allocation, ...]:
        return tuple(allocation for allocation in self.allocations if allocation.kind is kind)

    @property
    def dealt(self) -> int:
        return sum(allocation.allowance for allocation in self.allocations)

    @property
    def sent(self) -> int:
        return sum(allocation.sent for allocation in self.allocations)

    def as_json(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant, "day": self.effective.isoformat(), "quota": self.quota, "dealt": self.dealt,
            "sent": self.sent, "ips": [allocation.as_json() for allocation in self.allocations],
        }  # fmt: skip


def capacity_words(plan: CapacityPlan, dealt: str = "are dealt") -> list[str]:
    """For a log or an alert: a line about the whole, then one for each IP that waits for the quota or cannot progress, ten
    of each kind at most."""
    counted = {kind: len(plan.at(kind)) for kind in AllocationKind}
    kinds = ", ".join(f"{count} {_KINDS[kind]}" for kind, count in counted.items() if count)
    lines = [
        f"{plan.tenant}: {plan.dealt} of {plan.quota} a day {dealt} on {plan.effective}; {kinds or 'no IP'}; "
        f"{plan.sent} a day were sent in the last {DEMAND_DAYS} days"
    ]
    active = plan.at(AllocationKind.ACTIVE)
    given, wanted = (
        sum(allocation.allowance for allocation in active),
        sum(allocation.wanted for allocation in active),
    )
    if given < wanted:
        lines.append(
            f"{plan.tenant}: {amount(len(active), 'active IP')} share {given} a day, {given / wanted:.0%} of their targets"
        )
    for kind in (AllocationKind.SHORT, AllocationKind.WAITS):
        allocations = [
            allocation
            for allocation in plan.at(kind)
            if kind is AllocationKind.SHORT or allocation.until or allocation.quota_short
        ]
        lines += [allocation_words(allocation) for allocation in allocations[:NAMED]]
        if len(allocations) > NAMED:
            lines.append(
                f"... and {len(allocations) - NAMED} more that {'are short' if kind is AllocationKind.SHORT else 'wait'}"
            )
    return lines


def allocation_words(allocation: Allocation) -> str:
    """One IP in a sentence."""
    when = ""
    if allocation.until is not None:
        when = f"; there is room for it on {allocation.until}"
    elif allocation.quota_short is not None:
        when = f"; there is no room before the quota grows by {allocation.quota_short} a day"
    what = {AllocationKind.SHORT: "cannot progress", AllocationKind.WAITS: "waits"}.get(
        allocation.kind, _KINDS[allocation.kind]
    )
    return f"{allocation.ip} {what}{f': {allocation.why}' if allocation.why else ''}{when}"


_KINDS = {
    AllocationKind.WARMS: "warming",
    AllocationKind.SHORT: "warming without enough mail",
    AllocationKind.ACTIVE: "active",
    AllocationKind.RETIRES: "retiring",
    AllocationKind.WAITS: "waiting in standby",
    AllocationKind.PAUSED: "paused",
    AllocationKind.RESTS: "resting or in quarantine",
    AllocationKind.GONE: "abandoned",
}
