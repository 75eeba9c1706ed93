"""What happens to one IP when a UTC day closes: a pure function of what is known, the policy and the day."""

from collections.abc import Sequence
from datetime import date, timedelta

from email_engine.fleet.model import PARKED_STATES
from email_engine.plural import amount
from email_engine.reputation.evidence import GateVerdict
from email_engine.reputation.gates import COMPLAINTS, DEFERRALS, Asked
from email_engine.reputation.provider_judgements import SMALL_PART
from email_engine.warmup import advice
from email_engine.warmup.assessment import Assessment, assess
from email_engine.warmup.domain_warmup import seen_for_domain, with_domain
from email_engine.warmup.grounds import by_charge, by_gate, by_slowing, fallen, joined, progress_words
from email_engine.warmup.observation import IpObservation, midnight
from email_engine.warmup.open_rate import unopened
from email_engine.warmup.parked import decide_parked, unknown
from email_engine.warmup.pauses import resumed, retiring, still_paused
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import PROVIDER_OUTAGE, Action, Proposal
from email_engine.warmup.provider_limits import SUSPENDED, WHOLE
from email_engine.warmup.sentences import handed_less
from email_engine.warmup.signal_quality import OVERRUN
from email_engine.warmup.stops import (
    BAD_DAY,
    bad_day,
    by_named,
    by_stream,
    stop,
    stream_cause,
    stream_days,
    suspicion,
)

NAMED, SLOWED = "named list", "slowed"
"""The causes of a hold for a block list that receivers name, and for a speed that was taken."""
TOGETHER = 500
"""So many IPs are judged at once: enough to be quick, few enough that working on them takes little memory."""


def decide_days(
    observations: Sequence[IpObservation], policy: Policy, day: date, effective: date
) -> list[Proposal]:
    """Closes the UTC `day` for each IP, as if it were alone; judged together they take less time.

    `effective` is the first day that the decisions can still shape: the day after, or later when days were missed.
    Raises `InputError` if the schedule of one is not in the policy."""
    sending = [seen for seen in observations if seen.ip.state not in PARKED_STATES]
    domains = _domain_steps(sending, policy, day, effective)
    decided = iter(
        [
            _decided(assessment)
            for start in range(0, len(sending), TOGETHER)
            for assessment in assess(sending[start : start + TOGETHER], policy, day, effective)
        ]
    )
    return [
        with_domain(
            decide_parked(seen, policy, effective) if seen.ip.state in PARKED_STATES else next(decided),
            seen,
            policy,
            effective,
            domains.get(seen.ip.ip_id),
        )
        for seen in observations
    ]


def _domain_steps(
    sending: Sequence[IpObservation], policy: Policy, day: date, effective: date
) -> dict[int, Proposal]:
    """By IP: what would be decided about its domain, were that a warming IP that sends since the domain came."""
    judged = [seen_for_domain(seen) for seen in sending if seen.ip.domain_warmup is not None]
    return {assessment.ip.ip_id: _chosen(assessment) for assessment in assess(judged, policy, day, effective)}


def _decided(assessment: Assessment) -> Proposal:
    proposal = _chosen(assessment)
    if not (proposal.wanted and proposal.throttle_factors) or proposal.cause in (SLOWED, PROVIDER_OUTAGE):
        return proposal
    told = {(each.gate, each.providers) for each in proposal.evidence}
    factors = fallen(assessment)
    fell = [by_slowing(assessment, {name: factor}) for name, factor in factors.items()]
    fell = [
        one
        for one in fell
        if not one.evidence or not told >= {(each.gate, each.providers) for each in one.evidence}
    ]
    if not fell:
        return proposal
    ground = joined(fell)
    return proposal._replace(
        reason=f"{proposal.reason}; {ground.clause}",
        evidence=(*proposal.evidence, *ground.evidence),
        advice=ground.advice if SUSPENDED in factors.values() else proposal.advice or ground.advice,
    )


def _chosen(assessment: Assessment) -> Proposal:
    return (
        still_paused(assessment)
        or stop(assessment)
        or resumed(assessment)
        or retiring(assessment)
        or _idle(assessment)
        or _held(assessment)
        or _unproven(assessment)
        or _moved(assessment)
    )


