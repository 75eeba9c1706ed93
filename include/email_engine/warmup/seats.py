"""What a capacity plan says: a seat for every IP of a tenant, and the words for people."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from email_engine.amounts import amount
from email_engine.fleet.model import IpState

DEMAND_DAYS = 7
NAMED = 10


class Place(StrEnum):
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
class Seat:
    """One IP. `allowance`, `wanted`: messages a UTC day that it has and could use; `sent`: its mean of the last 7 days.

    `why`: a clause for one that is short or waits. `until`: the first day on which the quota has room for it, if all that
    warm and retire go on as they should; `quota_short`: so much more a day the quota would need, where there is no such day."""

    ip: str
    stream: str
    state: IpState
    place: Place
    allowance: int
    wanted: int
    sent: int
    why: str | None = None
    until: date | None = None
    quota_short: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "ip": self.ip, "stream": self.stream, "state": str(self.state), "place": str(self.place),
            "allowance": self.allowance, "wanted": self.wanted, "sent": self.sent, "why": self.why,
            "until": self.until and self.until.isoformat(), "quota_short": self.quota_short,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """`effective`: the UTC day that it is for; `quota`: of the tenant."""

    tenant: str
    effective: date
    quota: int
    seats: tuple[Seat, ...]

    def at(self, place: Place) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.seats if seat.place is place)

    @property
    def dealt(self) -> int:
        return sum(seat.allowance for seat in self.seats)

    @property
    def sent(self) -> int:
        return sum(seat.sent for seat in self.seats)

    def as_json(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant, "day": self.effective.isoformat(), "quota": self.quota, "dealt": self.dealt,
            "sent": self.sent, "ips": [seat.as_json() for seat in self.seats],
        }  # fmt: skip


def capacity_words(plan: CapacityPlan, dealt: str = "are dealt") -> list[str]:
    """For a log or an alert: a line about the whole, then one for each IP that waits for the quota or cannot progress, ten
    of each kind at most."""
    counted = {place: len(plan.at(place)) for place in Place}
    kinds = ", ".join(f"{count} {_KINDS[place]}" for place, count in counted.items() if count)
    lines = [
        f"{plan.tenant}: {plan.dealt} of {plan.quota} a day {dealt} on {plan.effective}; {kinds or 'no IP'}; "
        f"{plan.sent} a day were sent in the last {DEMAND_DAYS} days"
    ]
    active = plan.at(Place.ACTIVE)
    given, wanted = sum(seat.allowance for seat in active), sum(seat.wanted for seat in active)
    if given < wanted:
        lines.append(
            f"{plan.tenant}: {amount(len(active), 'active IP')} share {given} a day, {given / wanted:.0%} of their targets"
        )
    for place in (Place.SHORT, Place.WAITS):
        seats = [seat for seat in plan.at(place) if place is Place.SHORT or seat.until or seat.quota_short]
        lines += [seat_words(seat) for seat in seats[:NAMED]]
        if len(seats) > NAMED:
            lines.append(
                f"... and {len(seats) - NAMED} more that {'are short' if place is Place.SHORT else 'wait'}"
            )
    return lines


def seat_words(seat: Seat) -> str:
    """One IP in a sentence."""
    when = ""
    if seat.until is not None:
        when = f"; there is room for it on {seat.until}"
    elif seat.quota_short is not None:
        when = f"; there is no room before the quota grows by {seat.quota_short} a day"
    what = {Place.SHORT: "cannot progress", Place.WAITS: "waits"}.get(seat.place, _KINDS[seat.place])
    return f"{seat.ip} {what}{f': {seat.why}' if seat.why else ''}{when}"


_KINDS = {
    Place.WARMS: "warming",
    Place.SHORT: "warming without enough mail",
    Place.ACTIVE: "active",
    Place.RETIRES: "retiring",
    Place.WAITS: "waiting in standby",
    Place.PAUSED: "paused",
    Place.RESTS: "resting or in quarantine",
    Place.GONE: "abandoned",
}
