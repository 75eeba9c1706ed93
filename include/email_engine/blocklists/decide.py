"""What a sweep means for an IP and its pool: open, seen again, clean, close, quarantine, breaker."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from email_engine.blocklists.model import ListClass, Severity
from email_engine.fleet.model import SENDING_STATES, IpRecord

CLEAN_TO_CLOSE = 2
"""Sweeps in a row that must find an IP off a list."""

PARKING_SEVERITIES = frozenset({Severity.HIGH, Severity.MEDIUM})


@dataclass(frozen=True, slots=True)
class SeenListing:
    """A confirmed listing of one IP in one sweep. `reason` is the list's TXT record, "" if it has none."""

    list_name: str
    zone: str
    codes: tuple[str, ...]
    sublists: tuple[str, ...]
    list_class: ListClass
    severity: Severity
    severe: bool = False
    reason: str = ""

    @property
    def parks(self) -> bool:
        """Policy and info codes, and reputation of low weight, are shown and never act."""
        return self.list_class is ListClass.REPUTATION and self.severity in PARKING_SEVERITIES

    def __str__(self) -> str:
        return f"{self.list_name} ({', '.join(self.sublists)}; {', '.join(self.codes)}; {self.severity})"


@dataclass(frozen=True, slots=True)
class OpenListing:
    """An open row of `blacklist_events`, or of `domain_listings` (`ip_id` 0). `counted`: this very run has already counted a clean observation or a sight;
    a task that runs again counts nothing twice."""

    event_id: int
    ip_id: int
    list_name: str
    zone: str
    codes: tuple[str, ...]
    list_class: ListClass
    severity: Severity
    opened_at: datetime
    clean_observations: int = 0
    acknowledged_until: datetime | None = None
    counted: bool = False

    @property
    def parks(self) -> bool:
        return self.list_class is ListClass.REPUTATION and self.severity in PARKING_SEVERITIES

    def acknowledged(self, as_of: datetime) -> bool:
        """A person took responsibility for this listing until a date."""
        return self.acknowledged_until is not None and self.acknowledged_until > as_of


class ListingAction(StrEnum):
    OPEN = "open listing"
    SEEN = "seen again"
    CLEAN = "clean once"
    CLOSE = "close listing"


@dataclass(frozen=True, slots=True)
class ListingStep:
    """One change to `blacklist_events`: `seen` for OPEN and SEEN, `event_id` for all but OPEN."""

    action: ListingAction
    list_name: str
    reason: str
    seen: SeenListing | None = None
    event_id: int | None = None


@dataclass(frozen=True, slots=True)
class ListingDecision:
    """What one sweep means for one IP.

    `quarantine`: leave the sending states, until `quarantine_until`. `listed_on`: names of the lists whose reputation
    listings are open afterwards. `reason` says why, also when nothing is done."""

    ip_id: int
    steps: tuple[ListingStep, ...]
    quarantine: bool
    quarantine_until: datetime | None
    listed_on: tuple[str, ...]
    reason: str

    @property
    def moves_listings(self) -> bool:
        """Was a listing opened or closed?"""
        return any(step.action in (ListingAction.OPEN, ListingAction.CLOSE) for step in self.steps)


def decide_listing(
    ip: IpRecord,
    open_listings: Sequence[OpenListing],
    seen: Sequence[SeenListing],
    clean: Collection[str],
    as_of: datetime,
    at_least: timedelta,
    unwatched: Collection[str] = (),
) -> ListingDecision:
    """Args:
    open_listings: of this IP. seen: confirmed in this sweep. clean: names of the lists that answered "not listed".
    at_least: how long a quarantine lasts. unwatched: names of lists that nobody asks any more.

    A list that is in neither `seen` nor `clean` is unknown and changes nothing."""
    by_name = {x.list_name: x for x in open_listings}
    steps, still_open = listing_steps(open_listings, seen, clean, unwatched)
    parking = [x for x in seen if x.parks and not _acknowledged(by_name.get(x.list_name), x, as_of)]
    quarantine = bool(parking) and ip.state in SENDING_STATES
    return ListingDecision(
        ip_id=ip.ip_id,
        steps=tuple(steps),
        quarantine=quarantine,
        quarantine_until=as_of + at_least if quarantine else None,
        listed_on=tuple(sorted(n for n, c in still_open.items() if c is ListClass.REPUTATION)),
        reason=_reason(ip, steps, parking, quarantine),
    )


