"""The gates: what an IP's mail says about it, each as a verdict; and whether its whole stream bounces.

Which replies count for what (facts: deliverability, sections 3 and 4): every bounce for the bounce gate, those that blame
the sender for the block gate, deferrals that speak of rate or reputation for the deferral gate of each provider."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from email_engine.fleet.traffic import DayCounts
from email_engine.reputation.evidence import Judgement, Verdict, judge, proven_above

BOUNCES, COMPLAINTS, BLOCKS, DEFERRALS = "bounces", "complaints", "blocks", "deferrals"
GATES = (BOUNCES, COMPLAINTS, BLOCKS, DEFERRALS)
SMALL_PART = 0.05
"""A provider with a smaller part of the mail is slowed where it presses, but holds nothing else up."""
_WORST = (Verdict.REGRESS, Verdict.HOLD, Verdict.INSUFFICIENT, Verdict.PASS)


class Asked(StrEnum):
    """What a gate must show before an IP moves on. `fine`: neither hold nor regress."""

    PASS = "pass"  # noqa: S105 - a word of the policy
    FINE = "fine"


@dataclass(frozen=True, slots=True)
class Gate:
    """`limit`: rate 0..1. `step_back`, `stop`: values of the detector, in days between false alarms."""

    limit: float
    step_back: int
    stop: int


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """`deferral_days`: how far back deferrals count; `complaint_days`: how late complaints come; `confidence`: of a `pass`; `list_days`: last days of a stream's mail
    that tell of a bad list."""

    bounces: Gate
    complaints: Gate
    blocks: Gate
    deferrals: Gate
    deferral_days: int
    complaint_days: int
    confidence: float
    list_days: int


@dataclass(frozen=True, slots=True)
class Judged:
    """`gates`: by name, `deferrals` being the worst provider's; `deferrals`: by provider; `worst_provider`: whose it is.

    `excused`: days on which the others of the stream are proven to bounce too; `list_days`: those of the last days of
    mail on which the IP itself bounced with them, that is a bad list."""

    gates: Mapping[str, Judgement]
    deferrals: Mapping[str, Judgement]
    worst_provider: str | None
    excused: frozenset[date]
    list_days: tuple[date, ...]


def judge_gates(
    days: Sequence[DayCounts],
    providers: Mapping[str, Sequence[DayCounts]],
    peers: Sequence[DayCounts],
    policy: GatePolicy,
    first: date,
    last: date,
    complained: Sequence[DayCounts],
    mailed: Sequence[DayCounts],
) -> Judged:
    """Judges one IP at the end of the UTC day `last`, by its mail since `first`.

    `days`: its days from `first` on, oldest first; `providers`: its days by mailbox provider, oldest first, none after
    `last`; `peers`: the other IPs of its stream, summed by day. `complained`: the days whose complaints count, which come
    late; `mailed`: those that may tell of a bad list."""
    excuses = _excuses(peers, policy.bounces.limit)
    excused = frozenset([c.day for c in days if c.day in excuses] if excuses else ())
    bounces = judge(
        [(c.bounced, c.delivered + c.bounced) for c in days],
        policy.bounces.limit, policy.confidence, policy.bounces.stop,
        [excuses.get(c.day, policy.bounces.limit) for c in days] if excused else None,
    )  # fmt: skip
    complaints = [(c.complained, max(c.delivered, c.complained)) for c in complained]
    blocks = [(c.blocked, c.delivered + c.bounced) for c in days]
    since = max(first, last - timedelta(days=policy.deferral_days - 1))
    deferrals = {name: _deferrals(providers[name], since, policy) for name in sorted(providers)}
    part = sum([one.messages for one in deferrals.values()]) * SMALL_PART
    great = [name for name, one in deferrals.items() if one.messages >= part]
    worst = min(great, key=lambda name: _badness(deferrals[name]), default=None)
    gates = {
        BOUNCES: bounces,
        COMPLAINTS: judge(complaints, policy.complaints.limit, policy.confidence, policy.complaints.stop),
        BLOCKS: judge(blocks, policy.blocks.limit, policy.confidence, policy.blocks.stop),
        DEFERRALS: deferrals[worst] if worst else Judgement(Verdict.INSUFFICIENT, 0, 0, 0.0),
    }
    return Judged(gates, deferrals, worst, excused, _list_days(mailed, excuses, policy) if excuses else ())


def _list_days(
    mailed: Sequence[DayCounts], excuses: Mapping[date, float], policy: GatePolicy
) -> tuple[date, ...]:
    newest = [c for c in mailed if c.sent][-policy.list_days :]
    return tuple(c.day for c in newest if c.day in excuses and c.bounced >= policy.bounces.limit * c.sent)


def _deferrals(days: Sequence[DayCounts], since: date, policy: GatePolicy) -> Judgement:
    attempts = [
        (c.pressed + c.blocked, c.delivered + c.bounced + c.deferred)
        for c in days[-policy.deferral_days :]
        if c.day >= since
    ]
    return judge(attempts, policy.deferrals.limit, policy.confidence, policy.deferrals.stop)


def _badness(judged: Judgement) -> tuple[int, float, int]:
    return _WORST.index(judged.verdict), -judged.evidence, -judged.bad


def _excuses(peers: Iterable[DayCounts], limit: float) -> dict[date, float]:
    """Days that do not speak against an IP up to a higher rate than the limit: what the others are proven to bounce."""
    proven = {
        c.day: proven_above(c.bounced, c.delivered + c.bounced, limit)
        for c in peers
        if c.bounced > limit * (c.delivered + c.bounced)
    }
    return {day: rate for day, rate in proven.items() if rate > limit}
