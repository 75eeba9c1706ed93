"""What follows next for a DKIM key, from what DNS and the hosts show. What nobody could see moves nothing."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from email_engine.dkim.key import SigningKey
from email_engine.dkim.policy import DkimPolicy
from email_engine.dkim.stages import KeyEvent, KeyStage
from email_engine.dns_answers import Answer, Found, Unknown
from email_engine.dnsauth.dkim import BadKey, key_in_use, parse_key, parse_tags

DEFAULT_BOUNCE_AFTER = timedelta(days=4, hours=12)
"""Of PowerMTA, for every queue whose <domain> says nothing."""
MARGIN = timedelta(days=1)
"""Beyond the life of a queue: receivers that verify late, clocks, a day's run that came late."""


class Sight(StrEnum):
    """What one answer shows of a key's record."""

    THERE = "there"
    OTHER = "another record"
    REVOKED = "an empty p="
    ABSENT = "no record"
    UNKNOWN = "no answer"


@dataclass(frozen=True, slots=True)
class Look:
    """What all answers together show. `asked`: of the resolver first, then of the zone's own servers; `ttl` in seconds, the longest."""

    sight: Sight
    ttl: int = 0
    asked: tuple[Sight, ...] = ()


def sight_of(answer: Answer, public_key: str) -> Sight:
    """Does the answer hold exactly one record, with this very key?"""
    if isinstance(answer, Unknown):
        return Sight.UNKNOWN
    if not isinstance(answer, Found) or not answer.records:
        return Sight.ABSENT
    if len(answer.records) != 1:
        return Sight.OTHER
    try:
        tags = parse_tags(answer.records[0])
        if "p" in tags and not tags["p"]:
            return Sight.REVOKED
        same = parse_key(answer.records[0]).same_as(key_in_use(public_key))
    except BadKey:
        return Sight.OTHER
    return Sight.THERE if same else Sight.OTHER


def look_at(resolver: Answer, servers: Iterable[Answer], public_key: str) -> Look:
    """The resolver must answer; of the zone's own servers, those that do must agree with it: another answer of one of them is a zone
    that is not everywhere yet, or a resolver that lies."""
    answers = (resolver, *servers)
    sights = tuple(sight_of(answer, public_key) for answer in answers)
    known = {sight for sight in sights if sight is not Sight.UNKNOWN}
    ttl = max((answer.ttl for answer in answers if isinstance(answer, Found)), default=0)
    if sights[0] is Sight.UNKNOWN:
        return Look(Sight.UNKNOWN, ttl, sights)
    if known == {sights[0]}:
        return Look(sights[0], ttl, sights)
    if Sight.THERE in known or Sight.UNKNOWN in known:
        return Look(Sight.OTHER, ttl, sights)
    return Look(Sight.REVOKED if known <= {Sight.REVOKED, Sight.ABSENT} else Sight.OTHER, ttl, sights)


def after_look(key: SigningKey, look: Look) -> KeyEvent | None:
    """What the answers of this hour do to a key; `may_sign` says when they suffice."""
    if look.sight is Sight.UNKNOWN:
        return None
    if key.stage is KeyStage.MADE and look.sight is Sight.THERE:
        return KeyEvent.SHOW
    if key.stage is KeyStage.SEEN and look.sight is not Sight.THERE:
        return KeyEvent.VANISH
    if key.stage is KeyStage.REVOKING and look.sight in (Sight.REVOKED, Sight.ABSENT):
        return KeyEvent.WITHDRAW
    return None


def may_sign(key: SigningKey, look: Look, now: datetime, policy: DkimPolicy) -> bool:
    """Seen just now, and without a gap for long enough that no cache holds that it is not there."""
    if key.stage is not KeyStage.SEEN or look.sight is not Sight.THERE or key.seen_at is None:
        return False
    return now - key.seen_at >= max(policy.seen_for, timedelta(seconds=look.ttl))


@dataclass(frozen=True, slots=True)
class HostKeysInUse:
    """What one host's configuration signs with: (domain, selector) of every `domain-key`. `unread`: files of it that could not be read,
    and whatever else keeps anybody from knowing; then nothing is absent. `bounce_after`: the longest that it names."""

    host: str
    keys: frozenset[tuple[str, str]] = frozenset()
    unread: tuple[str, ...] = ()
    bounce_after: timedelta = timedelta(0)

    def surely_not(self, key: SigningKey) -> bool:
        return not self.unread and not {(key.domain, key.selector), ("*", key.selector)} & self.keys

    def signs(self, key: SigningKey) -> bool:
        return (key.domain, key.selector) in self.keys


def is_quiet(key: SigningKey, current: SigningKey | None, hosts: Collection[HostKeysInUse]) -> bool | None:
    """Does no host sign with the key any more, and the host of its domain with the current one? None: nobody knows."""
    if any((key.domain, key.selector) in host.keys for host in hosts):
        return False
    if not hosts or any(not host.surely_not(key) for host in hosts):
        return None
    return current is not None and any(host.signs(current) for host in hosts)


def queue_life(hosts: Iterable[HostKeysInUse]) -> timedelta:
    """How long mail can wait in a queue of these hosts at most."""
    return max([DEFAULT_BOUNCE_AFTER, *(host.bounce_after for host in hosts)])


def overlap_ends(quiet_since: datetime, life: timedelta, policy: DkimPolicy) -> datetime:
    """When the old record may go; `life`: how long mail can wait."""
    return quiet_since + max(policy.overlap, life + MARGIN)


def due_at(key: SigningKey, policy: DkimPolicy) -> datetime:
    """When a key that signs is due for rotation: by its age, or by when it was first known; at once where it is too short."""
    if key.bits is not None and key.bits < 2048:
        return key.since
    return (key.made_at or key.since) + policy.rotate_after


def new_selector(now: datetime, taken: Collection[str]) -> str:
    """Such as s202611 for the month; `b`, `c` ... behind it where that is taken. Raises ValueError after the 25th of a month."""
    month = f"s{now:%Y%m}"
    for letter in ("", *"bcdefghijklmnopqrstuvwxyz"):
        if month + letter not in taken:
            return month + letter
    raise ValueError(f"no selector is left for {now:%Y-%m}")
