"""For how long does mail wait? PowerMTA's listings tell no age, so it is bounded from below by what earlier looks saw.

Of the mail that an earlier look saw in a queue, some still waits as long as fewer recipients have left since than waited then.
What left is counted by accounting, up to its newest file; where accounting is behind, by how much the listing went down."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from email_engine.fleet.providers import OTHER

OLDEST_KEPT, NEWEST_KEPT = 4, 8
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Look:
    """Recipients seen at a time, and how many of them may still be there by the listings since."""

    at: datetime
    recipients: int
    left: int


@dataclass(frozen=True, slots=True)
class QueueGroup:
    """The queues of one virtual MTA to one mailbox provider; `paused` and `backoff` are recipients.

    `waiting_since`: some waited at least since then at `proven_at`, the newest time of which all is known."""

    vmta: str
    provider: str
    queues: int
    recipients: int
    paused: int
    backoff: int
    looks: tuple[Look, ...] = ()
    waiting_since: datetime | None = None
    proven_at: datetime | None = None

    @property
    def key(self) -> Key:
        return self.vmta, self.provider

    @property
    def runs(self) -> bool:
        return self.recipients > self.paused

    @property
    def age(self) -> timedelta:
        """At least."""
        if self.waiting_since is None or self.proven_at is None:
            return timedelta(0)
        return self.proven_at - self.waiting_since


@dataclass(frozen=True, slots=True)
class Departures:
    """Recipients that were delivered or bounced, by virtual MTA, provider and hour (UTC), in accounting up to `until`.

    `until` None: nothing is known. `vmtas`: those whose records are counted; of others nothing is known."""

    until: datetime | None = None
    vmtas: frozenset[str] = frozenset()
    by_vmta: Mapping[str, Mapping[str, Mapping[datetime, int]]] = field(default_factory=dict)

    def since(self, key: Key, at: datetime) -> int:
        """Those of whole hours, thus rather too many. What PowerMTA keeps by domain, accounting may know by its MX hosts:
        for `other` all of the virtual MTA count."""
        vmta, provider = key
        hour = at.replace(minute=0, second=0, microsecond=0)
        by_provider = self.by_vmta.get(vmta, {})
        counted = (counts for to, counts in by_provider.items() if provider in (to, OTHER))
        return sum(n for counts in counted for when, n in counts.items() if when >= hour)


def follow(
    seen: Iterable[QueueGroup],
    before: Mapping[Key, Sequence[Look]],
    departures: Departures,
    as_of: datetime,
    behind: timedelta,
) -> tuple[QueueGroup, ...]:
    """The groups with their ages. `before`: the `looks` of the last time; accounting older than `behind` is not used."""
    return tuple(_follow(group, before.get(group.key, ()), departures, as_of, behind) for group in seen)


def _follow(
    group: QueueGroup, before: Sequence[Look], departures: Departures, as_of: datetime, behind: timedelta
) -> QueueGroup:
    until = departures.until
    counted = group.vmta in departures.vmtas and until is not None and as_of - until <= behind
    earlier = [look for look in before if look.at < as_of]
    gone = max(0, earlier[-1].recipients - group.recipients) if earlier else 0
    kept = [replace(look, left=look.left - gone) for look in earlier]
    kept = [look for look in kept if look.left > 0]
    if counted:
        kept = [look for look in kept if look.recipients > departures.since(group.key, look.at)]
    proven_at = min(until, as_of) if counted and until is not None else as_of
    since = next((look.at for look in kept if look.at < proven_at), None)
    if group.recipients:
        kept.append(Look(as_of, group.recipients, group.recipients))
    if len(kept) > OLDEST_KEPT + NEWEST_KEPT:
        kept = kept[:OLDEST_KEPT] + kept[-NEWEST_KEPT:]
    return replace(group, looks=tuple(kept), waiting_since=since, proven_at=proven_at if since else None)
