"""The gates: what an IP's mail says about it, each as a verdict; and whether its whole stream bounces.

Which replies count for what (facts: deliverability, sections 3 and 4): bounces that blame the sender's reputation for the block
gate, every other bounce for the bounce gate, deferrals that speak of rate or reputation for the deferral gate of each provider, complaints
only of providers that report any."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from email_engine.fleet.traffic import Column, Days, column
from email_engine.reputation.complaints import on_days_of_mail, reporting
from email_engine.reputation.evidence import GateJudgement, GateVerdict, ever_above, judge, proven_above

BOUNCES, COMPLAINTS, BLOCKS, DEFERRALS = "bounces", "complaints", "blocks", "deferrals"
GATES = (BOUNCES, COMPLAINTS, BLOCKS, DEFERRALS)
SCORED = (BOUNCES, COMPLAINTS, BLOCKS)
EVERY = "*"
FEWEST = 3
"""Fewer complaints or blocks at one provider prove no rate, whatever they are of."""
NOTHING = column((0,))
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
    """`deferral_days`: how far back deferrals count; `complaint_days`: how late complaints come; `confidence`: of a `pass`; `stream_days`: last
    days of a stream's mail that tell of its problems."""

    bounces: Gate
    complaints: Gate
    blocks: Gate
    deferrals: Gate
    deferral_days: int
    complaint_days: int
    confidence: float
    stream_days: int

    @property
    def scored(self) -> Mapping[str, float]:
        """Limits by gate of what the score is made of; deferrals slow their provider and are not charged again."""
        return {name: getattr(self, name).limit for name in SCORED}


@dataclass(frozen=True, slots=True)
class Judged:
    """`gates`: by name, `deferrals` being the worst provider's (`worst_provider`) and `complaints` those of the providers that report,
    together; `providers`: by gate and mailbox provider, complaints and blocks only where there are any; `rest`: complaints and
    blocks without the providers that regress there.

    `excused`: days on which the others of the stream are proven to bounce too, with the rate up to which; `recipient_list_days`: those of the last days of
    mail on which the IP itself bounced with them, that is a bad recipient list."""

    gates: Mapping[str, GateJudgement]
    providers: Mapping[str, Mapping[str, GateJudgement]]
    rest: Mapping[str, GateJudgement]
    worst_provider: str | None
    excused: Mapping[date, float]
    recipient_list_days: tuple[date, ...]

    def refusing(self, gate: str) -> tuple[str, ...]:
        """Providers that are proven bad by this gate."""
        return tuple(
            name for name, judged in self.providers[gate].items() if judged.verdict is GateVerdict.REGRESS
        )


class Basis(NamedTuple):
    """What one IP is judged by. `first`: the UTC day from which its mail counts; `days`: its days from then on; `complaints_first`: the
    day from which complaints count, which come late; `mailed`: days that may tell of a bad recipient list; `providers`: its days by
    mailbox provider, all of them under `other` where nobody knows; `reporting`: providers that ever report complaints, None where
    nobody knows; `peers`: the other IPs of its stream, summed by day."""

    first: date
    days: Days
    complaints_first: date
    mailed: Days
    providers: Mapping[str, Days]
    reporting: frozenset[str] | None
    peers: Days


class Row(NamedTuple):
    """Days of one IP at one provider, or together: `bad` of `messages`; `day` names them."""

    day: Sequence[date]
    bad: Column
    messages: Column


def judge_gates(fleet: Sequence[Basis], policy: GatePolicy, last: date) -> list[Judged]:
    """Judges each IP at the end of the UTC day `last`; no mail is later."""
    limit = policy.bounces.limit
    peers = [basis.peers for basis in fleet]
    worse = ever_above([days.failed for days in peers], [days.sent for days in peers], limit)
    excuses = [_excuses(days, limit) if bad else {} for days, bad in zip(peers, worse, strict=True)]
    bearable = {
        place: [borne.get(day, limit) for day in basis.days.day]
        for place, (basis, borne) in enumerate(zip(fleet, excuses, strict=True))
        if borne
    }
    failed = [Row(basis.days.day, basis.days.failed, basis.days.sent) for basis in fleet]
    bounces = _answers(failed, policy.bounces, policy, bearable)
    complained = [complaint_rows(basis, policy) for basis in fleet]
    blocked = [block_rows(basis) for basis in fleet]
    by_gate = {
        COMPLAINTS: _by_provider(complained, policy.complaints, policy),
        BLOCKS: _by_provider(blocked, policy.blocks, policy),
        DEFERRALS: _by_provider(
            [pressure_rows(basis, last - timedelta(days=policy.deferral_days - 1)) for basis in fleet],
            policy.deferrals,
            policy,
        ),
    }
    complaints = _answers([together(rows) for rows in complained], policy.complaints, policy)
    blocks = _answers([together(rows) for rows in blocked], policy.blocks, policy)
    return [
        _judged(
            basis,
            borne,
            {BOUNCES: next(bounces), COMPLAINTS: next(complaints), BLOCKS: next(blocks)},
            {gate: by_gate[gate][place] for gate in by_gate},
            {COMPLAINTS: complained[place], BLOCKS: blocked[place]},
            policy,
        )
        for place, (basis, borne) in enumerate(zip(fleet, excuses, strict=True))
    ]


