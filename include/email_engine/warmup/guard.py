"""The same judgement on the day that still runs: it stops and slows, and never gives anything back."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import ceil

from email_engine.fleet.model import SENDING_STATES
from email_engine.gc_pause import gc_paused
from email_engine.plural import amount
from email_engine.warmup.assessment import Assessment, assess
from email_engine.warmup.grounds import Ground, by_provider, by_score, by_slowing, joined
from email_engine.warmup.observation import IpObservation
from email_engine.warmup.plan import IpDecision
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import PROVIDER_OUTAGE, Action, Proposal
from email_engine.warmup.provider_limits import PROBING, SUSPENDED, WHOLE, kept_rate, provider_mix
from email_engine.warmup.stops import rest_of_day, stop


@gc_paused()
def guard_tenant(
    observations: Sequence[IpObservation], policy: Policy, day: date
) -> tuple[tuple[IpDecision, ...], dict[int, Assessment]]:
    """What must happen at once, with the UTC `day` known so far; and every IP in a sending state as it was judged, by id.

    Raises `InputError` if the schedule of one is not in the policy."""
    sending = [seen for seen in observations if seen.ip.state in SENDING_STATES]
    assessments = {
        assessment.ip.ip_id: assessment
        for assessment in assess(sending, policy, day, day + timedelta(days=1))
    }
    found = (_guarded(assessment) for assessment in assessments.values())
    return tuple(ip_decision for ip_decision in found if ip_decision is not None), assessments


def guard_ip(observation: IpObservation, policy: Policy, day: date) -> IpDecision | None:
    """A stop or a slow-down of one IP on the running UTC `day`, None if there is no need.

    What is slowed already waits for the end of the day. Raises `InputError` if its schedule is not in the policy."""
    ip_decisions, _ = guard_tenant([observation], policy, day)
    return ip_decisions[0] if ip_decisions else None


def _guarded(assessment: Assessment) -> IpDecision | None:
    observation = assessment.seen
    if assessment.ip.pause is not None:
        return None
    stopped = stop(assessment) or rest_of_day(assessment)
    if stopped is not None:
        return IpDecision(observation, stopped, 0, f"{stopped.reason}.", assessment.day)
    fell = {
        name: pace
        for name, pace in assessment.throttle.throttle_factors.items()
        if name not in observation.throttle_factors
        or (pace == SUSPENDED and observation.throttle_factors[name] > PROBING)
    }
    if not fell or not observation.standing:
        return None
    return _slow(assessment, fell)


def _slow(assessment: Assessment, fell: Mapping[str, float]) -> IpDecision:
    seen = assessment.seen
    mix, least = provider_mix(seen.providers, assessment.day), assessment.policy.slow.least
    before = kept_rate(mix, seen.throttle_factors, least)
    after = kept_rate(mix, {**seen.throttle_factors, **fell}, least)
    allowance = max(min(round(seen.standing * after / before), seen.standing), 1)
    bounds = {name: n for name, n in seen.bounds.items() if n < allowance}
    for name, factor in fell.items():
        if name != WHOLE:
            part = ceil(seen.standing * mix.get(name, 1.0) * factor)
            bounds[name] = 0 if factor == SUSPENDED else max(min(part, bounds.get(name, allowance)), 1)
    slow = f"slowed from {seen.standing} to {amount(allowance, 'message')} a day"
    if SUSPENDED in fell.values():
        slow = f"suspended there, which leaves it {allowance} of {amount(seen.standing, 'message')} a day"
    elif allowance == seen.standing:
        slow = "slowed there"
    ground = _ground(assessment, fell)
    reason = f"{ground.clause[:1].upper()}{ground.clause[1:]}, so it is {slow}"
    proposal: Proposal = assessment.to(
        Action.SLOW,
        reason,
        allowance,
        throttle_factors={**seen.throttle_factors, **fell},
        slowed_on={**seen.slowed_on, **dict.fromkeys(fell, assessment.day)},
        mix=mix,
        cause=PROVIDER_OUTAGE if fell.keys() <= set(seen.down) else None,
        sent_days=assessment.ip.sent_days_in_phase,
        **ground.changes,
    )
    return IpDecision(seen, proposal, allowance, f"{reason}.", assessment.day, dict(sorted(bounds.items())))


def _ground(assessment: Assessment, fell: Mapping[str, float]) -> Ground:
    grounds = [by_score(assessment, assessment.policy.score.slow_below)] if WHOLE in fell else []
    for name, factor in fell.items():
        if name != WHOLE:
            grounds.append(by_provider(assessment, name) or by_slowing(assessment, {name: factor}))
    return joined(grounds)
