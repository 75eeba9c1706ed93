"""A domain that comes to an IP which sends already warms up too: receivers judge both, so the lesser of both allowances counts.

The domain is decided about as if it were a warming IP that sends since the day on which the domain came: the same schedule, the
same gates, the same rules, and only the mail since then."""

from dataclasses import replace
from datetime import date, timedelta

from email_engine.fleet.model import PARKED_STATES, DomainWarmup, IpRecord, IpState
from email_engine.plural import amount
from email_engine.warmup.observation import IpObservation, midnight
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import STOPS, Action, DomainStep, Proposal
from email_engine.warmup.provider_limits import stage_volume

_FROM_PHASE_1 = frozenset({Action.START, Action.IDLE})
"""The IP begins anew itself, so both ladders are one."""


def seen_for_domain(seen: IpObservation) -> IpObservation:
    """What is known about the IP's new domain, as of a warming IP of its own."""
    warmup = seen.ip.domain_warmup
    if warmup is None:
        raise ValueError(f"{seen.ip.domain} has no warm-up of its own")
    ip = replace(
        seen.ip,
        state=IpState.WARMING,
        state_since=midnight(warmup.since),
        phase=warmup.phase,
        pause=None,
        domain_warmup=None,
    )
    return replace(
        seen,
        ip=ip,
        days=seen.days.between(warmup.since, date.max),
        providers={name: days.between(warmup.since, date.max) for name, days in seen.providers.items()},
        earlier={},
        phase_started_on=warmup.phase_started_on,
        throttle_factors={},
        slowed_on={},
    )


def with_domain(
    proposal: Proposal, seen: IpObservation, policy: Policy, effective: date, domain: Proposal | None
) -> Proposal:
    """The decision about the IP with the lesser of both allowances. `domain`: what was decided about its domain; None for a parked
    IP or one whose domain has no warm-up of its own."""
    warmup = seen.ip.domain_warmup
    if warmup is None:
        return proposal
    if proposal.action in _FROM_PHASE_1:
        return proposal._replace(domain_step=DomainStep(proposal.wanted, None))
    after = _after(proposal, seen, policy, effective, domain)
    if after is None:
        reason = f"{proposal.reason}; the warm-up of its domain {seen.ip.domain} is over"
        last = len(policy.schedules[seen.ip.schedule].stages)
        phase = last if seen.ip.state is IpState.ACTIVE else proposal.phase
        step = DomainStep(seen.ip.daily_target, None)
        return proposal._replace(reason=reason, phase=phase, domain_step=step)
    volume = domain_volume(seen.ip, after, policy, proposal)
    binds = volume < proposal.wanted
    done = domain.sent_days if domain and after == warmup else 0
    step = DomainStep(volume, after, binds, done)
    if proposal.action in STOPS or not proposal.wanted:
        return proposal._replace(domain_step=step)
    return proposal._replace(
        reason=f"{proposal.reason}; {_words(seen, step, after, policy)}",
        wanted=min(proposal.wanted, volume),
        domain_step=step,
    )


def begins_with_its_ip(state: IpState) -> bool:
    """Will the IP begin in phase 1, or never again? Then a new domain needs no warm-up of its own."""
    return state in (IpState.STANDBY, IpState.ABANDONED)


def domain_changed(ip: IpRecord, since: date) -> IpRecord:
    """The IP after another domain came to it on the UTC day `since`. In standby both begin together, so the domain needs no
    warm-up of its own."""
    if begins_with_its_ip(ip.state):
        return replace(ip, domain_warmup=None)
    return replace(ip, domain_warmup=DomainWarmup(since, 1, since + timedelta(days=1)))


def domain_volume(
    ip: IpRecord, warmup: DomainWarmup, policy: Policy, proposal: Proposal | None = None
) -> int:
    """Messages a UTC day that the domain's phase allows."""
    schedule = policy.schedules[ip.schedule]
    phase = min(max(warmup.phase, 1), len(schedule.stages))
    mix = proposal.mix if proposal else {}
    return stage_volume(schedule, phase, ip.daily_target, policy.providers, mix)


def domain_after(seen: IpObservation, proposal: Proposal, effective: date) -> DomainWarmup | None:
    """Where the decision leaves the domain's own warm-up; None when there is none, or it is over."""
    if proposal.domain_step is not None:
        return proposal.domain_step.after
    warmup = seen.ip.domain_warmup
    if warmup is None or proposal.action in _FROM_PHASE_1:
        return None
    if proposal.action is Action.RESUME and proposal.new_phase and seen.ip.state is not IpState.RETIRING:
        return _lower(warmup, effective)
    return warmup


def _lower(warmup: DomainWarmup, effective: date) -> DomainWarmup:
    return replace(warmup, phase=max(warmup.phase - 1, 1), phase_started_on=effective)


def _after(
    proposal: Proposal, seen: IpObservation, policy: Policy, effective: date, domain: Proposal | None
) -> DomainWarmup | None:
    warmup = seen.ip.domain_warmup
    if warmup is None or domain is None or seen.ip.state in PARKED_STATES:
        return warmup
    if proposal.action is Action.RESUME or proposal.action in STOPS or seen.ip.pause is not None:
        return domain_after(seen, proposal, effective)
    if domain.action is Action.GRADUATE and proposal.action is not Action.HOLD:
        return None
    if domain.action in STOPS or proposal.action is Action.STEP_BACK:
        return _lower(warmup, effective)
    if domain.new_phase and (proposal.action is not Action.HOLD or domain.phase < warmup.phase):
        return replace(warmup, phase=domain.phase, phase_started_on=effective)
    return warmup


def _words(seen: IpObservation, step: DomainStep, after: DomainWarmup, policy: Policy) -> str:
    """Which of both binds."""
    asked = policy.schedules[seen.ip.schedule].sent_days
    where = (
        f"phase {after.phase} of its own warm-up, {min(step.sent_days, asked)} of {amount(asked, 'day')} sent"
    )
    verb = "binds it to" if step.binds else "would allow"
    return f"its domain {seen.ip.domain} {verb} {amount(step.volume, 'message')} a day ({where})"
