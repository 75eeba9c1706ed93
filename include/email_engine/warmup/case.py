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
    complaints_since,
    counts_on,
    evidence_since,
    stop_since,
)
from email_engine.warmup.pace import Evening, Speeds, speeds_after
from email_engine.warmup.policy import Policy, Schedule
from email_engine.warmup.trust import Distrust, distrust


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
        self.counted = between(days, self.since, day)
        late = complaints_since(observation, day, policy.gates.complaint_days)
        unstopped = stop_since(day, observation.last_stop_at)
        unlisted = stop_since(day, observation.last_stop_at, observation.last_list_stop_at)
        self.since_stop = between(days, unstopped, day)
        self.judged: Judged = judge_gates(
            self.counted, observation.providers, observation.peers, policy.gates, self.since, day,
            between(days, late, day), between(days, unlisted, day),
        )  # fmt: skip
        self.judgements: Mapping[str, Judgement] = self.judged.gates
        self.warming = self.ip.state is IpState.WARMING
        self.schedule: Schedule = policy.schedules[self.ip.schedule]
        last_phase = len(self.schedule.stages)
        self.phase = min(max(self.ip.phase, 1), last_phase) if self.warming else self.ip.phase

    @cached_property
    def mix(self) -> Mapping[str, float]:
        """Parts of its mail by provider; looked at only where it bounds something."""
        slow = {*self.seen.paces, *self.speeds.paces}
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
        own = {
            BOUNCES: posterior([(levels[-1].fair_bounced, levels[-1].fair_sent)], limits[BOUNCES], rules.pooling),
            COMPLAINTS: posterior([(rates[COMPLAINTS].bad, rates[COMPLAINTS].messages)], limits[COMPLAINTS], rules.pooling),
            BLOCKS: posterior([(rates[BLOCKS].bad, rates[BLOCKS].messages)], limits[BLOCKS], rules.pooling),
            DEFERRALS: rates[DEFERRALS],
        }  # fmt: skip
        return score(
            rates, own, limits, bool(self.ip.blacklisted_on), self.seen.dns is DnsHealth.BROKEN, rules
        )

    @cached_property
    def distrust(self) -> Distrust | None:
        """Why nothing may advance on the signals about the day; None if they can be trusted."""
        return distrust(self.seen, self.policy, self.day, bool(self.counted))

    @cached_property
    def speeds(self) -> Speeds:
        """The speeds that are left from now on."""
        today = counts_on(self.seen, self.day)
        nothing = DayCounts(self.day)
        providers = {
            name: next((c for c in reversed(days) if c.day == self.day), nothing)
            for name, days in self.seen.providers.items()
        }
        fine = all(j.verdict in (Verdict.PASS, Verdict.INSUFFICIENT) for j in self.judgements.values())
        evening = Evening(self.day, today, providers, self.distrust is None, fine)
        before = Speeds(self.seen.paces, self.seen.slowed_on)
        return speeds_after(before, evening, self.score, self.judged.deferrals, self.policy)

    def to(self, action: Action, reason: str, wanted: int | None = None, **changes: object) -> Choice:
        """A choice with everything that was judged; `wanted` is the stage by default."""
        fields: dict[str, object] = {
            "phase": self.phase,
            "sent_days": self.sent_days,
            "judgements": self.judgements,
            "providers": self.judged.deferrals,
            "score": self.score,
            "paces": self.speeds.paces,
            "slowed_on": self.speeds.slowed_on,
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
        one = judged.bad == 1
        count = f"{amount(judged.bad, gate.removesuffix('s'))} of {judged.messages}"
        if gate == DEFERRALS:
            pressed = "deferral or block" if one else "deferrals and blocks"
            count = f"{judged.bad} {pressed} of {judged.messages} attempts at {self.judged.worst_provider}"
        by = " by the newest of them" if judged.bad < limit * judged.messages else ""
        return {
            Verdict.REGRESS: f"{count} {'proves' if one else 'prove'}{by} a rate above {limit:.1%}",
            Verdict.HOLD: f"{count} {'is' if one else 'are'} at the limit of {limit:.1%} or above",
            Verdict.INSUFFICIENT: f"{count} {'does' if one else 'do'} not yet prove a rate below {limit:.1%}",
            Verdict.PASS: f"{count} {'proves' if one else 'prove'} a rate below {limit:.1%}",
        }[judged.verdict]

    def against(self, gate: str) -> str:
        """That a gate's evidence is against the IP, as the middle of a sentence."""
        judged = self.judgements[gate]
        if judged.verdict in (Verdict.REGRESS, Verdict.HOLD):
            return self.words(gate)
        count = f"{amount(judged.bad, gate.removesuffix('s'))} of {judged.messages}"
        return f"{count} {'speaks' if judged.bad == 1 else 'speak'} against it"
