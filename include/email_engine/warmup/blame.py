"""Whose fault proven rates are: a mailbox provider's that refuses or complains alone, the stream's, or the IP's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from email_engine.fleet.traffic import NO_DAYS, Days
from email_engine.reputation.carrying import Carrying, carrying
from email_engine.reputation.complaints import on_days_of_mail
from email_engine.reputation.counted import Basis, Row, block_rows, complaint_rows, together
from email_engine.reputation.evidence import GateVerdict, judge
from email_engine.reputation.gates import BLOCKS, BOUNCES, COMPLAINTS, SCORED, Gate, Judged
from email_engine.warmup.observation import IpObservation
from email_engine.warmup.peers import RECIPIENT_LIST, bad_of, stream_kinds
from email_engine.warmup.policy import Policy

_KINDS = {BOUNCES: RECIPIENT_LIST, COMPLAINTS: COMPLAINTS, BLOCKS: BLOCKS}


class Whose(StrEnum):
    PROVIDER = "provider"
    STREAM = "stream"
    IP = "ip"


@dataclass(frozen=True, slots=True)
class Charge:
    """One proven rate. `row`: the days that it is of; `carried`: by which days."""

    gate: str
    whose: Whose
    row: Row
    carried: Carrying

    def extreme(self, policy: Policy) -> bool:
        """Was a day that proves it by itself far above the limit?"""
        gate: Gate = getattr(policy.gates, self.gate)
        return self.carried.rate >= policy.varying_days.extreme * gate.limit

    def lesser(self, policy: Policy) -> bool:
        """One bad day alone, and not an extreme one."""
        return not self.carried.several and not self.extreme(policy)


def charges(seen: IpObservation, basis: Basis, judged: Judged, policy: Policy) -> tuple[Charge, ...]:
    """The proven rates of an IP, worst cause first: its own, then its stream's, then a provider's."""
    proven = [gate for gate in SCORED if judged.gates[gate].verdict is GateVerdict.REGRESS]
    if not proven:
        return ()
    order = (Whose.IP, Whose.STREAM, Whose.PROVIDER)
    found = [_charge(gate, seen, basis, judged, policy) for gate in proven]
    return tuple(sorted(found, key=lambda charge: order.index(charge.whose)))


def _charge(gate: str, seen: IpObservation, basis: Basis, judged: Judged, policy: Policy) -> Charge:
    rule: Gate = getattr(policy.gates, gate)
    if gate == BOUNCES:
        row = Row(basis.days.day, basis.days.failed, basis.days.sent)
        limits = [judged.excused.get(day, rule.limit) for day in row.day]
    else:
        rows = complaint_rows(basis, policy.gates.complaint_days) if gate == COMPLAINTS else block_rows(basis)
        row = together(rows)
        limits = [rule.limit] * len(row.day)
    within = timedelta(days=policy.varying_days.within_days - 1)
    carried = carrying(row.day, row.bad, row.messages, limits, rule.stop, within)
    above = [day for day, bad, messages in zip(*row, strict=True) if bad and bad >= rule.limit * messages]
    whose = Whose.IP
    if _confined(gate, basis, judged, policy):
        whose = Whose.PROVIDER
    elif gate == BOUNCES and not _list_alone(basis, judged, policy):
        whose = Whose.IP
    elif _stream_shows(_KINDS[gate], seen, carried.days or above, policy):
        whose = Whose.STREAM
    return Charge(gate, whose, row, carried)


def _confined(gate: str, basis: Basis, judged: Judged, policy: Policy) -> bool:
    """Is it proven of providers with no more than the policy's part of the mail, and not of the rest?"""
    if gate not in judged.rest or judged.rest[gate].verdict is GateVerdict.REGRESS:
        return False
    sent = provider_sent(basis.providers, basis.first)
    part = sum(sent.get(name, 0) for name in judged.refusing(gate))
    return part <= policy.suspend.most * sum(sent.values())


def provider_sent(providers: Mapping[str, Days], first: date) -> dict[str, int]:
    """Messages by provider that came to an end since a day."""
    return {name: sum(days.sent[days.since(first) :]) for name, days in providers.items()}


def _list_alone(basis: Basis, judged: Judged, policy: Policy) -> bool:
    """Is nothing proven without the bounces that speak of addresses or content?"""
    gate, days = policy.gates.bounces, basis.days
    other = [max(failed - listed, 0) for failed, listed in zip(days.failed, days.recipient_list, strict=True)]
    limits = {0: [judged.excused.get(day, gate.limit) for day in days.day]} if judged.excused else None
    row = Days.of(days).sent
    (apart,) = judge([type(row)("q", other)], [row], gate.limit, gate.stop, policy.gates.confidence, limits)
    return apart.verdict is not GateVerdict.REGRESS


def _stream_shows(kind: str, seen: IpObservation, days: Sequence[date], policy: Policy) -> bool:
    """Do the others of the stream, without the worst of them, show it too on the days that convince? One that is alone is its stream."""
    if not sum(seen.peers.sent_on(day) for day in days):
        return True
    others = seen.risen.get(kind, NO_DAYS)
    by_day = (
        on_days_of_mail(others, policy.gates.complaint_days) if kind == COMPLAINTS else bad_of(kind, others)
    )
    bad = sum(count for day, count in zip(others.day, by_day, strict=True) if day in days)
    sent = sum(others.sent_on(day) for day in days)
    return sent > 0 and bad >= stream_kinds(policy.gates)[kind] * sent
