"""The gates: what an IP's mail says about it, each as a verdict; and whether its whole stream bounces.

Which replies count for what (facts: deliverability, sections 3 and 4): every bounce for the bounce gate, those that blame
the sender for the block gate, deferrals that speak of rate or reputation for the deferral gate of each provider."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from email_engine.fleet.traffic import Column, Days, column
from email_engine.reputation.evidence import GateJudgement, GateVerdict, ever_above, judge, proven_above

BOUNCES, COMPLAINTS, BLOCKS, DEFERRALS = "bounces", "complaints", "blocks", "deferrals"
GATES = (BOUNCES, COMPLAINTS, BLOCKS, DEFERRALS)
SMALL_PART = 0.05
"""A provider with a smaller part of the mail is slowed where it presses, but holds nothing else up."""
_RANK = {GateVerdict.REGRESS: 0, GateVerdict.HOLD: 1, GateVerdict.INSUFFICIENT: 2, GateVerdict.PASS: 3}


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
    """`deferral_days`: how far back deferrals count; `complaint_days`: how late complaints come; `confidence`: of a `pass`; `recipient_list_days`: last days of a stream's mail
    that tell of a bad list."""

    bounces: Gate
    complaints: Gate
    blocks: Gate
    deferrals: Gate
    deferral_days: int
    complaint_days: int
    confidence: float
    recipient_list_days: int

    @property
    def limits(self) -> Mapping[str, float]:
        """By gate."""
        return {
            BOUNCES: self.bounces.limit,
            COMPLAINTS: self.complaints.limit,
            BLOCKS: self.blocks.limit,
            DEFERRALS: self.deferrals.limit,
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """`gates`: by name, `deferrals` being the worst provider's; `deferrals`: by provider; `worst_provider`: whose it is.

    `excused`: days on which the others of the stream are proven to bounce too; `recipient_list_days`: those of the last days of
    mail on which the IP itself bounced with them, that is a bad list."""

    gates: Mapping[str, GateJudgement]
    deferrals: Mapping[str, GateJudgement]
    worst_provider: str | None
    excused: frozenset[date]
    recipient_list_days: tuple[date, ...]


class Basis(NamedTuple):
    """What one IP is judged by. `first`: the UTC day from which its mail counts; `days`: its days from then on; `complained`: the
    days whose complaints count, which come late; `mailed`: those that may tell of a bad list; `providers`: its days by mailbox
    provider; `peers`: the other IPs of its stream, summed by day."""

    first: date
    days: Days
    complained: Days
    mailed: Days
    providers: Mapping[str, Days]
    peers: Days


def judge_gates(fleet: Sequence[Basis], policy: GatePolicy, last: date) -> list[Judged]:
    """Judges each IP at the end of the UTC day `last`; no mail is later."""

    def answers(
        gate: Gate,
        bad: Sequence[Column],
        messages: Sequence[Column],
        bearable: Mapping[int, Sequence[float]] | None = None,
    ) -> Iterator[GateJudgement]:
        return iter(judge(bad, messages, gate.limit, gate.stop, policy.confidence, bearable))

    limit = policy.bounces.limit
    peers = [basis.peers for basis in fleet]
    worse = ever_above([days.bounced for days in peers], [days.sent for days in peers], limit)
    excuses = [_excuses(days, limit) if bad else {} for days, bad in zip(peers, worse, strict=True)]
    bearable = {
        place: [borne.get(day, limit) for day in basis.days.day]
        for place, (basis, borne) in enumerate(zip(fleet, excuses, strict=True))
        if borne
    }
    sent = [basis.days.sent for basis in fleet]
    bounces = answers(policy.bounces, [basis.days.bounced for basis in fleet], sent, bearable)
    complained = [basis.complained.complained for basis in fleet]
    complaints = answers(policy.complaints, complained, [_read(basis.complained) for basis in fleet])
    blocks = answers(policy.blocks, [basis.days.blocked for basis in fleet], sent)
    deferrals = answers(policy.deferrals, *_pressure(fleet, last - timedelta(days=policy.deferral_days - 1)))
    return [
        _judged(basis, borne, (next(bounces), next(complaints), next(blocks)), deferrals, policy)
        for basis, borne in zip(fleet, excuses, strict=True)
    ]


def _read(days: Days) -> Column:
    """Messages that somebody can have complained about."""
    return column(map(max, days.delivered, days.complained)) if any(days.complained) else days.delivered


def _pressure(fleet: Sequence[Basis], since: date) -> tuple[list[Column], list[Column]]:
    """Deferrals and blocks, and the attempts that they are of: a row for each provider of each IP, by name."""
    pressure, attempts = [], []
    for basis in fleet:
        first = max(basis.first, since)
        for _, days in sorted(basis.providers.items()):
            at = days.since(first)
            pressure.append(days.pressure[at:])
            attempts.append(days.attempts[at:])
    return pressure, attempts


def _judged(
    basis: Basis,
    excuses: Mapping[date, float],
    own: tuple[GateJudgement, GateJudgement, GateJudgement],
    by_provider: Iterator[GateJudgement],
    policy: GatePolicy,
) -> Judged:
    bounces, complaints, blocks = own
    deferrals = {name: next(by_provider) for name in sorted(basis.providers)}
    worst = _worst(deferrals)
    gates = {
        BOUNCES: bounces,
        COMPLAINTS: complaints,
        BLOCKS: blocks,
        DEFERRALS: deferrals[worst] if worst else GateJudgement(GateVerdict.INSUFFICIENT, 0, 0, 0.0),
    }
    if not excuses:
        return Judged(gates, deferrals, worst, frozenset(), ())
    excused = frozenset(excuses.keys() & basis.days.day)
    return Judged(gates, deferrals, worst, excused, _list_days(basis.mailed, excuses, policy))


def _worst(deferrals: Mapping[str, GateJudgement]) -> str | None:
    part = sum([one.messages for one in deferrals.values()]) * SMALL_PART
    great = [name for name, one in deferrals.items() if one.messages >= part]
    return min(great, key=lambda name: _badness(*deferrals[name]), default=None)


def _list_days(mailed: Days, excuses: Mapping[date, float], policy: GatePolicy) -> tuple[date, ...]:
    newest = [c for c in mailed if c.sent][-policy.recipient_list_days :]
    return tuple(c.day for c in newest if c.day in excuses and c.bounced >= policy.bounces.limit * c.sent)


def _badness(verdict: GateVerdict, bad: int, _messages: int, evidence: float) -> tuple[int, float, int]:
    return _RANK[verdict], -evidence, -bad


def _excuses(peers: Days, limit: float) -> dict[date, float]:
    """Days that do not speak against an IP up to a higher rate than the limit: what the others are proven to bounce."""
    proven = {
        day: proven_above(bounced, sent, limit)
        for day, bounced, sent in zip(peers.day, peers.bounced, peers.sent, strict=True)
        if bounced > limit * sent
    }
    return {day: rate for day, rate in proven.items() if rate > limit}
