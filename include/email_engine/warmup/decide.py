"""What happens to one IP when a UTC day closes: a pure function of what is known, the policy and the day."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from email_engine.amounts import amount
from email_engine.fleet.model import PARKED_STATES, IpState
from email_engine.reputation.evidence import Verdict
from email_engine.reputation.gates import COMPLAINTS, DEFERRALS, SMALL_PART, Asked
from email_engine.warmup.case import Case, cases_of
from email_engine.warmup.choice import LIST_PROBLEM, Action, Choice
from email_engine.warmup.cycle import warm_down, warm_down_step
from email_engine.warmup.observation import IpObservation, midnight
from email_engine.warmup.pace import WHOLE
from email_engine.warmup.parked import decide_parked, obstacle, unknown
from email_engine.warmup.policy import Policy
from email_engine.warmup.stops import list_words, stop

TOGETHER = 500
"""So many IPs are judged at once: enough to be quick, few enough that working on them takes little memory."""


def decide_days(
    observations: Sequence[IpObservation], policy: Policy, day: date, effective: date
) -> list[Choice]:
    """Closes the UTC `day` for each IP, as if it were alone; judged together they take less time.

    `effective` is the first day that the decisions can still shape: the day after, or later when days were missed.
    Raises `InputError` if the schedule of one is not in the policy."""
    sending = [seen for seen in observations if seen.ip.state not in PARKED_STATES]
    decided = iter(
        [
            _decided(case)
            for start in range(0, len(sending), TOGETHER)
            for case in cases_of(sending[start : start + TOGETHER], policy, day, effective)
        ]
    )
    return [
        decide_parked(seen, policy, effective) if seen.ip.state in PARKED_STATES else next(decided)
        for seen in observations
    ]


def _decided(case: Case) -> Choice:
    return (
        _paused(case)
        or stop(case)
        or _retiring(case)
        or _idle(case)
        or _held(case)
        or _unproven(case)
        or _moved(case)
    )


def _paused(case: Case) -> Choice | None:
    until = case.ip.paused_until
    if until is None:
        return None
    if until > midnight(case.effective):
        return case.to(Action.STAY, f"It is paused until {until:%Y-%m-%d}", 0, paused_until=until)
    if blocked := obstacle(case.seen):
        return case.to(
            Action.HOLD, f"Its pause is over by date, but {blocked}", 0, paused_until=until, cause="obstacle"
        )
    if missing := unknown(case.seen):
        return case.to(
            Action.HOLD, f"Its pause is over by date, but {missing}", 0, paused_until=until, cause="unknown"
        )
    if case.seen.trouble:
        reason = f"Its pause is over by date, but {case.seen.trouble}"
        return case.to(Action.HOLD, reason, 0, paused_until=until, cause="bad signals")
    if case.ip.state is IpState.RETIRING:
        return _resumed_retiring(case, until)
    blamed = case.seen.blamed
    phase = max(case.phase - 1, 1) if case.warming and blamed else case.phase
    wanted = case.volume(phase)
    where = f"in phase {phase} at {wanted} a day" if case.warming else "with its share of the quota"
    return case.to(
        Action.RESUME, f"Its pause ended on {until:%Y-%m-%d}, so it goes on {where}", wanted,
        phase=phase, new_phase=blamed, sent_days=0 if blamed else case.sent_days,
    )  # fmt: skip


def _resumed_retiring(case: Case, until: datetime) -> Choice | None:
    """Its warm-down went on by date while it was paused."""
    going_down = _retiring(case)
    if going_down is None or going_down.action is Action.DRAINED:
        return going_down
    return case.to(
        Action.RESUME, f"Its pause ended on {until:%Y-%m-%d}; {going_down.reason}", going_down.wanted,
        new_phase=True, sent_days=0,
    )  # fmt: skip


def _retiring(case: Case) -> Choice | None:
    if case.ip.state is not IpState.RETIRING:
        return None
    ceiling = 0 if case.seen.paces else case.seen.standing
    wanted = warm_down(case.ip, case.policy, case.effective, ceiling)
    if wanted is None:
        return case.to(Action.DRAINED, "Its warm-down reached 0, so it rests", 0, event="drained")
    step = warm_down_step(case.ip, case.policy, case.effective) + 1
    reason = f"Step {step} of its warm-down allows {wanted} a day"
    return case.to(Action.WARM_DOWN, reason, wanted, at_most=case.seen.standing or None)


def _held(case: Case) -> Choice | None:
    """Signals that are missing, that cannot be trusted, or that forbid."""
    if case.distrust is not None:
        return case.hold(case.distrust.cause, f"Nothing advances, because {case.distrust.reason}")
    if case.judged.list_days:
        return case.hold(LIST_PROBLEM, f"{list_words(case)}, so it is not blamed and nothing advances")
    return None


def _idle(case: Case) -> Choice | None:
    """Receivers forget an IP that sends nothing for long; a silence that is not known to be one is none."""
    if case.seen.days.sent_on(case.day):
        return None
    began = case.day + timedelta(days=1) - timedelta(days=case.policy.idle_days)
    fresh = (case.seen.phase_started_on or case.day) > began or case.ip.state_since > midnight(began)
    days = case.seen.days
    if fresh or any(days.sent[days.since(began) :]):
        return None
    if (case.warming and case.phase == 1) or (
        case.distrust is not None and case.distrust.cause != "obstacle"
    ):
        return None
    event = None if case.warming else "idle"
    wanted = min(case.schedule.stages[0], case.ip.daily_target)
    reason = f"It sent nothing for {case.policy.idle_days} days and receivers forgot it, so it warms again from phase 1"
    at_most = case.seen.standing if case.distrust is not None else None
    return case.to(
        Action.IDLE, reason, wanted, event=event, phase=1, new_phase=True, sent_days=0, at_most=at_most
    )


def _unproven(case: Case) -> Choice | None:
    """Weak evidence against the IP, a rate at the limit, or a speed that was taken."""
    for name, judged in case.judgements.items():
        gate = getattr(case.policy.gates, name)
        against = judged.evidence >= gate.step_back
        if against and name != DEFERRALS and case.warming and case.phase > 1 and _settled(case, name):
            phase = case.phase - 1
            reason = f"{case.against(name)}, so it steps back to phase {phase} at {case.volume(phase)} a day"
            return case.to(
                Action.STEP_BACK, reason, case.volume(phase), phase=phase, new_phase=True, sent_days=0
            )
        if against or judged.verdict in (Verdict.HOLD, Verdict.REGRESS):
            return case.hold(name, f"Nothing advances, because {case.against(name)}", first=True)
    great = {name: pace for name, pace in case.speeds.paces.items() if _great(case, name)}
    if great:
        return case.to(Action.HOLD, f"Nothing advances, because {_slow_words(case, great)}", cause="slowed")
    return None


def _settled(case: Case, gate: str) -> bool:
    """Complaints come late: those of the stage before speak against this one only when it lasts long enough."""
    began = case.seen.phase_started_on
    late = timedelta(days=case.policy.gates.complaint_days)
    return gate != COMPLAINTS or began is None or case.day - began >= late


def _great(case: Case, name: str) -> bool:
    """A provider with hardly any mail is slowed without holding up the rest."""
    return name == WHOLE or case.mix.get(name, 1.0) > SMALL_PART


def _slow_words(case: Case, paces: Mapping[str, float]) -> str:
    parts = [
        f"its {case.score.words} leaves it {pace:.0%} of its speed"
        if name == WHOLE
        else f"{name} gets {pace:.0%} of its part"
        for name, pace in paces.items()
    ]
    return " and ".join(parts)


def _moved(case: Case) -> Choice:
    if not case.warming:
        if not any(case.seen.days.sent):
            return case.to(
                Action.STAY, "It sent nothing that could be judged, so it keeps its share of the quota"
            )
        return case.to(Action.STAY, "Its rates hold, so it keeps its share of the quota")
    asked_days = case.schedule.sent_days
    counted = min(case.sent_days, asked_days)
    progress = f"{counted} of {amount(asked_days, 'day')} of phase {case.phase} were sent"
    if case.sent_days < asked_days:
        return case.to(Action.STAY, f"{progress}, so it stays at {case.stage} a day")
    for name, asked in case.policy.asked(case.phase).items():
        if asked is Asked.PASS and case.judgements[name].verdict is not Verdict.PASS:
            return case.to(
                Action.STAY, f"{progress}, but {case.words(name)}, so it stays at {case.stage} a day"
            )
    if missing := unknown(case.seen):
        return case.hold("unknown", f"{progress}, but nothing advances, because {missing}", first=True)
    stages = case.schedule.stages
    if case.phase == len(stages) or stages[case.phase - 1] >= case.ip.daily_target:
        return case.to(
            Action.GRADUATE, f"{progress}, the last of {case.ip.schedule}, so it is warm", case.ip.daily_target,
            event="graduate", phase=len(stages), new_phase=True, sent_days=0,
        )  # fmt: skip
    phase = case.phase + 1
    return case.to(
        Action.ADVANCE, f"{progress}, so it moves to phase {phase} at {case.volume(phase)} a day",
        case.volume(phase), phase=phase, new_phase=True, sent_days=0,
    )  # fmt: skip
