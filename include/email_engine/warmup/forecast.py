"""When an IP will have graduated if every day to come is sent, and what stands in its way now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil

from email_engine.fleet.model import IpRecord, IpState
from email_engine.reputation.evidence import GateVerdict
from email_engine.reputation.gates import Asked
from email_engine.warmup.assessment import HOLDS, NOT_BEGUN
from email_engine.warmup.domain_forecast import Climb, domain_forecast
from email_engine.warmup.observation import IpObservation, midnight
from email_engine.warmup.plan import IpDecision
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import Action
from email_engine.warmup.provider_limits import slowed, stage_volume
from email_engine.warmup.rotation import reentry_phase

_LEADS_TO = {
    Action.GRADUATE: IpState.ACTIVE,
    Action.QUARANTINE: IpState.QUARANTINE,
    Action.CLEAN: IpState.RESTING,
    Action.DRAINED: IpState.RESTING,
    Action.RESTED: IpState.STANDBY,
    Action.START: IpState.WARMING,
    Action.REENTER: IpState.WARMING,
    Action.IDLE: IpState.WARMING,
    Action.RETIRE: IpState.RETIRING,
    Action.ABANDON: IpState.ABANDONED,
}
_WITH_DOMAIN = (IpState.WARMING, IpState.ACTIVE)
_OPENINGS = (
    *(f"{holds}, because " for holds in (*HOLDS.values(), NOT_BEGUN)),
    "It stands by and may not start, because ",
    "It stands by, clean and ready, ",
    "It stands by, because ",
    "It stands by ",
)


@dataclass(frozen=True, slots=True)
class Forecast:
    """`graduates_on`: the first UTC day on which the IP will be active, if from now on every day is sent in full, its gates
    pass and nothing stops it; None for one that does not warm, or that waits for what has no date (a person, more quota).
    `blocked_by`: what stands in its way now, a clause; None if nothing does."""

    graduates_on: date | None
    blocked_by: str | None


def forecast(ip_decision: IpDecision, policy: Policy, day: date, effective: date) -> Forecast:
    """What follows from the decision that closed the UTC `day` and shapes `effective`."""
    blocked = _blocked_by(ip_decision, policy, day)
    short = short_of_quota(ip_decision, policy)
    climb = None if short else climb_of(ip_decision, policy, effective)
    step, state = ip_decision.proposal.domain_step, state_after(ip_decision)
    if step is not None and step.after is not None and not short and state in _WITH_DOMAIN:
        ip = ip_decision.observation.ip
        domain = domain_forecast(ip, step, _volumes(ip_decision, policy), climb, policy, effective)
        return Forecast(domain.graduates_on, blocked or domain.words)
    return Forecast(graduation(climb, ip_decision, policy) if climb else None, short or blocked)


def _volumes(ip_decision: IpDecision, policy: Policy) -> list[int]:
    """Messages a UTC day of each phase up to the last."""
    ip, mix = ip_decision.observation.ip, ip_decision.proposal.mix
    schedule, target = policy.schedules[ip.schedule], ip.daily_target
    phases = range(1, _last_phase(ip, policy) + 1)
    return [stage_volume(schedule, n, target, policy.providers, mix) for n in phases]


def state_after(ip_decision: IpDecision) -> IpState:
    """The state in which the decision leaves the IP."""
    return _LEADS_TO.get(ip_decision.proposal.action, ip_decision.observation.ip.state)


def last_phase(ip_decision: IpDecision, policy: Policy) -> int:
    """The phase that ends with graduation: the schedule's last, or the first that reaches the IP's target."""
    return _last_phase(ip_decision.observation.ip, policy)


def _last_phase(ip: IpRecord, policy: Policy) -> int:
    stages = policy.schedules[ip.schedule].stages
    return next((n for n, stage in enumerate(stages, 1) if stage >= ip.daily_target), len(stages))


def graduation(climb: Climb, ip_decision: IpDecision, policy: Policy) -> date:
    """The first day after the last sent day that `climb` still needs."""
    return _graduation(climb, ip_decision.observation.ip, policy)


def by_schedule(ip: IpRecord, policy: Policy, today: date) -> date | None:
    """The same without any decision: as if every day from the UTC day `today` on were sent and good; None for an IP that does not
    warm now, or whose schedule the policy does not know."""
    if ip.state is not IpState.WARMING or ip.braked or ip.pause or ip.schedule not in policy.schedules:
        return None
    return _graduation(Climb(today, ip.phase, ip.sent_days_in_phase), ip, policy)


def _graduation(climb: Climb, ip: IpRecord, policy: Policy) -> date:
    asked = policy.schedules[ip.schedule].sent_days
    first = max(asked - climb.sent_days, 0 if climb.slowed else 1)
    more = max(_last_phase(ip, policy) - climb.phase, 0) * max(asked, 1)
    return climb.start + timedelta(days=first + more)


def climb_of(ip_decision: IpDecision, policy: Policy, effective: date) -> Climb | None:
    """From where and when the IP warms on; None where it does not, or not before a person says so."""
    proposal, seen = ip_decision.proposal, ip_decision.observation
    match state_after(ip_decision):
        case IpState.WARMING if proposal.pause is not None:
            until = proposal.pause.until
            return _after_pause(ip_decision, until, effective) if until else None
        case IpState.WARMING:
            return _with_speed(ip_decision, policy, effective)
        case IpState.QUARANTINE:
            return _after_quarantine(ip_decision, policy, effective)
        case IpState.RESTING:
            now = proposal.action in (Action.CLEAN, Action.DRAINED)
            since = midnight(effective) if now else seen.ip.state_since
            return _after_rest(policy, _day_of(since + timedelta(days=policy.rest_days), effective))
        case IpState.STANDBY if policy.auto_start_standby:
            return (
                None if ip_decision.proposal.kept_back else Climb(ready_on(ip_decision, policy, effective), 1)
            )
        case _:
            return None


def ready_on(ip_decision: IpDecision, policy: Policy, effective: date) -> date:
    """The first day on which an IP in standby could start, by its clean days alone."""
    since = ip_decision.observation.clean_since
    if ip_decision.proposal.action is Action.RESTED:
        since = max(since, midnight(effective))
    return _day_of(since + timedelta(days=policy.clean_days), effective)


def _day_of(moment: datetime, effective: date) -> date:
    """The first day to be shaped after `effective` that begins at `moment` or later."""
    day = moment.date() if moment == midnight(moment.date()) else moment.date() + timedelta(days=1)
    return max(day, effective + timedelta(days=1))


def _after_pause(ip_decision: IpDecision, until: datetime, effective: date) -> Climb:
    proposal, seen = ip_decision.proposal, ip_decision.observation
    blamed = proposal.blames
    if proposal.action is not Action.PAUSE:
        blamed = seen.blamed
    start = _day_of(until, effective)
    return (
        Climb(start, max(proposal.phase - 1, 1))
        if blamed
        else Climb(start, proposal.phase, proposal.sent_days)
    )


def _after_quarantine(ip_decision: IpDecision, policy: Policy, effective: date) -> Climb | None:
    seen, until = ip_decision.observation, ip_decision.proposal.quarantine_until
    ip = seen.ip
    now = ip_decision.proposal.action is Action.QUARANTINE
    since = midnight(effective) if now else ip.state_since
    end = until or (None if now else ip.quarantine_until) or since + timedelta(days=policy.quarantine_days)
    start = _day_of(end, effective)
    stopped_in = seen.quarantined_from
    if not now and seen.minor_listing and stopped_in in (IpState.WARMING, IpState.ACTIVE):
        stages = policy.schedules[ip.schedule].stages
        return Climb(start, reentry_phase(stopped_in, ip.phase, len(stages), policy.reentry_phases_back))
    return _after_rest(policy, start + timedelta(days=policy.rest_days))


def _after_rest(policy: Policy, rested: date) -> Climb | None:
    return Climb(rested + timedelta(days=policy.clean_days), 1) if policy.auto_start_standby else None


def _with_speed(ip_decision: IpDecision, policy: Policy, effective: date) -> Climb:
    """Speed that was taken comes back with each good day; until it is whole nothing advances."""
    proposal, ip = ip_decision.proposal, ip_decision.observation.ip
    throttle_factors: Mapping[str, float] = proposal.throttle_factors
    day, sent = effective, proposal.sent_days
    volume = stage_volume(
        policy.schedules[ip.schedule], proposal.phase, ip.daily_target, policy.providers, proposal.mix
    )
    while throttle_factors:
        sent += slowed(volume, proposal.mix, throttle_factors, policy.slow.least) >= ceil(
            policy.sent_day_rate * volume
        )
        faster = {
            name: round(min(pace * policy.slow.recover, 1.0), 4) for name, pace in throttle_factors.items()
        }
        if faster == throttle_factors:
            break
        throttle_factors = {name: pace for name, pace in faster.items() if pace < 1}
        day += timedelta(days=1)
    return Climb(day, proposal.phase, sent, slowed=bool(proposal.throttle_factors))


def short_of_quota(ip_decision: IpDecision, policy: Policy) -> str | None:
    """A warming IP that the quota leaves too little for a day that counts."""
    proposal = ip_decision.proposal
    if state_after(ip_decision) is not IpState.WARMING or not proposal.wanted or proposal.at_most is not None:
        return None
    full = slowed(proposal.wanted, proposal.mix, proposal.throttle_factors, policy.slow.least)
    needed = ceil(policy.sent_day_rate * proposal.wanted)
    if ip_decision.allowance >= full or ip_decision.allowance >= needed:
        return None
    return f"the quota leaves it {ip_decision.allowance} of {proposal.wanted} a day"


def _blocked_by(ip_decision: IpDecision, policy: Policy, day: date) -> str | None:
    proposal = ip_decision.proposal
    state = state_after(ip_decision)
    if state is IpState.WARMING and proposal.pause is not None and proposal.action is not Action.HOLD:
        return f"it is paused {proposal.pause.ends}"
    if proposal.action is Action.HOLD or state is IpState.STANDBY:
        return _clause(proposal.reason)
    if state in (IpState.QUARANTINE, IpState.RESTING):
        return _until(ip_decision, policy, state)
    if state is IpState.WARMING and proposal.action is Action.STAY:
        return _unproven(ip_decision, policy) or _unsent(ip_decision, policy, day)
    return None


def _until(ip_decision: IpDecision, policy: Policy, state: IpState) -> str:
    proposal, ip = ip_decision.proposal, ip_decision.observation.ip
    if proposal.action is Action.STAY:
        return _clause(proposal.reason)
    if state is IpState.QUARANTINE:
        end = proposal.quarantine_until or ip.quarantine_until
        return f"it is in quarantine until {end:%Y-%m-%d}" if end else "it is in quarantine"
    return f"it rests {policy.rest_days} days"


def _clause(reason: str) -> str:
    for opening in _OPENINGS:
        if reason.startswith(opening):
            return reason.removeprefix(opening)
    return reason[:1].lower() + reason[1:]


def _unproven(ip_decision: IpDecision, policy: Policy) -> str | None:
    proposal = ip_decision.proposal
    if proposal.sent_days < policy.schedules[ip_decision.observation.ip.schedule].sent_days:
        return None
    for name, asked in policy.asked(proposal.phase).items():
        judged = proposal.judgements.get(name)
        if asked is Asked.PASS and judged is not None and judged.verdict is not GateVerdict.PASS:
            limit = getattr(policy.gates, name).limit
            return f"{judged.bad} {name} of {judged.messages} do not yet prove a rate below {limit:.1%}"
    return None


def _unsent(ip_decision: IpDecision, policy: Policy, day: date) -> str | None:
    """Its last day does not count, although it was allowed enough: no mail came for it."""
    seen: IpObservation = ip_decision.observation
    needed = ceil(policy.sent_day_rate * ip_decision.proposal.wanted)
    fresh = seen.phase_started_on is None or seen.phase_started_on > day
    sent = seen.days.sent_on(day)
    if fresh or not seen.given or seen.given < needed or sent >= needed:
        return None
    return f"it sent {sent} on {day}, and a day counts from {needed} on"
