"""When an IP will have graduated if every day to come is sent, and what stands in its way now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil

from email_engine.fleet.model import IpRecord, IpState
from email_engine.reputation.evidence import Verdict
from email_engine.reputation.gates import Asked
from email_engine.warmup.choice import Action
from email_engine.warmup.cycle import reentry_phase
from email_engine.warmup.ladders import slowed, stage_volume
from email_engine.warmup.observation import IpObservation, midnight
from email_engine.warmup.plan import Outcome
from email_engine.warmup.policy import Policy

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
_OPENINGS = (
    "Nothing advances, because ",
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


@dataclass(frozen=True, slots=True)
class Climb:
    """Where an IP goes on: its first day to be sent, the phase then, and days of it that were sent before."""

    start: date
    phase: int
    sent_days: int = 0
    slowed: bool = False
    """Did the days before `start` go at a lower speed? Then the phase may end with the last of them."""


def forecast(outcome: Outcome, policy: Policy, day: date, effective: date) -> Forecast:
    """What follows from the decision that closed the UTC `day` and shapes `effective`."""
    blocked = _blocked_by(outcome, policy, day)
    short = short_of_quota(outcome, policy)
    climb = None if short else climb_of(outcome, policy, effective)
    return Forecast(graduation(climb, outcome, policy) if climb else None, short or blocked)


def state_after(outcome: Outcome) -> IpState:
    """The state in which the decision leaves the IP."""
    return _LEADS_TO.get(outcome.choice.action, outcome.observation.ip.state)


def last_phase(outcome: Outcome, policy: Policy) -> int:
    """The phase that ends with graduation: the schedule's last, or the first that reaches the IP's target."""
    return _last_phase(outcome.observation.ip, policy)


def _last_phase(ip: IpRecord, policy: Policy) -> int:
    stages = policy.schedules[ip.schedule].stages
    return next((n for n, stage in enumerate(stages, 1) if stage >= ip.daily_target), len(stages))


def graduation(climb: Climb, outcome: Outcome, policy: Policy) -> date:
    """The first day after the last sent day that `climb` still needs."""
    return _graduation(climb, outcome.observation.ip, policy)


def by_schedule(ip: IpRecord, policy: Policy, today: date) -> date | None:
    """The same without any decision: as if every day from the UTC day `today` on were sent and good; None for an IP that does not
    warm now, or whose schedule the policy does not know."""
    if ip.state is not IpState.WARMING or ip.braked or ip.paused_until or ip.schedule not in policy.schedules:
        return None
    return _graduation(Climb(today, ip.phase, ip.sent_days_in_phase), ip, policy)


def _graduation(climb: Climb, ip: IpRecord, policy: Policy) -> date:
    asked = policy.schedules[ip.schedule].sent_days
    first = max(asked - climb.sent_days, 0 if climb.slowed else 1)
    more = max(_last_phase(ip, policy) - climb.phase, 0) * max(asked, 1)
    return climb.start + timedelta(days=first + more)


def climb_of(outcome: Outcome, policy: Policy, effective: date) -> Climb | None:
    """From where and when the IP warms on; None where it does not, or not before a person says so."""
    choice, seen = outcome.choice, outcome.observation
    match state_after(outcome):
        case IpState.WARMING if choice.paused_until is not None:
            return _after_pause(outcome, choice.paused_until, effective)
        case IpState.WARMING:
            return _with_speed(outcome, policy, effective)
        case IpState.QUARANTINE:
            return _after_quarantine(outcome, policy, effective)
        case IpState.RESTING:
            now = choice.action in (Action.CLEAN, Action.DRAINED)
            since = midnight(effective) if now else seen.ip.state_since
            return _after_rest(policy, _day_of(since + timedelta(days=policy.rest_days), effective))
        case IpState.STANDBY if policy.auto_start_standby:
            return None if _kept_back(outcome) else Climb(ready_on(outcome, policy, effective), 1)
        case _:
            return None


def ready_on(outcome: Outcome, policy: Policy, effective: date) -> date:
    """The first day on which an IP in standby could start, by its clean days alone."""
    seen = outcome.observation
    since = max(seen.ip.state_since, seen.last_listed_at or seen.ip.state_since)
    if outcome.choice.action is Action.RESTED:
        since = max(since, midnight(effective))
    return _day_of(since + timedelta(days=policy.clean_days), effective)


def _kept_back(outcome: Outcome) -> bool:
    """Would it have started, had the quota room? (`plan.py` writes no other reason with a quota in it.)"""
    return outcome.choice.action is Action.STAY and "because the quota" in outcome.choice.reason


def _day_of(moment: datetime, effective: date) -> date:
    """The first day to be shaped after `effective` that begins at `moment` or later."""
    day = moment.date() if moment == midnight(moment.date()) else moment.date() + timedelta(days=1)
    return max(day, effective + timedelta(days=1))


def _after_pause(outcome: Outcome, until: datetime, effective: date) -> Climb:
    choice, seen = outcome.choice, outcome.observation
    blamed = choice.blames
    if choice.action is not Action.PAUSE:
        blamed = seen.blamed
    start = _day_of(until, effective)
    return Climb(start, max(choice.phase - 1, 1)) if blamed else Climb(start, choice.phase, choice.sent_days)


def _after_quarantine(outcome: Outcome, policy: Policy, effective: date) -> Climb | None:
    seen, until = outcome.observation, outcome.choice.quarantine_until
    ip = seen.ip
    now = outcome.choice.action is Action.QUARANTINE
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


def _with_speed(outcome: Outcome, policy: Policy, effective: date) -> Climb:
    """Speed that was taken comes back with each good day; until it is whole nothing advances."""
    choice, ip = outcome.choice, outcome.observation.ip
    paces: Mapping[str, float] = choice.paces
    day, sent = effective, choice.sent_days
    volume = stage_volume(
        policy.schedules[ip.schedule], choice.phase, ip.daily_target, policy.providers, choice.mix
    )
    while paces:
        sent += slowed(volume, choice.mix, paces) >= ceil(policy.sent_day_rate * volume)
        faster = {name: round(min(pace * policy.slow.recover, 1.0), 4) for name, pace in paces.items()}
        if faster == paces:
            break
        paces = {name: pace for name, pace in faster.items() if pace < 1}
        day += timedelta(days=1)
    return Climb(day, choice.phase, sent, slowed=bool(choice.paces))


def short_of_quota(outcome: Outcome, policy: Policy) -> str | None:
    """A warming IP that the quota leaves too little for a day that counts."""
    choice = outcome.choice
    if state_after(outcome) is not IpState.WARMING or not choice.wanted or choice.at_most is not None:
        return None
    full = slowed(choice.wanted, choice.mix, choice.paces)
    needed = ceil(policy.sent_day_rate * choice.wanted)
    if outcome.allowance >= full or outcome.allowance >= needed:
        return None
    return f"the quota leaves it {outcome.allowance} of {choice.wanted} a day"


def _blocked_by(outcome: Outcome, policy: Policy, day: date) -> str | None:
    choice = outcome.choice
    state = state_after(outcome)
    if state is IpState.WARMING and choice.paused_until is not None and choice.action is not Action.HOLD:
        return f"it is paused until {choice.paused_until:%Y-%m-%d}"
    if choice.action is Action.HOLD or state is IpState.STANDBY:
        return _clause(choice.reason)
    if state in (IpState.QUARANTINE, IpState.RESTING):
        return _until(outcome, policy, state)
    if state is IpState.WARMING and choice.action is Action.STAY:
        return _unproven(outcome, policy) or _unsent(outcome, policy, day)
    return None


def _until(outcome: Outcome, policy: Policy, state: IpState) -> str:
    choice, ip = outcome.choice, outcome.observation.ip
    if choice.action is Action.STAY:
        return _clause(choice.reason)
    if state is IpState.QUARANTINE:
        end = choice.quarantine_until or ip.quarantine_until
        return f"it is in quarantine until {end:%Y-%m-%d}" if end else "it is in quarantine"
    return f"it rests {policy.rest_days} days"


def _clause(reason: str) -> str:
    for opening in _OPENINGS:
        if reason.startswith(opening):
            return reason.removeprefix(opening)
    return reason[:1].lower() + reason[1:]


def _unproven(outcome: Outcome, policy: Policy) -> str | None:
    choice = outcome.choice
    if choice.sent_days < policy.schedules[outcome.observation.ip.schedule].sent_days:
        return None
    for name, asked in policy.asked(choice.phase).items():
        judged = choice.judgements.get(name)
        if asked is Asked.PASS and judged is not None and judged.verdict is not Verdict.PASS:
            limit = getattr(policy.gates, name).limit
            return f"{judged.bad} {name} of {judged.messages} do not yet prove a rate below {limit:.1%}"
    return None


def _unsent(outcome: Outcome, policy: Policy, day: date) -> str | None:
    """Its last day does not count, although it was allowed enough: no mail came for it."""
    seen: IpObservation = outcome.observation
    needed = ceil(policy.sent_day_rate * outcome.choice.wanted)
    fresh = seen.phase_started_on is None or seen.phase_started_on > day
    sent = seen.days.sent_on(day)
    if fresh or not seen.given or seen.given < needed or sent >= needed:
        return None
    return f"it sent {sent} on {day}, and a day counts from {needed} on"
