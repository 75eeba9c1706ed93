"""A pause that goes on or ends by its date, and the warm-down that goes on by date meanwhile."""

from datetime import datetime

from email_engine.fleet.model import IpState
from email_engine.plural import amount
from email_engine.warmup.assessment import Assessment
from email_engine.warmup.observation import midnight
from email_engine.warmup.parked import obstacle, unknown
from email_engine.warmup.proposal import Action, Proposal
from email_engine.warmup.rotation import warm_down, warm_down_step


def still_paused(assessment: Assessment) -> Proposal | None:
    """Its pause goes on beyond the day that is planned."""
    pause = assessment.ip.pause
    if pause is None or (pause.until is not None and pause.until <= midnight(assessment.effective)):
        return None
    return assessment.to(Action.STAY, f"It is paused {pause.ends}", 0, pause=pause)


def resumed(assessment: Assessment) -> Proposal | None:
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
    where = (
        f"in phase {phase} at {amount(wanted, 'message')} a day"
        if assessment.warming
        else "with its share of the quota"
    )
    return assessment.to(
        Action.RESUME, f"Its pause ended on {pause.until:%Y-%m-%d}, so it goes on {where}", wanted,
        phase=phase, new_phase=blamed, sent_days=0 if blamed else assessment.sent_days,
    )  # fmt: skip


def _resumed_retiring(assessment: Assessment, until: datetime) -> Proposal | None:
    """Its warm-down went on by date while it was paused."""
    going_down = retiring(assessment)
    if going_down is None or going_down.action is Action.DRAINED:
        return going_down
    return assessment.to(
        Action.RESUME, f"Its pause ended on {until:%Y-%m-%d}; {going_down.reason}", going_down.wanted,
        new_phase=True, sent_days=0,
    )  # fmt: skip


def retiring(assessment: Assessment) -> Proposal | None:
    """The step of its warm-down, or its end."""
    if assessment.ip.state is not IpState.RETIRING:
        return None
    ceiling = 0 if assessment.seen.throttle_factors else assessment.seen.standing
    wanted = warm_down(assessment.ip, assessment.policy, assessment.effective, ceiling)
    if wanted is None:
        return assessment.to(Action.DRAINED, "Its warm-down reached 0, so it rests", 0, event="drained")
    step = warm_down_step(assessment.ip, assessment.policy, assessment.effective) + 1
    reason = f"Step {step} of its warm-down allows {amount(wanted, 'message')} a day"
    return assessment.to(Action.WARM_DOWN, reason, wanted, at_most=assessment.seen.standing or None)
