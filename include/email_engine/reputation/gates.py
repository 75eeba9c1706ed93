"""The gates: what an IP's mail says about it, each as a verdict; and whether its whole stream bounces.

Which replies count for what (facts: deliverability, sections 3 and 4): bounces that blame the sender's reputation for the block
gate, every other bounce for the bounce gate, deferrals that speak of rate or reputation for the deferral gate of each provider, complaints
only of providers that report any."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from email_engine.fleet.traffic import Days
from email_engine.reputation.counted import (
    Basis,
    Counted,
    block_rows,
    blocked_of,
    complained_of,
    complaint_rows,
    pressing_of,
    together,
)
from email_engine.reputation.evidence import (
    GateJudgement,
    ever_above,
    judge,
    judge_table,
    proven_above,
)
from email_engine.reputation.provider_days import ProviderDays
from email_engine.reputation.provider_judgements import FleetJudgements

BOUNCES, COMPLAINTS, BLOCKS, DEFERRALS = "bounces", "complaints", "blocks", "deferrals"
T = TypeVar("T")
GATES = (BOUNCES, COMPLAINTS, BLOCKS, DEFERRALS)
SCORED = (BOUNCES, COMPLAINTS, BLOCKS)
FEWEST = 3
"""Fewer complaints or blocks at one provider prove no rate, whatever they are of."""
NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({})


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


class Judged(NamedTuple):
    """`gates`: by name, `deferrals` being the worst provider's (`worst_provider`) and `complaints` those of the providers that report,
    together; `providers`: by gate and mailbox provider, complaints and blocks only where there are any; `rest`: complaints and
    blocks without the providers that regress there.

    `refused_by`: by gate, the providers that are proven bad, where there are any. `excused`: days on which the others of the stream are proven to bounce too, with the rate up to which; `recipient_list_days`: those of the last days of
    mail on which the IP itself bounced with them, that is a bad recipient list."""

    gates: Mapping[str, GateJudgement]
    providers: Mapping[str, Mapping[str, GateJudgement]]
    rest: Mapping[str, GateJudgement]
    worst_provider: str | None
    excused: Mapping[date, float]
    recipient_list_days: tuple[date, ...]
    refused_by: Mapping[str, tuple[str, ...]]

    def refusing(self, gate: str) -> tuple[str, ...]:
        """Providers that are proven bad by this gate."""
        return self.refused_by.get(gate, ())


def judge_gates(
    fleet: Sequence[Basis], policy: GatePolicy, last: date, rows: ProviderDays | None = None
) -> list[Judged]:
    """Judges each IP at the end of the UTC day `last`; no mail is later. `rows`: the days by provider of `fleet`, where they stand side
    by side already."""
    limit = policy.bounces.limit
    peers = [basis.peers for basis in fleet]
    worse = ever_above([days.failed for days in peers], [days.sent for days in peers], limit)
    excuses = [_excuses(days, limit) if bad else {} for days, bad in zip(peers, worse, strict=True)]
    bearable = {
        place: [borne.get(day, limit) for day in basis.days.day]
        for place, (basis, borne) in enumerate(zip(fleet, excuses, strict=True))
        if borne
    }
    failed, sent = [basis.days.failed for basis in fleet], [basis.days.sent for basis in fleet]
    bounces = _judge(judge, failed, sent, policy.bounces, policy, bearable)
    rows = rows or ProviderDays([basis.providers for basis in fleet])
    complained, blocked = complained_of(rows, fleet, policy.complaint_days), blocked_of(rows, fleet)
    pressing = pressing_of(rows, fleet, last - timedelta(days=policy.deferral_days - 1))
    complaints = _judge(judge_table, *complained.together, policy.complaints, policy).all()
    blocks = _judge(judge_table, *blocked.together, policy.blocks, policy).all()
    by_gate = {
        COMPLAINTS: _by_provider(rows, complained, policy.complaints, policy, FEWEST),
        BLOCKS: _by_provider(rows, blocked, policy.blocks, policy, FEWEST),
        DEFERRALS: _by_provider(rows, pressing, policy.deferrals, policy, 0),
    }
    worst = by_gate[DEFERRALS].worst()
    refused_by: dict[int, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for gate, every in by_gate.items():
        for place, names in every.refusing().items():
            refused_by[place][gate] = names
    return [
        _judged(
            basis, borne, worst_provider,
            dict(zip(GATES, (*whole, deferrals), strict=True)),
            dict(zip(by_gate, providers, strict=True)),
            refused_by.get(place, NONE), policy,
        )
        for place, (basis, borne, (worst_provider, deferrals), whole, providers) in enumerate(
            zip(
                fleet, excuses, worst, zip(bounces, complaints, blocks, strict=True),
                zip(*(every.by_ip() for every in by_gate.values()), strict=True), strict=True,
            )
        )
    ]  # fmt: skip


def _judge(
    how: Callable[..., T],
    bad: Any,
    messages: Any,
    gate: Gate,
    policy: GatePolicy,
    bearable: Mapping[int, Sequence[float]] | None = None,
) -> T:
    return how(bad, messages, gate.limit, gate.stop, policy.confidence, bearable)


def _by_provider(
    rows: ProviderDays, counted: Counted, gate: Gate, policy: GatePolicy, fewest: int
) -> FleetJudgements:
    """Of those providers at which at least `fewest` are bad."""
    chosen = np.flatnonzero(counted.bad.sum(1) >= fewest)
    judged = _judge(judge_table, counted.bad[chosen], counted.messages[chosen], gate, policy)
    return FleetJudgements(rows, chosen, judged)


def _judged(
    basis: Basis,
    excuses: Mapping[date, float],
    worst: str | None,
    gates: Mapping[str, GateJudgement],
    providers: Mapping[str, Mapping[str, GateJudgement]],
    refused_by: Mapping[str, tuple[str, ...]],
    policy: GatePolicy,
) -> Judged:
    rest = {}
    for gate, bad in refused_by.items():
        if gate != DEFERRALS:
            rows = complaint_rows(basis, policy.complaint_days) if gate == COMPLAINTS else block_rows(basis)
            left = together(rows, bad)
            (rest[gate],) = _judge(judge, [left.bad], [left.messages], getattr(policy, gate), policy)
    if not excuses:
        return Judged(gates, providers, rest, worst, {}, (), refused_by)
    excused = {day: rate for day, rate in excuses.items() if day in basis.days.day}
    listed = _list_days(basis.mailed, excuses, policy)
    return Judged(gates, providers, rest, worst, excused, listed, refused_by)


def _list_days(mailed: Days, excuses: Mapping[date, float], policy: GatePolicy) -> tuple[date, ...]:
    newest = [c for c in mailed if c.sent][-policy.stream_days :]
    return tuple(
        c.day for c in newest if c.day in excuses and c.bounced - c.blocked >= policy.bounces.limit * c.sent
    )


def _excuses(peers: Days, limit: float) -> dict[date, float]:
    """Days that do not speak against an IP up to a higher rate than the limit: what the others are proven to bounce."""
    proven = {
        day: proven_above(failed, sent, limit)
        for day, failed, sent in zip(peers.day, peers.failed, peers.sent, strict=True)
        if failed > limit * sent
    }
    return {day: rate for day, rate in proven.items() if rate > limit}
