"""The plan of one tenant for a day: every IP's choice, then the tenant's daily quota dealt among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from email_engine.fleet.model import PARKED_STATES, IpState
from email_engine.gc_pause import gc_paused
from email_engine.plural import amount
from email_engine.reputation.evidence import GateJudgement, GateVerdict
from email_engine.warmup.decide import decide_days
from email_engine.warmup.growth import within_proof
from email_engine.warmup.observation import IpObservation
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import RELEASES, STOPS, Action, Proposal
from email_engine.warmup.provider_limits import WHOLE, provider_allowances, slowed
from email_engine.warmup.rotation import rest_in_turn
from email_engine.warmup.sentences import bounded, next_step, weighs_most, whole_reason
from email_engine.warmup.snapshot import inputs_of


@dataclass(frozen=True, slots=True)
class QuotaPool:
    """What IPs are dealt from: `quota` messages a UTC day of a stream (`name`), or of the tenant."""

    name: str | None
    quota: int


@dataclass(frozen=True, slots=True)
class IpDecision:
    """One IP's decision at the end of the UTC `day`. `allowance`: messages a UTC day from the planned day on, `bounds`: those to
    providers that may not have all of it; `told`: what happens and why; `quota_pool`: what it was dealt from, None if nothing was."""

    observation: IpObservation
    proposal: Proposal
    allowance: int
    told: str
    day: date
    bounds: Mapping[str, int] = field(default_factory=dict)
    quota_pool: QuotaPool | None = None

    @property
    def reason(self) -> str:
        """`happens`, `weighs` and `next_step`, as far as there is room."""
        proposal = self.proposal
        return whole_reason(self.told, proposal.evidence, self.observation.worst, proposal.advice)

    @property
    def happens(self) -> str:
        """What happens and why."""
        return bounded(self.told)

    @property
    def weighs(self) -> str:
        """What weighs most of the mail that it goes by; "" where that is not known."""
        return weighs_most(self.proposal.evidence, self.observation.worst)

    @property
    def next_step(self) -> str:
        """What a person does now; "" where nothing is to be done."""
        return next_step(self.proposal.advice)

    @property
    def inputs(self) -> dict[str, Any]:
        """What people want to see of what was looked at, as plain JSON."""
        quota_pool = {"quota": self.quota_pool.quota, "pot": self.quota_pool.name} if self.quota_pool else {}
        return inputs_of(self.observation, self.day) | quota_pool

    @property
    def stops(self) -> bool:
        """The brake must follow at once."""
        return self.proposal.action in STOPS

    @property
    def releases(self) -> bool:
        """The brake may let go."""
        return self.proposal.action in RELEASES

    @property
    def changes(self) -> bool:
        """Does anything change that a deployment or a sync must follow?"""
        return (
            self.allowance != self.observation.standing
            or self.bounds != self.observation.bounds
            or self.proposal.event is not None
            or self.stops
            or self.releases
        )

    @property
    def verdicts(self) -> dict[str, Any]:
        """Each gate's verdict with its counts and the detector's value, as plain JSON; and the deferrals of each provider that
        is not fine."""
        found: dict[str, Any] = {
            name: plain_judgement(judged) for name, judged in self.proposal.judgements.items()
        }
        throttling_deferrals = {
            name: plain_judgement(judged)
            for name, judged in self.proposal.providers.items()
            if judged.verdict in (GateVerdict.HOLD, GateVerdict.REGRESS)
        }
        if throttling_deferrals:
            found["deferrals"]["providers"] = throttling_deferrals
        return found

    @property
    def result(self) -> dict[str, Any]:
        """What was decided apart from action, reason and verdicts, as plain JSON."""
        score = self.proposal.score
        return {
            "allowance": self.allowance,
            "bounds": dict(self.bounds),
            "paces": dict(self.proposal.throttle_factors),
            "score": {"value": score.value, "low": score.low, "high": score.high, "lost": dict(score.lost)},
        }


@dataclass(frozen=True, slots=True)
class Quotas:
    """Messages a UTC day: of the tenant, and of those streams that have a share of their own."""

    tenant: int
    streams: Mapping[str, int] = field(default_factory=dict)

    def quota_pool(self, stream: str) -> str | None:
        """The name of the pot that a stream draws from: its own, or None for what the others leave."""
        return stream if stream in self.streams else None

    def size(self, quota_pool: str | None) -> int:
        return (
            self.streams[quota_pool]
            if quota_pool is not None
            else max(self.tenant - sum(self.streams.values()), 0)
        )


@gc_paused()
def plan_tenant(
    observations: Sequence[IpObservation],
    policy: Policy,
    quotas: Quotas,
    day: date,
    effective: date,
    promised: Mapping[str, int] | None = None,
) -> tuple[IpDecision, ...]:
    """Closes the UTC `day` for the IPs of one tenant; the outcomes stand in the order of `observations`.

    `effective`: the first day that can still be shaped; allowances are for it and later days. `promised`: messages a day
    by stream that IPs outside `observations` hold."""
    ip_decisions: dict[int, IpDecision] = {}
    for quota_pool in {quotas.quota_pool(observation.ip.stream) for observation in observations}:
        mine = [
            observation
            for observation in observations
            if quotas.quota_pool(observation.ip.stream) == quota_pool
        ]
        taken = sum(
            messages
            for stream, messages in (promised or {}).items()
            if quotas.quota_pool(stream) == quota_pool
        )
        for ip_decision in plan_quota_pool(
            mine, policy, max(quotas.size(quota_pool) - taken, 0), day, effective, quota_pool
        ):
            ip_decisions[ip_decision.observation.ip.ip_id] = ip_decision
    return tuple(ip_decisions[observation.ip.ip_id] for observation in observations)


def plan_quota_pool(
    observations: Sequence[IpObservation],
    policy: Policy,
    quota: int,
    day: date,
    effective: date,
    quota_pool: str | None = None,
) -> list[IpDecision]:
    """Closes the day for IPs that draw from one pot of `quota` messages a UTC day: a stream's (`quota_pool`) or the tenant's."""
    choices = decide_days(observations, policy, day, effective)
    choices = _keep_back_starts(observations, choices, policy, quota)
    choices = rest_in_turn(observations, choices, policy, effective)
    choices = within_proof(observations, choices, policy, effective)
    shares = _deal(observations, choices, quota, policy.share_step)
    drawn = QuotaPool(quota_pool, quota)
    return [
        _outcome(observation, proposal, share, policy, day, drawn)
        for observation, proposal, share in zip(observations, choices, shares, strict=True)
    ]


def _outcome(
    observation: IpObservation,
    proposal: Proposal,
    share: int,
    policy: Policy,
    day: date,
    quota_pool: QuotaPool,
) -> IpDecision:
    """What a slowed IP leaves of its share goes to nobody: shed load is not moved."""
    ip = observation.ip
    slow = proposal.throttle_factors
    allowance = slowed(share, proposal.mix, slow, policy.slow.least) if slow else share
    if proposal.at_most is not None:
        allowance = min(allowance, proposal.at_most)
    warms = ip.state is IpState.WARMING and proposal.action is not Action.GRADUATE
    bounds: Mapping[str, int] = {}
    if proposal.throttle_factors or (warms and policy.providers):
        bounds = provider_allowances(
            allowance, share, policy.schedules[ip.schedule], proposal.phase if warms else None, ip.daily_target,
            policy.providers, proposal.mix, proposal.throttle_factors, policy.suspend.probe,
        )  # fmt: skip
    if grows := {name: bound for name, bound in proposal.grows_within.items() if bound < allowance}:
        bounds = {name: min(bound, bounds.get(name, bound)) for name, bound in grows.items()} | {
            name: bound for name, bound in bounds.items() if name not in grows
        }
    reason = _sentence(proposal, share, allowance, quota_pool.quota)
    return IpDecision(observation, proposal, allowance, reason, day, bounds, quota_pool)


def _keep_back_starts(
    observations: Sequence[IpObservation], choices: Sequence[Proposal], policy: Policy, quota: int
) -> list[Proposal]:
    """Standby IPs start only while the quota could keep them warm at their target, less the head-room."""
    room = int(quota * (1 - policy.head_room_rate))
    room -= sum(o.ip.daily_target for o in observations if o.ip.state not in PARKED_STATES)
    kept: list[Proposal] = []
    for observation, proposal in zip(observations, choices, strict=True):
        if proposal.action is not Action.START:
            kept.append(proposal)
        elif observation.ip.daily_target <= room:
            room -= observation.ip.daily_target
            kept.append(proposal)
        else:
            reason = f"It stands by, because the quota of {amount(quota, 'message')} a day cannot keep another IP warm"
            kept.append(Proposal(Action.STAY, reason, 0, observation.ip.phase, kept_back=True))
    return kept


def _deal(
    observations: Sequence[IpObservation], choices: Sequence[Proposal], quota: int, step: int
) -> tuple[int, ...]:
    """Shares of the quota: warming IPs first (the furthest first), then retiring, then active ones evenly."""
    shares = [0] * len(choices)
    active: list[int] = []
    first: list[tuple[bool, int, int, int]] = []
    for index, (observation, proposal) in enumerate(zip(observations, choices, strict=True)):
        ip = observation.ip
        if proposal.action is Action.GRADUATE or ip.state is IpState.ACTIVE:
            active.append(index)
        else:
            first.append((ip.state is IpState.RETIRING, -proposal.phase, ip.ip_id, index))
    for *_, index in sorted(first):
        shares[index] = min(choices[index].wanted, quota)
        quota -= shares[index]
    waiting = sorted((choices[i].wanted, i) for i in active if choices[i].wanted)
    for place, (wanted, _) in enumerate(waiting):
        even = quota // (len(waiting) - place)
        if wanted > even:
            level = even - even % step if even > step else even
            for _, index in waiting[place:]:
                shares[index] = level
            break
        shares[waiting[place][1]] = wanted
        quota -= wanted
    return tuple(shares)


def plain_judgement(judged: GateJudgement) -> dict[str, Any]:
    """A judgement as plain JSON."""
    return {
        "verdict": str(judged.verdict),
        "bad": judged.bad,
        "messages": judged.messages,
        "evidence": judged.evidence,
    }


def _sentence(proposal: Proposal, share: int, allowance: int, quota: int) -> str:
    parts = [proposal.reason]
    if share < proposal.wanted:
        parts.append(
            f"{share} of {amount(proposal.wanted, 'message')} a day are dealt to it, because sending IPs share a quota of {quota}"
        )
    if proposal.throttle_factors and allowance < share:
        parts.append(f"slowed ({_slow_words(proposal)}) to {allowance} of {amount(share, 'message')} a day")
    return "; ".join(parts) + "."


def _slow_words(proposal: Proposal) -> str:
    """`gmail, 40% of its mail, to 12%`: the parts that make up what is left."""
    named = {
        name: "all" if name == WHOLE else f"{name}, {proposal.mix.get(name, 0.0):.0%} of its mail,"
        for name in proposal.throttle_factors
    }
    return "; ".join(f"{named[name]} to {factor:.0%}" for name, factor in proposal.throttle_factors.items())