def listing_steps(
    open_listings: Sequence[OpenListing],
    seen: Sequence[SeenListing],
    clean: Collection[str],
    unwatched: Collection[str] = (),
) -> tuple[list[ListingStep], dict[str, ListClass]]:
    """What one sweep changes about the listings of one IP or one domain, and the lists that hold it afterwards. A list that is in
    neither `seen` nor `clean` nor `unwatched` is unknown and changes nothing."""
    by_name = {x.list_name: x for x in open_listings}
    steps: list[ListingStep] = []
    still_open = {x.list_name: x.list_class for x in open_listings}
    for listing in seen:
        before = by_name.get(listing.list_name)
        if before is None:
            why = f"listed on {listing}"
            steps.append(ListingStep(ListingAction.OPEN, listing.list_name, why, listing))
        elif before.parks and not listing.parks:
            continue  # what parked is off the list; the lesser listing opens when that one is closed
        else:
            why = f"still listed on {listing}"
            steps.append(ListingStep(ListingAction.SEEN, listing.list_name, why, listing, before.event_id))
        still_open[listing.list_name] = listing.list_class
    lesser = {x.list_name for x in seen if (old := by_name.get(x.list_name)) and old.parks and not x.parks}
    clean, seen_names = {*clean, *lesser, *unwatched}, {x.list_name for x in seen} - lesser
    for before in open_listings:
        if before.list_name not in clean or before.list_name in seen_names or before.counted:
            continue
        count = before.clean_observations + 1
        gone = "nobody watches {} any more," if before.list_name in unwatched else "off {}"
        off = gone.format(before.list_name)
        if count >= CLEAN_TO_CLOSE:
            why = f"{off} in {count} sweeps in a row"
            steps.append(ListingStep(ListingAction.CLOSE, before.list_name, why, event_id=before.event_id))
            del still_open[before.list_name]
        else:
            why = f"{off} in {count} of {CLEAN_TO_CLOSE} sweeps"
            steps.append(ListingStep(ListingAction.CLEAN, before.list_name, why, event_id=before.event_id))
    return steps, still_open


def _acknowledged(before: OpenListing | None, seen: SeenListing, as_of: datetime) -> bool:
    """What became worse since is not what a person took responsibility for."""
    return before is not None and before.acknowledged(as_of) and not _worse(before, seen)


def _worse(before: OpenListing, seen: SeenListing) -> bool:
    """Does it park where it did not, or became severe?"""
    return seen.parks and (not before.parks or (seen.severe and before.codes != seen.codes))


def _reason(
    ip: IpRecord, steps: Sequence[ListingStep], parking: Sequence[SeenListing], quarantine: bool
) -> str:
    if quarantine:
        return "listed on " + "; ".join(map(str, parking))
    if parking:
        return f"listed on {'; '.join(map(str, parking))}; nothing to park, the IP is in {ip.state}"
    return "; ".join(step.reason for step in steps) or "nothing new"


@dataclass(frozen=True, slots=True)
class Breaker:
    """A pool in which listing is no accident any more: a person decides. Nothing takes over."""

    pool: str
    stream: str
    addresses: tuple[str, ...]
    reason: str


def open_breakers(
    ips: Sequence[IpRecord],
    decisions: Mapping[int, ListingDecision],
    open_listings: Sequence[OpenListing],
    as_of: datetime,
) -> tuple[Breaker, ...]:
    """The pools whose breaker this sweep opens: a parking listing that is new or became worse, while two or more IPs of the pool
    stand on lists (facts, deliverability section 6.2 rule 3), or one listing that is severe by itself."""
    before = {x.event_id: x for x in open_listings}
    closed = {s.event_id for d in decisions.values() for s in d.steps if s.action is ListingAction.CLOSE}
    standing = {
        x.ip_id for x in open_listings if x.parks and not x.acknowledged(as_of) and x.event_id not in closed
    }
    fresh: dict[int, list[SeenListing]] = {}
    for decision in decisions.values():
        for step in decision.steps:
            old = before.get(step.event_id) if step.event_id is not None else None
            new_now = step.action is ListingAction.OPEN or (
                old is not None and step.seen and _worse(old, step.seen)
            )
            if new_now and step.seen and step.seen.parks:
                fresh.setdefault(decision.ip_id, []).append(step.seen)
    breakers = []
    for pool in sorted({ip.pool for ip in ips}):
        members = [ip for ip in ips if ip.pool == pool]
        new = [ip for ip in members if ip.ip_id in fresh]
        listed = [ip for ip in members if ip.ip_id in fresh or ip.ip_id in standing]
        severe = [x for ip in new for x in fresh[ip.ip_id] if x.severe]
        if severe or (new and len(listed) >= 2):
            why = f"severe listing: {severe[0]}" if severe else f"{len(listed)} IPs of the pool are listed"
            addresses = tuple(str(ip.address) for ip in listed)
            breakers.append(Breaker(pool, members[0].stream, addresses, why))
    return tuple(breakers)
