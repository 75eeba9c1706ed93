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
    """`deferral_days`: how far back deferrals count; `confidence`: of a `pass`; `list_days`: last days of a stream's mail
    that tell of a bad list."""

    bounces: Gate
    complaints: Gate
    blocks: Gate
    deferrals: Gate
    deferral_days: int
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
    last: date,
) -> Judged:
    """Judges one IP at the end of the UTC day `last`.

    `days`: its days that count now, oldest first; `providers`: the same by mailbox provider; `peers`: the other IPs of its
    stream, summed by day."""
    others = {counts.day: counts for counts in peers}
    limits = {counts.day: _bearable(others.get(counts.day), policy.bounces.limit) for counts in days}
    excused = frozenset(day for day, limit in limits.items() if limit > policy.bounces.limit)
    bounces = judge(
        [(c.bounced, c.sent) for c in days], policy.bounces.limit, policy.confidence, policy.bounces.stop,
        [limits[c.day] for c in days],
    )  # fmt: skip
    complaints = [(c.complained, max(c.delivered, c.complained)) for c in days]
    blocks = [(c.blocked, c.sent) for c in days]
    since = last - timedelta(days=policy.deferral_days - 1)
    deferrals = {
        provider: _deferrals([c for c in counts if c.day >= since], policy)
        for provider, counts in sorted(providers.items())
    }
    worst = min(
        deferrals, key=lambda p: (_WORST.index(deferrals[p].verdict), -deferrals[p].evidence), default=None
    )
    gates = {
        BOUNCES: bounces,
        COMPLAINTS: judge(complaints, policy.complaints.limit, policy.confidence, policy.complaints.stop),
        BLOCKS: judge(blocks, policy.blocks.limit, policy.confidence, policy.blocks.stop),
        DEFERRALS: deferrals[worst] if worst else Judgement(Verdict.INSUFFICIENT, 0, 0, 0.0),
    }
    mailed = [c for c in days if c.sent][-policy.list_days :]
    newest = last - timedelta(days=policy.list_days - 1)
    bad = tuple(
        c.day
        for c in mailed
        if c.day >= newest and c.day in excused and c.bounced >= policy.bounces.limit * c.sent
    )
    return Judged(gates, deferrals, worst, excused, bad)


def _deferrals(days: Iterable[DayCounts], policy: GatePolicy) -> Judgement:
    attempts = [(c.pressed, c.sent + c.deferred) for c in days]
    return judge(attempts, policy.deferrals.limit, policy.confidence, policy.deferrals.stop)


def _bearable(others: DayCounts | None, limit: float) -> float:
    """The rate up to which a day does not speak against the IP: the limit, or what the others are proven to bounce."""
    if others is None or others.bounced <= limit * others.sent:
        return limit
    return max(limit, proven_above(others.bounced, others.sent, limit))
