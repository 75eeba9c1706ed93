"""What is known of every IP's reputation at each mailbox provider: rates as posteriors, for people and metrics, never to act on."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from email_engine.fleet.traffic import DayCounts
from email_engine.reputation.gates import BLOCKS, BOUNCES, COMPLAINTS, DEFERRALS
from email_engine.reputation.posterior import Posterior, posterior
from email_engine.warmup.observation import IpObservation, parent_domain
from email_engine.warmup.policy import Policy

ALL = "*"


@dataclass(frozen=True, slots=True)
class Profile:
    """`provider`: `*` for all. `rates` by gate: bounces and blocks of messages that ended, complaints of delivered ones,
    deferrals for rate or reputation of attempts."""

    ip_id: int
    provider: str
    rates: dict[str, Posterior]


@dataclass(slots=True)
class _Sums:
    bounces: int = 0
    complaints: int = 0
    blocks: int = 0
    deferrals: int = 0
    sent: int = 0
    delivered: int = 0
    attempts: int = 0

    def add(self, days: Iterable[DayCounts], first: date, last: date) -> None:
        for c in days:
            if first <= c.day <= last:
                self.bounces += c.bounced
                self.complaints += c.complained
                self.blocks += c.blocked
                self.deferrals += c.throttling_deferrals
                self.sent += c.sent
                self.delivered += max(c.delivered, c.complained)
                self.attempts += c.sent + c.deferred

    def of(self, gate: str) -> tuple[int, int]:
        whole = {BOUNCES: self.sent, BLOCKS: self.sent, COMPLAINTS: self.delivered, DEFERRALS: self.attempts}
        return getattr(self, gate), whole[gate]


def profiles(observations: Sequence[IpObservation], policy: Policy, day: date) -> tuple[Profile, ...]:
    """Each IP's rates over the last days of the score's policy, at every provider that it sent to and over all.

    An IP begins where its stream is, and that where the other streams of its parent domain are, at the same provider."""
    first = day - timedelta(days=policy.score.days - 1)
    own: dict[tuple[int, str], _Sums] = defaultdict(_Sums)
    streams: dict[tuple[str, str], _Sums] = defaultdict(_Sums)
    domains: dict[tuple[str, str], _Sums] = defaultdict(_Sums)
    within: dict[tuple[str, str, str], _Sums] = defaultdict(_Sums)
    for seen in observations:
        for provider, days in (*seen.providers.items(), (ALL, seen.days)):
            parent = parent_domain(seen.ip.domain)
            for sums in (
                own[seen.ip.ip_id, provider],
                streams[seen.ip.stream, provider],
                domains[parent, provider],
                within[parent, seen.ip.stream, provider],
            ):
                sums.add(days, first, day)
    found = []
    for seen in observations:
        parent, stream = parent_domain(seen.ip.domain), seen.ip.stream
        for provider in (*sorted(seen.providers), ALL):
            mine = own[seen.ip.ip_id, provider]
            if not mine.attempts:
                continue
            levels = [
                (domains[parent, provider], within[parent, stream, provider]),
                (streams[stream, provider], mine),
                (mine, None),
            ]
            rates = {
                gate: posterior(
                    [_less(whole, part, gate) for whole, part in levels],
                    getattr(policy.gates, gate).limit,
                    policy.score.pooling,
                )
                for gate in (BOUNCES, COMPLAINTS, BLOCKS, DEFERRALS)
            }
            found.append(Profile(seen.ip.ip_id, provider, rates))
    return tuple(found)


def _less(whole: _Sums, part: _Sums | None, gate: str) -> tuple[int, int]:
    bad, messages = whole.of(gate)
    if part is None:
        return bad, messages
    own_bad, own_messages = part.of(gate)
    return bad - own_bad, messages - own_messages
