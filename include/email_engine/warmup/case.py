"""One sending IP before the decision: everything that its mail says about it, and the words for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from math import ceil

from email_engine.amounts import amount
from email_engine.fleet.model import IpState
from email_engine.fleet.traffic import DayCounts
from email_engine.reputation.evidence import Judgement, Verdict
from email_engine.reputation.gates import BLOCKS, BOUNCES, COMPLAINTS, DEFERRALS, Judged, judge_gates
from email_engine.reputation.posterior import Posterior, posterior
from email_engine.reputation.score import Score, score
from email_engine.warmup.choice import Action, Choice
from email_engine.warmup.ladders import provider_mix, stage_volume
from email_engine.warmup.observation import (
    DnsHealth,
    IpObservation,
    between,
    evidence_since,
)
from email_engine.warmup.pace import paces_after
from email_engine.warmup.policy import Policy, Schedule


@dataclass(slots=True)
class _Sums:
    """What a score needs of some days."""

    sent: int
    delivered: int
    complained: int
    blocked: int
    fair_sent: int
    fair_bounced: int

    @classmethod
    def of(cls, days: Sequence[DayCounts], most: int, first: date, excused: frozenset[date]) -> "_Sums":
        """The days from `first` on, `most` at most; `days`: oldest first."""
        some = days[-most:]
        if some and some[0].day < first:
            some = [c for c in some if c.day >= first]
        delivered, bounced = sum([c.delivered for c in some]), sum([c.bounced for c in some])
        unfair = [c for c in some if c.day in excused] if excused else ()
        unfair_bounced = sum([c.bounced for c in unfair])
        return cls(
            sent=delivered + bounced,
            delivered=delivered,
            complained=sum([c.complained for c in some]),
            blocked=sum([c.blocked for c in some]),
            fair_sent=delivered + bounced - sum([c.delivered for c in unfair]) - unfair_bounced,
            fair_bounced=bounced - unfair_bounced,
        )


class Case:
    """An IP in a sending state, an observation and a policy; the day that closes, and the first day still to be shaped."""

    def __init__(self, observation: IpObservation, policy: Policy, day: date, effective: date) -> None:
        self.seen = observation
        self.ip = observation.ip
        self.policy = policy
        self.day = day
        self.effective = effective
        self.since = evidence_since(observation, day)
        days = observation.days
        whole = not days or (days[0].day >= self.since and days[-1].day <= day)
        self.counted = days if whole else between(days, self.since, day)
        self.judged: Judged = judge_gates(
            self.counted, observation.providers, observation.peers, policy.gates, self.since, day
        )
        self.judgements: Mapping[str, Judgement] = self.judged.gates
        self.warming = self.ip.state is IpState.WARMING
        self.schedule: Schedule = policy.schedules[self.ip.schedule]
        last_phase = len(self.schedule.stages)
        self.phase = min(max(self.ip.phase, 1), last_phase) if self.warming else self.ip.phase

    @cached_property
    def mix(self) -> Mapping[str, float]:
        """Parts of its mail by provider; looked at only where it bounds something."""
        slow = set(self.seen.paces) | set(self.paces)
        if not slow and not (self.warming and self.policy.providers):
            return {}
        return provider_mix(self.seen.providers, self.day)

    def volume(self, phase: int) -> int:
        """Messages a UTC day of a phase, never more than the IP's target."""
        if not self.warming:
            return self.ip.daily_target
        return stage_volume(self.schedule, phase, self.ip.daily_target, self.policy.providers, self.mix)

    @cached_property
    def stage(self) -> int:
        return self.volume(self.phase)

    @cached_property
    def sent_days(self) -> int:
        """Days of the stage on which it was really sent."""
        if not self.warming:
            return 0
        needed = ceil(self.policy.sent_day_rate * self.stage)
        return sum([counts.delivered + counts.bounced >= needed for counts in self.counted])

    @cached_property
    def score(self) -> Score:
        rules, gates = self.policy.score, self.policy.gates
        first = self.day - timedelta(days=rules.days - 1)
        levels = [
            _Sums.of(days, rules.days, first, self.judged.excused)
            for days in (self.seen.domain, self.seen.peers, self.counted)
        ]
        since = self.day - timedelta(days=gates.deferral_days - 1)
        newest = [c for c in self.counted[-gates.deferral_days :] if c.day >= since]
        pressed = sum([c.pressed for c in newest])
        attempts = sum([c.sent + c.deferred for c in newest])
        rates: dict[str, Posterior] = {
            BOUNCES: posterior([(x.fair_bounced, x.fair_sent) for x in levels], gates.bounces.limit, rules.pooling),
            COMPLAINTS: posterior(
                [(x.complained, max(x.delivered, x.complained)) for x in levels],
                gates.complaints.limit, rules.pooling,
            ),
            BLOCKS: posterior([(x.blocked, x.sent) for x in levels], gates.blocks.limit, rules.pooling),
            DEFERRALS: posterior([(pressed, attempts)], gates.deferrals.limit, rules.pooling),
        }  # fmt: skip
        limits = {
            BOUNCES: gates.bounces.limit, COMPLAINTS: gates.complaints.limit,
            BLOCKS: gates.blocks.limit, DEFERRALS: gates.deferrals.limit,
        }  # fmt: skip
        return score(rates, limits, bool(self.ip.blacklisted_on), self.seen.dns is DnsHealth.BROKEN, rules)

    @cached_property
    def paces(self) -> Mapping[str, float]:
        """The speed that is left from now on."""
        return paces_after(self.seen.paces, self.score, self.judged.deferrals, self.policy)

    def to(self, action: Action, reason: str, wanted: int | None = None, **changes: object) -> Choice:
        """A choice with everything that was judged; `wanted` is the stage by default."""
        fields: dict[str, object] = {
            "phase": self.phase,
            "sent_days": self.sent_days,
            "judgements": self.judgements,
            "providers": self.judged.deferrals,
            "score": self.score,
            "paces": self.paces,
            "mix": self.mix,
        }
        return Choice(action, reason, self.stage if wanted is None else wanted, **(fields | changes))  # type: ignore[arg-type]

    def hold(self, cause: str, reason: str, first: bool = False) -> Choice:
        """Keeps what stands. `first`: an IP that never had an allowance gets its stage, which is no advance but what a person
        declared."""
        if first and not self.seen.given:
            return self.to(Action.HOLD, reason, cause=cause)
        return self.to(Action.HOLD, reason, self.kept(self.stage), cause=cause, at_most=self.seen.standing)

    def kept(self, volume: int) -> int:
        """A volume that does not rise above what stands; what stands may be less because the IP is slowed."""
        return volume if self.seen.paces and self.seen.standing else min(volume, self.seen.standing)

    def words(self, gate: str) -> str:
        """What a gate says, as the middle of a sentence."""
        judged, limit = self.judgements[gate], getattr(self.policy.gates, gate).limit
        count = f"{amount(judged.bad, gate.removesuffix('s'))} of {judged.messages}"
        if gate == DEFERRALS:
            count += f" attempts at {self.judged.worst_provider}"
        return {
            Verdict.REGRESS: f"{count} prove a rate above {limit:.1%}",
            Verdict.HOLD: f"{count} are at the limit of {limit:.1%} or above",
            Verdict.INSUFFICIENT: f"{count} do not yet prove a rate below {limit:.1%}",
            Verdict.PASS: f"{count} prove a rate below {limit:.1%}",
        }[judged.verdict]
