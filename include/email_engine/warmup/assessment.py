"""One sending IP before the decision: everything that its mail says about it; grounds.py says it in words."""

from collections.abc import Mapping, Sequence
from datetime import date
from math import ceil
from typing import Any

from email_engine.errors import InputError
from email_engine.fleet.model import IpState
from email_engine.fleet.providers import OTHER
from email_engine.reputation.counted import Basis, Row, block_rows, complaint_rows, together
from email_engine.reputation.evidence import GateJudgement, judge
from email_engine.reputation.gates import BLOCKS, COMPLAINTS, DEFERRALS, Judged, judge_gates
from email_engine.reputation.provider_days import ProviderDays
from email_engine.reputation.score import Score
from email_engine.warmup.blame import Charge, Whose, charges
from email_engine.warmup.observation import (
    IpObservation,
    complaints_since,
    evidence_since,
    stop_since,
    window,
)
from email_engine.warmup.outages import believed
from email_engine.warmup.policy import Policy, Schedule
from email_engine.warmup.proposal import Action, Proposal
from email_engine.warmup.provider_limits import PROBING, WHOLE, provider_mixes, stage_volume
from email_engine.warmup.scoring import score_fleet
from email_engine.warmup.signal_quality import signal_problem
from email_engine.warmup.throttle import FULL_SPEED, DayClose, ThrottleState, may_change, throttle_after

HOLDS = {True: "Nothing advances", False: "It gets no more than it has"}
NOT_BEGUN = "It cannot begin to send"


def assess(
    observations: Sequence[IpObservation], policy: Policy, day: date, effective: date
) -> list["Assessment"]:
    """IPs in sending states, judged together; raises `InputError` if the schedule of one is not in the policy."""
    for seen in observations:
        if seen.ip.schedule not in policy.schedules:
            raise InputError(
                f"ip {seen.ip.address}",
                f"schedule {seen.ip.schedule}",
                ", ".join(policy.schedules),
                "name a schedule of the policy",
            )
    whole = observations
    if any(seen.outages for seen in observations):
        observations = [believed(seen) for seen in observations]
    bases = [_basis(seen, policy, day) for seen in observations]
    rows = ProviderDays([basis.providers for basis in bases])
    judged = judge_gates(bases, policy.gates, day, rows)
    sent = (
        rows
        if observations is whole
        else ProviderDays([seen.providers or {OTHER: seen.days} for seen in whole])
    )
    mixes = provider_mixes(sent, day)
    counted = [one.days for one in bases]
    scored = score_fleet(observations, counted, judged, policy, day)
    return [
        Assessment(seen, policy, day, effective, basis, verdicts, one, mix)
        for seen, basis, verdicts, one, mix in zip(observations, bases, judged, scored, mixes, strict=True)
    ]


def _basis(seen: IpObservation, policy: Policy, day: date) -> Basis:
    first, days = evidence_since(seen, day), seen.days
    return Basis(
        first=first,
        days=days.between(first, day),
        complaints_first=complaints_since(seen, day, policy.gates.complaint_days),
        mailed=days.between(stop_since(window(day), seen.last_stop_at, seen.last_stream_stop_at), day),
        providers=seen.providers or {OTHER: days},
        reporting=seen.reporting,
        peers=seen.peers,
        earlier=seen.earlier,
    )


