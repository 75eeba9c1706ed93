"""One sweep: probe the lists, ask about every IP, hold what is too much to believe, and ask again about what is new.

The effects come in as arguments: `ask` and `ask_again` resolve questions (the second preferably another resolver). Between
the two rounds `confirm_after` passes; whoever calls lets it pass."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from email_engine.blocklists.judge import judge_answer, judge_probe
from email_engine.blocklists.model import BlockList, Health, Listed, ListStatus, ListVerdict, NotKnown
from email_engine.blocklists.names import can_be_asked, listing_question, probe_questions
from email_engine.dns_answers import Found, Question, ResolveMany, redact
from email_engine.fleet.model import IpAddress

Pair = tuple[IpAddress, str]
"""An address and the name of a list."""

CHUNK = 100
"""Addresses asked at a time: after each chunk a list that refuses us is left alone."""

REASON_LENGTH = 300


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """More than `share_rate` of the fleet, and at least `at_least` IPs, newly listed by one list in one sweep: the list
    is more likely ill than the fleet (wildcards, whole-AS listings, spamcop.net in 2021)."""

    share_rate: float = 0.10
    at_least: int = 3

    def exceeded(self, newly_listed: int, asked: int) -> bool:
        return newly_listed >= self.at_least and newly_listed > self.share_rate * asked


@dataclass(frozen=True, slots=True)
class FirstRound:
    """`verdicts` are final but for the pairs of `new`: those count only when they are answered twice.

    `asked`, `held`, `faults`: see SweepResult."""

    verdicts: Mapping[Pair, ListVerdict]
    new: Mapping[Pair, Listed]
    asked: Mapping[str, int]
    held: Mapping[str, int]
    faults: Mapping[str, str]

    def answered(self) -> frozenset[IpAddress]:
        """The addresses about which a believed list said yes or no for good."""
        final = (
            pair for pair, v in self.verdicts.items() if not isinstance(v, NotKnown) and pair not in self.new
        )
        return frozenset(address for address, _ in final)

    def unknown(self) -> dict[str, int]:
        """How many addresses each list left unknown; lists without any are absent."""
        return _unknown(self.verdicts)


@dataclass(frozen=True, slots=True)
class SweepResult:
    """`verdicts` are final: a `Listed` in it is confirmed or was open with the same codes before.

    `reasons`: the TXT record of newly listed pairs. `asked`: addresses a list was asked about. `held`: lists whose new
    listings (number) are not believed. `faults`: lists that refused us on the way."""

    verdicts: Mapping[Pair, ListVerdict]
    reasons: Mapping[Pair, str] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def unknown(self) -> dict[str, int]:
        """How many addresses each list left unknown; lists without any are absent."""
        return _unknown(self.verdicts)


def _unknown(verdicts: Mapping[Pair, ListVerdict]) -> dict[str, int]:
    return dict(Counter(name for (_, name), verdict in verdicts.items() if isinstance(verdict, NotKnown)))


def probe_blocklists(
    lists: Sequence[BlockList], keys: Mapping[str, str], ask: ResolveMany, random_label: str
) -> tuple[Health, ...]:
    """The health of every list that can be asked; retired lists and lists without their key are left out."""
    probes = {}
    for x in lists:
        zone = x.zone_to_ask(keys) if x.status is ListStatus.ACTIVE else None
        if zone:
            four = probe_questions(zone, random_label)
            probes[x.name] = (x, four, probe_questions(zone, random_label, ipv6=True) if x.ipv6 else None)
    wanted = [q for _, four, six in probes.values() for probe in (four, six) if probe for q in probe.all()]
    answers = ask(wanted)
    return tuple(
        replace(judge_probe(x, four, answers), ipv6=six is not None and judge_probe(x, six, answers).healthy)
        for x, four, six in probes.values()
    )


def believed(lists: Sequence[BlockList], healthy: Collection[str], ipv6: Collection[str]) -> list[BlockList]:
    """The lists a sweep may ask, by name; those not in `ipv6` are asked about IPv4 alone."""
    return [replace(x, ipv6=x.name in ipv6) for x in lists if x.name in healthy]


def sweep(
    addresses: Sequence[IpAddress],
    lists: Sequence[BlockList],
    keys: Mapping[str, str],
    open_codes: Mapping[Pair, tuple[str, ...]],
    ask: ResolveMany,
    ask_again: ResolveMany,
    wait: Callable[[], None],
    guard: BlastRadius = BlastRadius(),
) -> SweepResult:
    """Both rounds at once; `wait` lets `confirm_after` pass where something is new."""
    first = first_round(addresses, lists, keys, open_codes, ask, guard)
    if not first.new:
        return SweepResult(first.verdicts, {}, first.asked, first.held, first.faults)
    wait()
    verdicts, reasons = second_round(first.new, lists, keys, ask_again)
    return SweepResult({**first.verdicts, **verdicts}, reasons, first.asked, first.held, first.faults)


def first_round(
    addresses: Sequence[IpAddress],
    lists: Sequence[BlockList],
    keys: Mapping[str, str],
    open_codes: Mapping[Pair, tuple[str, ...]],
    ask: ResolveMany,
    guard: BlastRadius = BlastRadius(),
) -> FirstRound:
    """Asks every healthy list of `lists` about every address.

    Args:
        open_codes: the codes of the listings that are open now; a pair outside it that is listed is new.
        guard: what is too much to believe.
    """
    asker = _Asker({x.name: x for x in lists}, keys)
    verdicts, faults = asker.ask_all(addresses, ask)
    new = {
        pair: verdict
        for pair, verdict in verdicts.items()
        if isinstance(verdict, Listed) and open_codes.get(pair) != verdict.codes
    }
    asked = {x.name: sum(1 for _, name in verdicts if name == x.name) for x in lists}
    held = {}
    for name, of_list in asked.items():
        newly_listed = [pair for pair in new if pair[1] == name and pair not in open_codes]
        if guard.exceeded(len(newly_listed), of_list):
            held[name] = len(newly_listed)
            for pair in newly_listed:
                verdicts[pair] = NotKnown(f"held: {len(newly_listed)} of {of_list} IPs newly listed at once")
                del new[pair]
    return FirstRound(verdicts, new, asked, held, faults)


def second_round(
    new: Mapping[Pair, Listed], lists: Sequence[BlockList], keys: Mapping[str, str], ask_again: ResolveMany
) -> tuple[dict[Pair, ListVerdict], dict[Pair, str]]:
    """What is new counts only when it is answered twice with the same codes; a list that cannot be asked any more confirms
    nothing. Returns the verdict of each pair, and the reasons (TXT) of the confirmed."""
    asker = _Asker({x.name: x for x in lists}, keys)
    verdicts = asker.confirm(new, ask_again)
    confirmed = [pair for pair, verdict in verdicts.items() if isinstance(verdict, Listed)]
    return verdicts, asker.reasons(confirmed, ask_again)


class _Asker:
    def __init__(self, lists: Mapping[str, BlockList], keys: Mapping[str, str]) -> None:
        self.lists = lists
        self.keys = keys

    def question(self, pair: Pair, rdtype: str = "A") -> Question:
        zone = self.lists[pair[1]].zone_to_ask(self.keys)
        if zone is None:
            raise ValueError(f"list {pair[1]} cannot be asked without its key")
        return listing_question(pair[0], zone, rdtype)

    def ask_all(
        self, addresses: Sequence[IpAddress], ask: ResolveMany
    ) -> tuple[dict[Pair, ListVerdict], dict[str, str]]:
        verdicts: dict[Pair, ListVerdict] = {}
        faults: dict[str, str] = {}
        for chunk in _chunks(addresses):
            pairs = [(a, x.name) for a in chunk for x in self.lists.values() if can_be_asked(a, x.ipv6)]
            questions = {pair: self.question(pair) for pair in pairs if pair[1] not in faults}
            answers = ask(questions.values())
            judged = {pair: judge_answer(self.lists[pair[1]], answers[q]) for pair, q in questions.items()}
            for (_, name), verdict in judged.items():
                if isinstance(verdict, NotKnown) and verdict.fault:
                    faults.setdefault(name, verdict.reason)
            for pair in pairs:
                verdicts[pair] = NotKnown(faults[pair[1]]) if pair[1] in faults else judged[pair]
        return verdicts, faults

    def can_ask(self, name: str) -> bool:
        return name in self.lists and self.lists[name].zone_to_ask(self.keys) is not None

    def confirm(self, new: Mapping[Pair, Listed], ask: ResolveMany) -> dict[Pair, ListVerdict]:
        questions = {pair: self.question(pair) for pair in new if self.can_ask(pair[1])}
        answers = ask(questions.values())
        verdicts: dict[Pair, ListVerdict] = {}
        for pair, first in new.items():
            if pair not in questions:
                verdicts[pair] = NotKnown("not confirmed: the list cannot be asked any more")
                continue
            second = judge_answer(self.lists[pair[1]], answers[questions[pair]])
            if isinstance(second, Listed) and second.codes == first.codes:
                verdicts[pair] = first
            else:
                verdicts[pair] = NotKnown("not confirmed: the second answer differs")
        return verdicts

    def reasons(self, pairs: Sequence[Pair], ask: ResolveMany) -> dict[Pair, str]:
        questions = {pair: self.question(pair, "TXT") for pair in pairs}
        answers = ask(questions.values())
        found = {pair: answers[question] for pair, question in questions.items()}
        return {
            pair: redact(" ".join(answer.records), *self.keys.values())[:REASON_LENGTH]
            for pair, answer in found.items()
            if isinstance(answer, Found)
        }


def _chunks(addresses: Sequence[IpAddress]) -> Iterator[Sequence[IpAddress]]:
    for start in range(0, len(addresses), CHUNK):
        yield addresses[start : start + CHUNK]
