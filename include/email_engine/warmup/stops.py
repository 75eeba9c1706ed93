"""What stops an IP: the tripwires, a gate that regressed, a score too low, a stream whose list is bad.

Only these may act during a day too (`reputation_guard`): they never give anything."""

from datetime import timedelta

from email_engine.amounts import amount
from email_engine.reputation.evidence import Verdict
from email_engine.reputation.gates import BLOCKS, BOUNCES, COMPLAINTS
from email_engine.warmup.case import Case
from email_engine.warmup.choice import LIST_PROBLEM, Action, Choice
from email_engine.warmup.observation import midnight, stop_since

UNTIL_A_PERSON = timedelta(days=365)


def stop(case: Case) -> Choice | None:
    """The first reason to stop, if there is one."""
    return _tripped(case) or _stopped(case) or _listless(case)


def _quarantine(case: Case, event: str, reason: str) -> Choice:
    until = midnight(case.effective) + timedelta(days=case.policy.quarantine_days)
    told = f"{reason}, so it is in quarantine until {until:%Y-%m-%d} at least"
    return case.to(Action.QUARANTINE, told, 0, event=event, quarantine_until=until)


def _tripped(case: Case) -> Choice | None:
    wire, every = case.policy.tripwire, case.seen.days
    if not any(every.named) and not any(every.complained):
        return None
    days = every.between(stop_since(case.day, case.seen.last_stop_at), case.day)
    named, grave = sum(days.named), sum(days.named_grave)
    if grave >= wire.named:
        return _quarantine(
            case,
            "tripwire",
            f"{amount(grave, 'message')} {_were(grave)} refused by a block list that matters",
        )
    sent, complained = sum(days.sent), sum(days.complained)
    if sent >= wire.below_messages:
        return None
    if complained >= wire.complaints:
        reason = f"{complained} complaints about only {sent} messages tripped the wire"
        return _quarantine(case, "tripwire", reason)
    if named >= wire.named:
        return _quarantine(
            case, "tripwire", f"{named} of only {sent} messages {_were(named)} refused by a block list"
        )
    return None


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _stopped(case: Case) -> Choice | None:
    reasons = [
        case.words(name)
        for name in (BOUNCES, COMPLAINTS, BLOCKS)
        if case.judgements[name].verdict is Verdict.REGRESS
    ]
    score = case.score
    if score.surely_below(case.policy.score.pause_below):
        reasons.append(f"its {score.words} is below {case.policy.score.pause_below}")
    if not reasons:
        return None
    what, last = " and ".join(reasons), case.seen.last_stop_at
    if last and midnight(case.effective) - last <= timedelta(days=case.policy.second_within_days):
        first = (last - timedelta(seconds=1)).date()
        second = f"the second stop within {case.policy.second_within_days} days after that of {first}"
        return _quarantine(case, "second_stop", f"{what}, {second}")
    until = midnight(case.effective) + timedelta(days=case.policy.pause_days)
    return case.to(Action.PAUSE, f"{what}, so it pauses until {until:%Y-%m-%d}", 0, paused_until=until)


def _listless(case: Case) -> Choice | None:
    """A list that stays bad stops its stream; that is not held against the IP."""
    days = case.judged.list_days
    if len(days) < case.policy.list_pause_after:
        return None
    start, last = midnight(case.effective), case.seen.last_list_stop_at
    if last and start - last <= timedelta(days=case.policy.second_within_days):
        until = start + UNTIL_A_PERSON
        reason = f"{list_words(case)}, again after {last:%Y-%m-%d}, so it pauses until a person resumes it with a cleaned list"
    else:
        until = start + timedelta(days=case.policy.pause_days)
        reason = f"{list_words(case)}, so it pauses with them until {until:%Y-%m-%d}, or until a person resumes it with a cleaned list"
    return case.to(Action.PAUSE, reason, 0, paused_until=until, blames=False, cause=LIST_PROBLEM)


def list_words(case: Case) -> str:
    """The list problem as the beginning of a sentence."""
    days = " and ".join(f"{day:%Y-%m-%d}" for day in case.judged.list_days)
    return f"A list problem: on {days} the other IPs of stream {case.ip.stream} bounced like it"