def _held(assessment: Assessment) -> Proposal | None:
    """Signals that are missing, that cannot be trusted, or that forbid."""
    if problem := assessment.signal_problem:
        host = assessment.ip.mta_host
        what = advice.overrun(host) if problem.cause == OVERRUN else ""
        if (bad := bad_day(assessment)) and assessment.day in bad.carried.days:
            ground = by_charge(assessment, bad)
            reason = assessment.because(f"{problem.reason}; {ground.clause} on one day alone")
            return assessment.hold(
                problem.cause, reason, evidence=ground.evidence, advice=what or advice.BAD_DAY
            )
        return assessment.hold(problem.cause, assessment.because(problem.reason), advice=what)
    if stream_days(assessment):
        ground = by_stream(assessment)
        reason = f"{ground.clause}, so it is not blamed and {_lower(assessment.held)}"
        return assessment.hold(stream_cause(assessment), reason, **ground.changes)
    if named := suspicion(assessment):
        ground, many = by_named(named), ""
        if assessment.seen.many_named:
            ground, many = ground._replace(advice=advice.MANY_NAMED), ", as many others were at once"
        reason = assessment.because(f"{ground.clause}{many}")
        return assessment.hold(NAMED, reason, **ground.changes)
    if bad := bad_day(assessment):
        ground = by_charge(assessment, bad)._replace(advice=advice.BAD_DAY)
        reason = f"{ground.clause} on one day alone, so {_lower(assessment.held)}; another such day {_within(assessment)} pauses it"
        return assessment.hold(BAD_DAY, reason, **ground.changes)
    return None


def _within(assessment: Assessment) -> str:
    return f"within {amount(assessment.policy.varying_days.within_days, 'day')}"


def _lower(sentence: str) -> str:
    """As the middle of another."""
    return f"{sentence[:1].lower()}{sentence[1:]}"


def _idle(assessment: Assessment) -> Proposal | None:
    """Receivers forget an IP that sends nothing for long; a silence that is not known to be one is none."""
    if assessment.seen.days.sent_on(assessment.day):
        return None
    began = assessment.day + timedelta(days=1) - timedelta(days=assessment.policy.idle_days)
    fresh = (
        assessment.seen.phase_started_on or assessment.day
    ) > began or assessment.ip.state_since > midnight(began)
    days = assessment.seen.days
    if fresh or any(days.sent[days.since(began) :]):
        return None
    if (assessment.warming and assessment.phase == 1) or (
        assessment.signal_problem is not None and assessment.signal_problem.cause != "obstacle"
    ):
        return None
    event = None if assessment.warming else "idle"
    wanted = min(assessment.schedule.stages[0], assessment.ip.daily_target)
    reason = f"It sent nothing for {amount(assessment.policy.idle_days, 'day')}, longer than receivers remember, so it warms from phase 1"
    at_most = assessment.seen.standing if assessment.signal_problem is not None else None
    return assessment.to(
        Action.IDLE, reason, wanted, event=event, phase=1, new_phase=True, sent_days=0, at_most=at_most
    )


def _unproven(assessment: Assessment) -> Proposal | None:
    """Weak evidence against the IP, a rate at the limit, or a speed that was taken."""
    for name, judged in assessment.judgements.items():
        if not judged.evidence and judged.verdict is not GateVerdict.HOLD:
            continue
        if name == DEFERRALS and _slowed_before(assessment):
            continue
        judged, gate = assessment.own(name), getattr(assessment.policy.gates, name)
        against = judged.evidence >= gate.step_back
        if (
            against
            and name != DEFERRALS
            and assessment.warming
            and assessment.phase > 1
            and _settled(assessment, name)
        ):
            phase = assessment.phase - 1
            ground, volume = by_gate(assessment, name), assessment.volume(phase)
            reason = (
                f"{ground.clause}, so it steps back to phase {phase} at {amount(volume, 'message')} a day"
            )
            return assessment.to(
                Action.STEP_BACK, reason, volume, phase=phase, new_phase=True, sent_days=0, **ground.changes
            )
        if against or judged.verdict in (GateVerdict.HOLD, GateVerdict.REGRESS):
            ground = by_gate(assessment, name)
            return assessment.hold(name, assessment.because(ground.clause), first=True, **ground.changes)
    factors = assessment.throttle.throttle_factors
    if great := {name: factor for name, factor in factors.items() if _great(assessment, name)}:
        ground = by_slowing(assessment, great | fallen(assessment))
        cause = PROVIDER_OUTAGE if any(map(assessment.in_outage, great)) else SLOWED
        return assessment.to(Action.HOLD, assessment.because(ground.clause), cause=cause, **ground.changes)
    return None


