"""What stops an IP: complaints of a small volume, block lists that receivers agree on, rates of its own or of its stream, a score too low.

Only these may act during a day too (`reputation_guard`): they never give anything."""

from datetime import date, timedelta

import numpy as np

from email_engine.fleet.model import Pause
from email_engine.reputation.complaints import on_days_of_mail
from email_engine.reputation.counted import Row
from email_engine.reputation.evidence import day_evidence
from email_engine.reputation.gates import BLOCKS, BOUNCES, Gate
from email_engine.reputation.named import NamedList, confirmed, suspicions
from email_engine.warmup import advice
from email_engine.warmup.assessment import Assessment
from email_engine.warmup.blame import Charge, Whose
from email_engine.warmup.grounds import Ground, by_charge, by_score, few_complaints, joined, like_its_stream
from email_engine.warmup.observation import midnight, stop_since, window
from email_engine.warmup.proposal import RECIPIENT_LIST_PROBLEM, STREAM_PROBLEM, Action, Proposal
from email_engine.warmup.sentences import Evidence

BAD_DAY = "bad day"
"""The cause of a stop for the rest of one day, which is not held against the IP."""
COMPLAINED = "complaints"
SCORE = "score"


def stop(assessment: Assessment) -> Proposal | None:
    """The first reason to stop, if there is one."""
    return (
        _complained(assessment)
        or (_agreed(assessment) if assessment.seen.named else None)
        or (_own(assessment) if assessment.charges else None)
        or _low_score(assessment)
        or _stream(assessment)
    )


def suspicion(assessment: Assessment) -> NamedList | None:
    """The block list that receivers name most, unless it was asked and does not list the IP."""
    if not assessment.seen.named:
        return None
    named = suspicions(assessment.seen.named, assessment.day, assessment.policy.named_lists.days)
    return named[0] if named else None


def bad_day(assessment: Assessment) -> Charge | None:
    """What one bad day alone proves about the IP or its stream, and not far above the limit: it holds, and pauses only when another
    such day follows."""
    return next(
        (one for one in assessment.charges if one.whose is Whose.IP and one.lesser(assessment.policy)), None
    )


def stream_charge(assessment: Assessment) -> Charge | None:
    """What is proven of the whole stream."""
    return next((one for one in assessment.charges if one.whose is Whose.STREAM), None)


def rest_of_day(assessment: Assessment) -> Proposal | None:
    """Stops an IP until the day ends, for what this very day proves alone."""
    charge = bad_day(assessment) or stream_charge(assessment)
    if assessment.day not in (charge.carried.days if charge else assessment.judged.recipient_list_days):
        return None
    ground = by_charge(assessment, charge) if charge else by_stream(assessment)
    if charge and charge.whose is Whose.IP:
        ground = ground._replace(advice=advice.BAD_DAY)
    reason = f"{ground.clause}, so the rest of {assessment.day} stops"
    pause = Pause(midnight(assessment.day + timedelta(days=1)))
    return assessment.to(Action.PAUSE, reason, 0, pause=pause, blames=False, cause=BAD_DAY, **ground.changes)


def _complained(assessment: Assessment) -> Proposal | None:
    """Complaints about a small volume. A late report speaks of the mail of the days before it: what was sent before the last stop
    is paid for."""
    wire, every = assessment.policy.tripwire, assessment.seen.days
    if sum(every.complained) < wire.complaints:
        return None
    since = stop_since(
        window(assessment.day), assessment.seen.last_stop_at, assessment.seen.last_stream_stop_at
    )
    days = every.between(since, assessment.day)
    sent = sum(days.sent)
    if sent >= wire.below_messages or sum(days.complained) < wire.complaints:
        return None
    known = every.between(every.day[0], assessment.day)
    complained = on_days_of_mail(known, assessment.policy.gates.complaint_days)[known.since(since) :]
    if sum(complained) < wire.complaints:
        return None
    return _paused(
        assessment, few_complaints(assessment, Row(days.day, complained, days.sent)), (COMPLAINED,)
    )


def by_named(named: NamedList) -> Ground:
    """A block list that receivers name."""
    evidence = Evidence(BLOCKS, (named.day,), tuple(sorted(named.refused)))
    return Ground(named.words, (evidence,), advice.named(named.name))


def _agreed(assessment: Assessment) -> Proposal | None:
    """A block list that could not be asked, and that receivers agree on."""
    rule = assessment.policy.named_lists
    if assessment.seen.many_named:
        return None
    for named in suspicions(assessment.seen.named, assessment.day, rule.days):
        if confirmed(named, rule.receivers, rule.share):
            clause = f"{named.words}, and {len(named.refused)} receivers agree"
            ground = by_named(named)._replace(clause=clause)
            return _quarantined(assessment, ground, "tripwire", ())
    return None


def _own(assessment: Assessment) -> Proposal | None:
    own = [one for one in assessment.charges if one.whose is Whose.IP and not one.lesser(assessment.policy)]
    if not own:
        return None
    ground = joined([by_charge(assessment, charge) for charge in own])
    return _paused(assessment, ground, tuple(one.gate for one in own))


