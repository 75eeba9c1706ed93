"""Growth behind the last phase: an active IP doubles each sent week until its target, and nobody jumps without proof."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import ceil

from email_engine.fleet.model import IpState
from email_engine.fleet.traffic import NO_DAYS, Days
from email_engine.plural import amount
from email_engine.warmup.observation import IpObservation
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import Action, Proposal
from email_engine.warmup.provider_limits import kept_rate

WEEK = 7
"""Sent days that prove a volume, within the days that are remembered."""
PROVEN_DAYS = 3
"""On so many days an IP that no warm-up brought here must have sent half of what it may have next."""
PROVEN_WITHIN = 7
"""So many days back: receivers forget."""


def proven_volume(days: Days) -> int:
    """Messages a UTC day that were really sent on seven of the days; 0 where there are fewer."""
    best = sorted(days.sent, reverse=True)
    return best[WEEK - 1] if len(best) >= WEEK else 0


def provider_bounds(observation: IpObservation, policy: Policy) -> dict[str, int]:
    """Messages a UTC day for each provider that the policy bounds, while an active IP grows: twice what it has proven, and never
    less than the last phase gave."""
    last = policy.schedules[observation.ip.schedule].stages[-1]
    return {
        name: max(2 * proven_volume(observation.providers.get(name, NO_DAYS)), ceil(last * limit.share))
        for name, limit in policy.providers.items()
    }


def grown_most(
    observation: IpObservation, policy: Policy, mix: Mapping[str, float], bounds: Mapping[str, int]
) -> int:
    """Messages a UTC day that an IP which its warm-up made active may have at most: twice what a sent week has proven, never more
    than its bounded providers bear (`provider_bounds`), and what stands."""
    standing, proven = _unslowed(observation, policy, mix), proven_volume(observation.days)
    most = 2 * standing if 0 < standing * policy.sent_day_rate <= proven else max(standing, 2 * proven)
    borne = [int(bound / mix[name]) for name, bound in bounds.items() if mix.get(name)]
    first = policy.schedules[observation.ip.schedule].stages[0]
    return max(min([most, *borne]), standing, first)


def _unslowed(observation: IpObservation, policy: Policy, mix: Mapping[str, float]) -> int:
    """What would stand if nothing were slowed."""
    slow = observation.throttle_factors
    return (
        ceil(observation.standing / kept_rate(mix, slow, policy.slow.least)) if slow else observation.standing
    )


def proven_most(observation: IpObservation, policy: Policy, effective: date) -> int:
    """Messages that any IP may have at most on the UTC day `effective`: `unwarmed_max`, what it has now, or twice what it sent
    on three of the seven days before. One that just came aboard may also have what its fleet file said that it really sends
    (`IpRecord.warmed_to`)."""
    lately = effective - timedelta(days=PROVEN_WITHIN)
    days = observation.days
    best = sorted(days.sent[days.since(lately) :], reverse=True)
    proven = 2 * best[PROVEN_DAYS - 1] if len(best) >= PROVEN_DAYS else 0
    came = 0 if observation.ip.dealt else observation.ip.warmed_to
    return max(policy.unwarmed_max, observation.standing, proven, came)


def warmed_here(observation: IpObservation, proposal: Proposal, policy: Policy) -> bool:
    """Did the engine's warm-up bring it to its last phase? One that came aboard active begins with what it really sends."""
    ip = observation.ip
    if proposal.domain_step is not None:
        if proposal.domain_step.after is not None:
            return False
        if ip.state is IpState.ACTIVE:
            return True
    if proposal.action is Action.GRADUATE:
        return True
    return ip.dealt and ip.state is IpState.ACTIVE and ip.phase >= len(policy.schedules[ip.schedule].stages)


def within_proof(
    observations: Sequence[IpObservation], choices: Sequence[Proposal], policy: Policy, effective: date
) -> list[Proposal]:
    """The choices, with no IP wanting more than `grown_most` behind its last phase, or than `proven_most` anywhere."""
    kept: list[Proposal] = []
    for observation, proposal in zip(observations, choices, strict=True):
        most = proposal.wanted
        if most <= observation.standing:
            kept.append(proposal)
            continue
        grows = proposal.wanted > observation.standing and warmed_here(observation, proposal, policy)
        bounds = provider_bounds(observation, policy) if grows else {}
        if grows:
            most = min(most, grown_most(observation, policy, proposal.mix, bounds))
        if proposal.wanted > policy.unwarmed_max:
            most = min(most, proven_most(observation, policy, effective))
        if proposal.wanted <= most:
            kept.append(proposal)
            continue
        what = "target" if proposal.wanted == observation.ip.daily_target else "volume"
        how = "doubles each sent week" if grows else "is grown into"
        reason = f"{proposal.reason}; its {what} of {proposal.wanted} {how}: {amount(most, 'message')} a day for now"
        kept.append(proposal._replace(wanted=most, reason=reason, grows_within=bounds))
    return kept