class Assessment:
    """An IP in a sending state, an observation and a policy; the day that closes, and the first day still to be shaped.

    `counted`: its days that count for or against it, by which it was `judged`; `signal_problem`: why nothing may advance on the signals
    about the day, None if they can be trusted; `charges`: its proven rates, and whose fault they are; `throttle`: those that are left from now on; `mix`: parts of its mail by provider,
    where that bounds something; `stage`: messages a UTC day of its phase; `sent_days`: those of it on which it was really sent."""

    __slots__ = (
        "basis",
        "charges",
        "counted",
        "day",
        "effective",
        "ip",
        "judged",
        "judgements",
        "mix",
        "phase",
        "policy",
        "schedule",
        "score",
        "seen",
        "sent_days",
        "signal_problem",
        "stage",
        "throttle",
        "warming",
    )

    def __init__(
        self,
        observation: IpObservation,
        policy: Policy,
        day: date,
        effective: date,
        basis: Basis,
        judged: Judged,
        score: Score,
        mix: Mapping[str, float],
    ) -> None:
        self.seen = observation
        self.ip = observation.ip
        self.policy = policy
        self.day = day
        self.effective = effective
        self.basis = basis
        self.counted = basis.days
        self.judged = judged
        self.judgements: Mapping[str, GateJudgement] = judged.gates
        self.warming = self.ip.state is IpState.WARMING
        self.schedule: Schedule = policy.schedules[self.ip.schedule]
        last_phase = len(self.schedule.stages)
        self.phase = min(max(self.ip.phase, 1), last_phase) if self.warming else self.ip.phase
        self.score = score
        self.charges: tuple[Charge, ...] = charges(observation, basis, judged, policy)
        self.signal_problem = signal_problem(observation, policy, day, bool(basis.days))
        self.throttle = self._speeds()
        self.mix = mix if self._bounded() else {}
        self.stage = self.volume(self.phase)
        self.sent_days = self._sent_days() if self.warming else 0

    @property
    def measured(self) -> bool:
        """Does a provider have a measure of its own already? What it caused is not charged again."""
        return any(name != WHOLE for name in self.throttle.throttle_factors)

    def answering(self, gate: str) -> tuple[str, ...]:
        """Providers that answer for their complaints or blocks already: what is proven there alone, and whoever was slowed and is at its
        limit no more since."""
        if gate not in (COMPLAINTS, BLOCKS) or not (self.throttle.throttle_factors or self.charges):
            return ()
        slowed = {name for name in self.throttle.throttle_factors if name != WHOLE and self._paid(gate, name)}
        apart = any(charge.gate == gate and charge.whose is Whose.PROVIDER for charge in self.charges)
        return tuple(sorted(slowed | set(self.judged.refusing(gate) if apart else ())))

    def _rows(self, gate: str) -> Mapping[str, Row]:
        late = self.policy.gates.complaint_days
        return complaint_rows(self.basis, late) if gate == COMPLAINTS else block_rows(self.basis)

    def _paid(self, gate: str, name: str) -> bool:
        """Was what is bad there by this gate bad before it lost its speed?"""
        since, row = self.throttle.slowed_on.get(name), self._rows(gate).get(name)
        if since is None or row is None:
            return False
        after = [(bad, messages) for day, bad, messages in zip(*row, strict=True) if day > since]
        limit: float = getattr(self.policy.gates, gate).limit
        return sum(bad for bad, _ in after) <= limit * sum(messages for _, messages in after)

    def own(self, gate: str) -> GateJudgement:
        """What a gate says of the mail that no provider answers for."""
        answering, gates = self.answering(gate), self.policy.gates
        if not answering:
            return self.judgements[gate]
        if gate in self.judged.rest and set(answering) == set(self.judged.refusing(gate)):
            return self.judged.rest[gate]
        left, rule = together(self._rows(gate), answering), getattr(gates, gate)
        (found,) = judge([left.bad], [left.messages], rule.limit, rule.stop, gates.confidence)
        return found

    def in_outage(self, name: str) -> bool:
        """Is a provider held for an outage of its own? One that is only tried has not proven yet that it is over."""
        if name in self.seen.down:
            return True
        since, met = self.throttle.slowed_on.get(name), self.seen.outages.get(name)
        tried = self.throttle.throttle_factors.get(name, 1.0) <= PROBING
        return bool(tried and met and since and (since - met.day[-1]).days <= self.policy.suspend.days)

    def _bounded(self) -> bool:
        """Does anything go by its mix? Where nobody knows providers there is none."""
        slowed = self.seen.throttle_factors or self.throttle.throttle_factors
        return bool(self.seen.providers and (slowed or (self.warming and self.policy.providers)))

    def volume(self, phase: int) -> int:
        """Messages a UTC day of a phase, never more than the IP's target."""
        if not self.warming:
            return self.ip.daily_target
        return stage_volume(self.schedule, phase, self.ip.daily_target, self.policy.providers, self.mix)

    @property
    def enough(self) -> int:
        """Messages that make a day of its stage a sent one."""
        return ceil(self.policy.sent_day_rate * self.stage)

    def _sent_days(self) -> int:
        return sum(map(self.enough.__le__, self.counted.sent))

    def _speeds(self) -> ThrottleState:
        if not may_change(self.seen.throttle_factors, self.seen.down, self.score, self.judged, self.policy):
            return FULL_SPEED
        trusted = self.signal_problem is None
        evening = DayClose(
            self.day, self.seen.days, self.basis.providers, trusted, bool(self.charges), self.seen.down
        )
        before = ThrottleState(self.seen.throttle_factors, self.seen.slowed_on)
        return throttle_after(before, evening, self.score, self.judged, self.policy)

    def to(self, action: Action, reason: str, wanted: int | None = None, **changes: Any) -> Proposal:
        """A choice with everything that was judged; `wanted` is the stage by default."""
        made = Proposal(
            action,
            reason,
            self.stage if wanted is None else wanted,
            self.phase,
            sent_days=self.sent_days,
            judgements=self.judgements,
            providers=self.judged.providers[DEFERRALS],
            score=self.score,
            throttle_factors=self.throttle.throttle_factors,
            slowed_on=self.throttle.slowed_on,
            mix=self.mix,
        )
        return made._replace(**changes) if changes else made

    def hold(self, cause: str, reason: str, first: bool = False, **changes: Any) -> Proposal:
        """Keeps what stands. `first`: an IP that never had an allowance gets its stage, which is no advance but what a person
        declared."""
        if first and not self.seen.given:
            return self.to(Action.HOLD, reason, cause=cause, **changes)
        wanted, most = self.kept(self.stage), self.seen.standing
        return self.to(Action.HOLD, reason, wanted, cause=cause, at_most=most, **changes)

    @property
    def held(self) -> str:
        """What it means for the IP to hold: a warming one does not advance, another gets no more than it has, and one that never
        had an allowance and never sent holds nothing."""
        begun = self.seen.given or self.seen.standing or any(self.seen.days.sent)
        return HOLDS[self.warming] if begun else NOT_BEGUN

    def because(self, reason: str) -> str:
        """Why an IP holds, as a sentence."""
        return f"{self.held}, because {reason}"

    def kept(self, volume: int) -> int:
        """A volume that does not rise above what stands; what stands may be less because the IP is slowed."""
        return (
            volume if self.seen.throttle_factors and self.seen.standing else min(volume, self.seen.standing)
        )