def _low_score(assessment: Assessment) -> Proposal | None:
    """The score speaks where nothing else does: what is the stream's or a provider's is not charged again."""
    score, limit = assessment.score, assessment.policy.score.pause_below
    if not score.surely_below(limit) or assessment.charges or assessment.measured:
        return None
    return _paused(assessment, by_score(assessment, limit), (SCORE,))


def _paused(assessment: Assessment, ground: Ground, kinds: tuple[str, ...]) -> Proposal:
    """A pause; a quarantine where it is one too many, or where something else stopped the IP lately."""
    policy, start = assessment.policy, midnight(assessment.effective)
    since = (start - timedelta(days=policy.remember_days)).date()
    lately = [one for one in assessment.seen.stops if one.day >= since]
    others = [one for one in lately if SCORE not in (one.kind, *kinds) and one.kind not in kinds]
    if len(lately) + 1 >= policy.quarantine_at or others:
        first = ", ".join(f"{one.day} ({one.kind})" for one in lately)
        which = f"stop number {len(lately) + 1} within {policy.remember_days} days, after {first}"
        ground = ground._replace(clause=f"{ground.clause}, {which}")
        return _quarantined(assessment, ground, "second_stop", kinds)
    until = start + timedelta(days=policy.pause_days)
    back = " and goes on a phase lower" if assessment.warming and assessment.phase > 1 else ""
    reason = f"{_sentence(ground.clause)}, so it pauses until {until:%Y-%m-%d}{back}"
    return assessment.to(Action.PAUSE, reason, 0, pause=Pause(until), kinds=kinds, **ground.changes)


def _sentence(clause: str) -> str:
    """With a capital letter; the name of a block list stays as it is."""
    return f"{clause[:1].upper()}{clause[1:]}" if clause.startswith("its ") else clause


def _quarantined(assessment: Assessment, ground: Ground, event: str, kinds: tuple[str, ...]) -> Proposal:
    until = midnight(assessment.effective) + timedelta(days=assessment.policy.quarantine_days)
    reason = f"{_sentence(ground.clause)}, so it is in quarantine until {until:%Y-%m-%d} at least"
    return assessment.to(
        Action.QUARANTINE, reason, 0, event=event, quarantine_until=until, kinds=kinds, **ground.changes
    )


def _stream(assessment: Assessment) -> Proposal | None:
    """A problem of the stream that stays stops its IPs; that is held against none of them."""
    days, policy = stream_days(assessment), assessment.policy
    if len(days) < policy.stream_pause_after:
        return None
    start, last = midnight(assessment.effective), assessment.seen.last_stream_stop_at
    ground, cause = by_stream(assessment), stream_cause(assessment)
    told = ground.clause
    if last and start - last <= timedelta(days=policy.remember_days):
        pause = Pause(None)
        reason = f"{told}, again after {last:%Y-%m-%d}, so it pauses {pause.ends} with a cleaned list or better mail"
    else:
        pause = Pause(start + timedelta(days=policy.pause_days))
        reason = f"{told}, so it pauses with its stream {pause.ends}, or until a person resumes it"
    return assessment.to(Action.PAUSE, reason, 0, pause=pause, blames=False, cause=cause, **ground.changes)


def stream_days(assessment: Assessment) -> tuple[date, ...]:
    """UTC days, of the last ones on which the IP sent, that show the problem of its stream. Where single days prove it, a day shows it
    only by evidence of its own: a clean day after a bad one may well be at the limit by chance, a few late complaints are enough."""
    charge = stream_charge(assessment) if assessment.charges else None
    if charge is None:
        return assessment.judged.recipient_list_days
    gate: Gate = getattr(assessment.policy.gates, charge.gate)
    rows = [row for row in zip(*charge.row, strict=True) if row[2]][-assessment.policy.gates.stream_days :]
    above = [row for row in rows if row[1] >= gate.limit * row[2]]
    if above and charge.carried.days:
        _, bad, messages = (np.array(column) for column in zip(*above, strict=True))
        limits = np.full((1, len(bad)), gate.limit)
        own = day_evidence(np.minimum(bad, messages)[None], messages[None], limits)[0]
        above = [row for row, evidence in zip(above, own, strict=True) if evidence >= gate.step_back]
    return tuple(day for day, _, _ in above)


def stream_cause(assessment: Assessment) -> str:
    charge = stream_charge(assessment)
    return RECIPIENT_LIST_PROBLEM if charge is None or charge.gate == BOUNCES else STREAM_PROBLEM


def by_stream(assessment: Assessment) -> Ground:
    """The stream's problem; its clause is the beginning of a sentence."""
    stream, charge = assessment.ip.stream, stream_charge(assessment)
    if charge is None:
        ground = like_its_stream(assessment)
        told = (
            f"A recipient list problem: {ground.clause}, and the other IPs of stream {stream} bounced like it"
        )
        return ground._replace(clause=told)
    alone = not any(assessment.seen.peers.sent)
    who = f"the only IP of stream {stream}" if alone else f"the IPs of stream {stream} alike"
    what = "A recipient list problem" if charge.gate == BOUNCES else f"A problem of the mail ({charge.gate})"
    ground = by_charge(assessment, charge)
    return ground._replace(clause=f"{what} of {who}: {ground.clause}")