def _slowed_before(assessment: Assessment) -> bool:
    """Was the speed of whoever defers taken on an earlier day, and no more of it today? What it pressed then is paid for."""
    falls, before, now = (
        fallen(assessment), assessment.seen.throttle_factors, assessment.throttle.throttle_factors
    )  # fmt: skip
    pressing = [
        provider
        for provider, judged in assessment.judged.providers[DEFERRALS].items()
        if judged.verdict in (GateVerdict.HOLD, GateVerdict.REGRESS) and _great(assessment, provider)
    ]
    return bool(pressing) and all(one in before and one in now and one not in falls for one in pressing)


def _settled(assessment: Assessment, gate: str) -> bool:
    """Complaints come late: those of the stage before speak against this one only when it lasts long enough."""
    began = assessment.seen.phase_started_on
    late = timedelta(days=assessment.policy.gates.complaint_days)
    return gate != COMPLAINTS or began is None or assessment.day - began >= late


def _great(assessment: Assessment, name: str) -> bool:
    """A provider with hardly any mail is slowed without holding up the rest."""
    return name == WHOLE or assessment.mix.get(name, 1.0) > SMALL_PART


def _moved(assessment: Assessment) -> Proposal:
    less = handed_less(assessment.seen, assessment.day, assessment.enough)
    if not assessment.warming:
        if not any(assessment.seen.days.sent):
            return assessment.to(
                Action.STAY, f"It sent nothing that could be judged, so it keeps its share of the quota{less}"
            )
        at = f" at a score of {assessment.score.value}" if assessment.score.known else ""
        nothing = "Elsewhere nothing" if assessment.measured else "Nothing"
        return assessment.to(
            Action.STAY, f"{nothing} is proven against it{at}, so it keeps its share of the quota"
        )
    asked_days = assessment.schedule.sent_days
    counted = min(assessment.sent_days, asked_days)
    sent = "was sent" if counted == 1 else "were sent"
    progress = f"{counted} of {amount(asked_days, 'day')} of phase {assessment.phase} {sent}"
    if assessment.sent_days < asked_days:
        return assessment.to(
            Action.STAY, f"{progress}, so it stays at {amount(assessment.stage, 'message')} a day{less}"
        )
    for name, asked in assessment.policy.asked(assessment.phase).items():
        if asked is Asked.PASS and assessment.own(name).verdict is not GateVerdict.PASS:
            return assessment.to(
                Action.STAY,
                f"{progress}, but {progress_words(assessment, name)}, so it stays at {amount(assessment.stage, 'message')} a day",
            )
    if missing := unknown(assessment.seen) or unopened(assessment.seen, assessment.policy):
        return assessment.hold("unknown", f"{progress}, but nothing advances, because {missing}", first=True)
    stages = assessment.schedule.stages
    if assessment.phase == len(stages) or stages[assessment.phase - 1] >= assessment.ip.daily_target:
        return assessment.to(
            Action.GRADUATE, f"{progress}, the last of {assessment.ip.schedule}, so it is warm", assessment.ip.daily_target,
            event="graduate", phase=len(stages), new_phase=True, sent_days=0,
        )  # fmt: skip
    phase = assessment.phase + 1
    volume = assessment.volume(phase)
    reason = f"{progress}, so it moves to phase {phase} at {amount(volume, 'message')} a day"
    return assessment.to(Action.ADVANCE, reason, volume, phase=phase, new_phase=True, sent_days=0)
