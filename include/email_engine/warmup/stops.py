"""What stops an IP: the tripwires, a gate that regressed, a score too low, a stream whose list is bad.

Only these may act during a day too (`reputation_guard`): they never give anything."""

from datetime import timedelta

from email_engine.fleet.model import Pause
from email_engine.plural import amount
from email_engine.reputation.evidence import GateVerdict
from email_engine.reputation.gates import BLOCKS, BOUNCES, COMPLAINTS
from email_engine.warmup.assessment import Assessment
from email_engine.warmup.observation import midnight, stop_since
from email_engine.warmup.proposal import RECIPIENT_LIST_PROBLEM, Action, Proposal


def stop(assessment: Assessment) -> Proposal | None:
    """The first reason to stop, if there is one."""
    return _tripped(assessment) or _stopped(assessment) or _recipient_list_stop(assessment)


def _quarantine(assessment: Assessment, event: str, reason: str) -> Proposal:
    until = midnight(assessment.effective) + timedelta(days=assessment.policy.quarantine_days)
    told = f"{reason}, so it is in quarantine until {until:%Y-%m-%d} at least"
    return assessment.to(Action.QUARANTINE, told, 0, event=event, quarantine_until=until)


def _tripped(assessment: Assessment) -> Proposal | None:
    wire, every = assessment.policy.tripwire, assessment.seen.days
    if not any(every.dnsbl_rejections) and not any(every.complained):
        return None
    days = every.between(stop_since(assessment.day, assessment.seen.last_stop_at), assessment.day)
    named, grave = sum(days.dnsbl_rejections), sum(days.severe_dnsbl_rejections)
    if grave >= wire.named:
        return _quarantine(
            assessment,
            "tripwire",
            f"{amount(grave, 'message')} {_were(grave)} refused by a block list that matters",
        )
    sent, complained = sum(days.sent), sum(days.complained)
    if sent >= wire.below_messages:
        return None
    if complained >= wire.complaints:
        reason = f"{complained} complaints about only {sent} messages tripped the wire"
        return _quarantine(assessment, "tripwire", reason)
    if named >= wire.named:
        return _quarantine(
            assessment, "tripwire", f"{named} of only {sent} messages {_were(named)} refused by a block list"
        )
    return None


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _stopped(assessment: Assessment) -> Proposal | None:
    reasons = [
        assessment.words(name)
        for name in (BOUNCES, COMPLAINTS, BLOCKS)
        if assessment.judgements[name].verdict is GateVerdict.REGRESS
    ]
    score = assessment.score
    if score.surely_below(assessment.policy.score.pause_below):
        reasons.append(f"its {score.words} is below {assessment.policy.score.pause_below}")
    if not reasons:
        return None
    what, last = " and ".join(reasons), assessment.seen.last_stop_at
    if last and midnight(assessment.effective) - last <= timedelta(days=assessment.policy.second_within_days):
        first = (last - timedelta(seconds=1)).date()
        second = f"the second stop within {assessment.policy.second_within_days} days after that of {first}"
        return _quarantine(assessment, "second_stop", f"{what}, {second}")
    until = midnight(assessment.effective) + timedelta(days=assessment.policy.pause_days)
    return assessment.to(Action.PAUSE, f"{what}, so it pauses until {until:%Y-%m-%d}", 0, pause=Pause(until))


def _recipient_list_stop(assessment: Assessment) -> Proposal | None:
    """A list that stays bad stops its stream; that is not held against the IP."""
    days = assessment.judged.recipient_list_days
    if len(days) < assessment.policy.recipient_list_pause_after:
        return None
    start, last = midnight(assessment.effective), assessment.seen.last_recipient_list_stop_at
    if last and start - last <= timedelta(days=assessment.policy.second_within_days):
        pause = Pause(None)
        reason = f"{recipient_list_words(assessment)}, again after {last:%Y-%m-%d}, so it pauses until a person resumes it with a cleaned list"
    else:
        pause = Pause(start + timedelta(days=assessment.policy.pause_days))
        reason = f"{recipient_list_words(assessment)}, so it pauses with them {pause.ends}, or until a person resumes it with a cleaned list"
    return assessment.to(Action.PAUSE, reason, 0, pause=pause, blames=False, cause=RECIPIENT_LIST_PROBLEM)


def recipient_list_words(assessment: Assessment) -> str:
    """The list problem as the beginning of a sentence."""
    days = " and ".join(f"{day:%Y-%m-%d}" for day in assessment.judged.recipient_list_days)
    return f"A list problem: on {days} the other IPs of stream {assessment.ip.stream} bounced like it"