def complaint_rows(basis: Basis, policy: GatePolicy) -> dict[str, Row]:
    """Complaints of delivered messages by provider that reports."""
    found = {}
    for name in reporting(basis.providers, basis.reporting):
        days = basis.providers[name]
        at = days.since(basis.complaints_first)
        complained = on_days_of_mail(days, policy.complaint_days)
        found[name] = Row(days.day[at:], complained[at:], days.delivered[at:])
    return found


def block_rows(basis: Basis) -> dict[str, Row]:
    """Blocks of messages that came to an end, by provider; under one name for all where there are none."""
    found: dict[str, Row] = {}
    if not any(basis.days.blocked):
        return {EVERY: Row((), NOTHING, column((sum(basis.days.sent),)))}
    for name, days in basis.providers.items():
        at = days.since(basis.first)
        found[name] = Row(days.day[at:], days.blocked[at:], days.sent[at:])
    return found


def pressure_rows(basis: Basis, since: date) -> dict[str, Row]:
    """Deferrals and blocks, and the attempts that they are of, by provider."""
    found = {}
    for name, days in sorted(basis.providers.items()):
        at = days.since(max(basis.first, since))
        found[name] = Row(days.day[at:], days.pressure[at:], days.attempts[at:])
    return found


def together(rows: Mapping[str, Row], but: Collection[str] = ()) -> Row:
    """The sum of several providers by day; where nothing is bad, one row of all messages says the same."""
    some = [row for name, row in rows.items() if name not in but]
    if len(some) == 1:
        return some[0]
    if not any(map(any, [row.bad for row in some])):
        return Row((), NOTHING, column((sum([sum(row.messages) for row in some]),)))
    first = some[0].day
    if all(map(first.__eq__, [row.day for row in some])):
        wrong, whole = (
            column(map(sum, zip(*columns, strict=True)))
            for columns in ([row.bad for row in some], [row.messages for row in some])
        )
        return Row(first, wrong, whole)
    sums: dict[date, list[int]] = defaultdict(lambda: [0, 0])
    for row in some:
        for day, bad, messages in zip(*row, strict=True):
            sums[day][0] += bad
            sums[day][1] += messages
    days = sorted(sums)
    return Row(days, column(sums[day][0] for day in days), column(sums[day][1] for day in days))


def _answers(
    rows: Sequence[Row],
    gate: Gate,
    policy: GatePolicy,
    bearable: Mapping[int, Sequence[float]] | None = None,
) -> Iterator[GateJudgement]:
    bad, messages = [row.bad for row in rows], [row.messages for row in rows]
    return iter(judge(bad, messages, gate.limit, gate.stop, policy.confidence, bearable))


def _by_provider(
    fleet: Sequence[Mapping[str, Row]], gate: Gate, policy: GatePolicy
) -> list[dict[str, GateJudgement]]:
    """Of those providers at which enough is bad to prove anything, and for deferrals of all."""
    every = gate is policy.deferrals
    places = [
        (place, name, row)
        for place, rows in enumerate(fleet)
        for name, row in rows.items()
        if every or sum(row.bad) >= FEWEST
    ]
    found: list[dict[str, GateJudgement]] = [{} for _ in fleet]
    answers = _answers([row for _, _, row in places], gate, policy)
    for (place, name, _), judged in zip(places, answers, strict=True):
        found[place][name] = judged
    return found


def _judged(
    basis: Basis,
    excuses: Mapping[date, float],
    gates: dict[str, GateJudgement],
    providers: Mapping[str, Mapping[str, GateJudgement]],
    rows: Mapping[str, Mapping[str, Row]],
    policy: GatePolicy,
) -> Judged:
    worst = _worst(providers[DEFERRALS])
    gates[DEFERRALS] = (
        providers[DEFERRALS][worst] if worst else GateJudgement(GateVerdict.INSUFFICIENT, 0, 0, 0.0)
    )
    rest = {}
    for gate in (COMPLAINTS, BLOCKS):
        bad = [n for n, one in providers[gate].items() if one.verdict is GateVerdict.REGRESS]
        if bad:
            rest[gate] = next(_answers([together(rows[gate], bad)], getattr(policy, gate), policy))
    if not excuses:
        return Judged(gates, providers, rest, worst, {}, ())
    excused = {day: rate for day, rate in excuses.items() if day in basis.days.day}
    return Judged(gates, providers, rest, worst, excused, _list_days(basis.mailed, excuses, policy))


def _worst(deferrals: Mapping[str, GateJudgement]) -> str | None:
    part = sum([one.messages for one in deferrals.values()]) * SMALL_PART
    great = [name for name, one in deferrals.items() if one.messages >= part]
    return min(great, key=lambda name: _badness(*deferrals[name]), default=None)


def _list_days(mailed: Days, excuses: Mapping[date, float], policy: GatePolicy) -> tuple[date, ...]:
    newest = [c for c in mailed if c.sent][-policy.stream_days :]
    return tuple(
        c.day for c in newest if c.day in excuses and c.bounced - c.blocked >= policy.bounces.limit * c.sent
    )


def _badness(verdict: GateVerdict, bad: int, _messages: int, evidence: float) -> tuple[int, float, int]:
    return _RANK[verdict], -evidence, -bad


def _excuses(peers: Days, limit: float) -> dict[date, float]:
    """Days that do not speak against an IP up to a higher rate than the limit: what the others are proven to bounce."""
    proven = {
        day: proven_above(failed, sent, limit)
        for day, failed, sent in zip(peers.day, peers.failed, peers.sent, strict=True)
        if failed > limit * sent
    }
    return {day: rate for day, rate in proven.items() if rate > limit}
