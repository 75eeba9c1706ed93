"""What happens to one IP when a UTC day closes: a pure function of what is known, the policy and the day."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from email_engine.fleet.model import PARKED_STATES, IpState
from email_engine.plural import amount
from email_engine.reputation.evidence import GateVerdict
from email_engine.reputation.gates import COMPLAINTS, DEFERRALS, SMALL_PART, Asked
from email_engine.warmup.assessment import Assessment, assess
from email_engine.warmup.blame import Whose
from email_engine.warmup.observation import IpObservation, midnight
from email_engine.warmup.parked import decide_parked, obstacle, unknown
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import Action, Proposal
from email_engine.warmup.provider_limits import WHOLE
from email_engine.warmup.rotation import warm_down, warm_down_step
from email_engine.warmup.stops import (
    BAD_DAY,
    bad_day,
    stop,
    stream_cause,
    stream_days,
    stream_words,
    suspicion,
)

NAMED = "named list"
"""The cause of a hold for a block list that receivers name."""
TOGETHER = 500
"""So many IPs are judged at once: enough to be quick, few enough that working on them takes little memory."""


def decide_days(
    observations: Sequence[IpObservation], policy: Policy, day: date, effective: date
) -> list[Proposal]:
    """Closes the UTC `day` for each IP, as if it were alone; judged together they take less time.

    `effective` is the first day that the decisions can still shape: the day after, or later when days were missed.
    Raises `InputError` if the schedule of one is not in the policy."""
    sending = [seen for seen in observations if seen.ip.state not in PARKED_STATES]
    decided = iter(
        [
            _decided(assessment)
            for start in range(0, len(sending), TOGETHER)
            for assessment in assess(sending[start : start + TOGETHER], policy, day, effective)
        ]
    )
    return [
        decide_parked(seen, policy, effective) if seen.ip.state in PARKED_STATES else next(decided)
        for seen in observations
    ]


def _decided(assessment: Assessment) -> Proposal:
    return (
        _still_paused(assessment)
        or stop(assessment)
        or _resumed(assessment)
        or _retiring(assessment)
        or _idle(assessment)
        or _held(assessment)
        or _unproven(assessment)
        or _moved(assessment)
    )


def _still_paused(assessment: Assessment) -> Proposal | None:
    pause = assessment.ip.pause
    if pause is None or (pause.until is not None and pause.until <= midnight(assessment.effective)):
        return None
    return assessment.to(Action.STAY, f"It is paused {pause.ends}", 0, pause=pause)


def _resumed(assessment: Assessment) -> Proposal | None:
    """Its pause is over by date, and nothing stops it anew."""
    pause = assessment.ip.pause
    if pause is None or pause.until is None:
        return None
    if blocked := obstacle(assessment.seen):
        return assessment.to(
            Action.HOLD, f"Its pause is over by date, but {blocked}", 0, pause=pause, cause="obstacle"
        )
    if missing := unknown(assessment.seen):
        return assessment.to(
            Action.HOLD, f"Its pause is over by date, but {missing}", 0, pause=pause, cause="unknown"
        )
    if assessment.seen.trouble:
        reason = f"Its pause is over by date, but {assessment.seen.trouble}"
        return assessment.to(Action.HOLD, reason, 0, pause=pause, cause="bad signals")
    if assessment.ip.state is IpState.RETIRING:
        return _resumed_retiring(assessment, pause.until)
    blamed = assessment.seen.blamed
    phase = max(assessment.phase - 1, 1) if assessment.warming and blamed else assessment.phase
    wanted = assessment.volume(phase)
    where = f"in phase {phase} at {wanted} a day" if assessment.warming else "with its share of the quota"
    return assessment.to(
        Action.RESUME, f"Its pause ended on {pause.until:%Y-%m-%d}, so it goes on {where}", wanted,
        phase=phase, new_phase=blamed, sent_days=0 if blamed else assessment.sent_days,
    )  # fmt: skip


def _resumed_retiring(assessment: Assessment, until: datetime) -> Proposal | None:
    """Its warm-down went on by date while it was paused."""
    going_down = _retiring(assessment)
    if going_down is None or going_down.action is Action.DRAINED:
        return going_down
    return assessment.to(
        Action.RESUME, f"Its pause ended on {until:%Y-%m-%d}; {going_down.reason}", going_down.wanted,
        new_phase=True, sent_days=0,
    )  # fmt: skip


def _retiring(assessment: Assessment) -> Proposal | None:
    if assessment.ip.state is not IpState.RETIRING:
        return None
    ceiling = 0 if assessment.seen.throttle_factors else assessment.seen.standing
    wanted = warm_down(assessment.ip, assessment.policy, assessment.effective, ceiling)
    if wanted is None:
        return assessment.to(Action.DRAINED, "Its warm-down reached 0, so it rests", 0, event="drained")
    step = warm_down_step(assessment.ip, assessment.policy, assessment.effective) + 1
    reason = f"Step {step} of its warm-down allows {wanted} a day"
    return assessment.to(Action.WARM_DOWN, reason, wanted, at_most=assessment.seen.standing or None)


def _held(assessment: Assessment) -> Proposal | None:
    """Signals that are missing, that cannot be trusted, or that forbid."""
    if assessment.signal_problem is not None:
        return assessment.hold(
            assessment.signal_problem.cause, assessment.because(assessment.signal_problem.reason)
        )
    if stream_days(assessment):
        return assessment.hold(
            stream_cause(assessment),
            f"{stream_words(assessment)}, so it is not blamed and nothing advances",
        )
    if named := suspicion(assessment):
        many = ", as many others were at once" if assessment.seen.many_named else ""
        return assessment.hold(NAMED, assessment.because(f"{named.words}{many}"))
    if bad := bad_day(assessment):
        reason = (
            f"{assessment.charged(bad)} on one day alone, so nothing advances; another such day pauses it"
        )
        return assessment.hold(BAD_DAY, reason)
    return None


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
    reason = f"It sent nothing for {assessment.policy.idle_days} days and receivers forgot it, so it warms again from phase 1"
    at_most = assessment.seen.standing if assessment.signal_problem is not None else None
    return assessment.to(
        Action.IDLE, reason, wanted, event=event, phase=1, new_phase=True, sent_days=0, at_most=at_most
    )


def _unproven(assessment: Assessment) -> Proposal | None:
    """Weak evidence against the IP, a rate at the limit, or a speed that was taken."""
    providers = {one.gate for one in assessment.charges if one.whose is Whose.PROVIDER}
    for name, judged in assessment.judgements.items():
        judged = assessment.judged.rest[name] if name in providers else judged
        gate = getattr(assessment.policy.gates, name)
        against = judged.evidence >= gate.step_back
        if (
            against
            and name != DEFERRALS
            and assessment.warming
            and assessment.phase > 1
            and _settled(assessment, name)
        ):
            phase = assessment.phase - 1
            reason = f"{assessment.against(name)}, so it steps back to phase {phase} at {assessment.volume(phase)} a day"
            return assessment.to(
                Action.STEP_BACK, reason, assessment.volume(phase), phase=phase, new_phase=True, sent_days=0
            )
        if against or judged.verdict in (GateVerdict.HOLD, GateVerdict.REGRESS):
            return assessment.hold(name, assessment.because(assessment.against(name)), first=True)
    great = {
        name: pace for name, pace in assessment.throttle.throttle_factors.items() if _great(assessment, name)
    }
    if great:
        return assessment.to(Action.HOLD, assessment.because(_slow_words(assessment, great)), cause="slowed")
    return None


def _settled(assessment: Assessment, gate: str) -> bool:
    """Complaints come late: those of the stage before speak against this one only when it lasts long enough."""
    began = assessment.seen.phase_started_on
    late = timedelta(days=assessment.policy.gates.complaint_days)
    return gate != COMPLAINTS or began is None or assessment.day - began >= late


def _great(assessment: Assessment, name: str) -> bool:
    """A provider with hardly any mail is slowed without holding up the rest."""
    return name == WHOLE or assessment.mix.get(name, 1.0) > SMALL_PART


def _slow_words(assessment: Assessment, throttle_factors: Mapping[str, float]) -> str:
    parts = [
        f"its {assessment.score.words} leaves it {pace:.0%} of its speed"
        if name == WHOLE
        else f"{name} gets {pace:.0%} of its part"
        for name, pace in throttle_factors.items()
    ]
    return " and ".join(parts)


def _moved(assessment: Assessment) -> Proposal:
    if not assessment.warming:
        if not any(assessment.seen.days.sent):
            return assessment.to(
                Action.STAY, "It sent nothing that could be judged, so it keeps its share of the quota"
            )
        at = f" at a score of {assessment.score.value}" if assessment.score.known else ""
        return assessment.to(
            Action.STAY, f"Nothing is proven against it{at}, so it keeps its share of the quota"
        )
    asked_days = assessment.schedule.sent_days
    counted = min(assessment.sent_days, asked_days)
    progress = f"{counted} of {amount(asked_days, 'day')} of phase {assessment.phase} were sent"
    if assessment.sent_days < asked_days:
        return assessment.to(Action.STAY, f"{progress}, so it stays at {assessment.stage} a day")
    for name, asked in assessment.policy.asked(assessment.phase).items():
        if asked is Asked.PASS and assessment.judgements[name].verdict is not GateVerdict.PASS:
            return assessment.to(
                Action.STAY,
                f"{progress}, but {assessment.words(name)}, so it stays at {assessment.stage} a day",
            )
    if missing := unknown(assessment.seen):
        return assessment.hold("unknown", f"{progress}, but nothing advances, because {missing}", first=True)
    stages = assessment.schedule.stages
    if assessment.phase == len(stages) or stages[assessment.phase - 1] >= assessment.ip.daily_target:
        return assessment.to(
            Action.GRADUATE, f"{progress}, the last of {assessment.ip.schedule}, so it is warm", assessment.ip.daily_target,
            event="graduate", phase=len(stages), new_phase=True, sent_days=0,
        )  # fmt: skip
    phase = assessment.phase + 1
    return assessment.to(
        Action.ADVANCE, f"{progress}, so it moves to phase {phase} at {assessment.volume(phase)} a day",
        assessment.volume(phase), phase=phase, new_phase=True, sent_days=0,
    )  # fmt: skip
