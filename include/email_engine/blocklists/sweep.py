"""One sweep: probe the lists, ask about every IP, hold what is too much to believe, and ask again about what is new.

The effects come in as arguments: `ask` and `ask_again` resolve questions (the second preferably another resolver). Between
the two rounds `confirm_after` passes; whoever calls lets it pass. What is asked about is an IP, or for lists of domains a name: a
`Subject`."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from email_engine.blocklists.asking import NOTHING_ASKED, Asked, Asker, Pair, Pause, Subject, wanted_of
from email_engine.blocklists.judge import judge_probe
from email_engine.blocklists.model import (
    BlockList,
    Health,
    Listed,
    Lists,
    ListStatus,
    ListVerdict,
    NotKnown,
)
from email_engine.blocklists.names import (
    ProbeQuestions,
    probe_questions,
)
from email_engine.dns_answers import ResolveMany
from email_engine.dnsauth.organisation import listed_organisation

DOMAIN_LISTED, DOMAIN_NOT_LISTED = ("test",), ("invalid",)
"""Test names of lists of domains (RFC 5782 section 5)."""


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

    `asked`, `held`, `faults`, `left_out`: see SweepResult."""

    verdicts: Mapping[Pair, ListVerdict]
    new: Mapping[Pair, Listed]
    asked: Mapping[str, int]
    held: Mapping[str, int]
    faults: Mapping[str, str]
    left_out: Mapping[str, int] = field(default_factory=dict)

    def answered(self) -> frozenset[Any]:
        """The subjects about which a believed list said yes or no for good."""
        final = (
            pair for pair, v in self.verdicts.items() if not isinstance(v, NotKnown) and pair not in self.new
        )
        return frozenset(subject for subject, _ in final)

    def unknown(self) -> dict[str, int]:
        """How many subjects each list left unknown; lists without any are absent."""
        return _unknown(self.verdicts)


@dataclass(frozen=True, slots=True)
class SweepResult:
    """`verdicts` are final: a `Listed` in it is confirmed or was open with the same codes before.

    `reasons`: the TXT record of newly listed pairs. `asked`: questions that each list was asked. `held`: lists whose new listings
    (number) are not believed. `faults`: lists that refused us on the way. `left_out`: subjects that a list's limit for the day left
    unasked."""

    verdicts: Mapping[Pair, ListVerdict]
    reasons: Mapping[Pair, str] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    def unknown(self) -> dict[str, int]:
        """How many subjects each list left unknown; lists without any are absent."""
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
            four = _probe_of(x, zone, random_label)
            probes[x.name] = (x, four, probe_questions(zone, random_label, ipv6=True) if x.ipv6 else None)
    wanted = [q for _, four, six in probes.values() for probe in (four, six) if probe for q in probe.all()]
    answers = ask(wanted)
    return tuple(
        replace(judge_probe(x, four, answers), ipv6=six is not None and judge_probe(x, six, answers).healthy)
        for x, four, six in probes.values()
    )


def _probe_of(blocklist: BlockList, zone: str, random_label: str) -> ProbeQuestions:
    own, domains = blocklist.probe, blocklist.lists is Lists.DOMAINS
    return probe_questions(
        zone,
        random_label,
        present=own.present or (DOMAIN_LISTED if domains else ()),
        absent=own.absent or (DOMAIN_NOT_LISTED if domains else ()),
    )


def believed(lists: Sequence[BlockList], healthy: Collection[str], ipv6: Collection[str]) -> list[BlockList]:
    """The lists a sweep may ask, by name; those not in `ipv6` are asked about IPv4 alone."""
    return [replace(x, ipv6=x.name in ipv6) for x in lists if x.name in healthy]


def sweep(
    subjects: Sequence[Subject],
    lists: Sequence[BlockList],
    keys: Mapping[str, str],
    open_codes: Mapping[Pair, tuple[str, ...]],
    ask: ResolveMany,
    ask_again: ResolveMany,
    wait: Callable[[], None],
    guard: BlastRadius = BlastRadius(),
    pause: Pause = time.sleep,
) -> SweepResult:
    """Both rounds at once; `wait` lets `confirm_after` pass where something is new."""
    first = first_round(subjects, lists, keys, open_codes, ask, guard, pause=pause)
    verdicts, reasons = dict(first.verdicts), dict[Pair, str]()
    if first.new:
        wait()
        second, reasons, _ = second_round(first.new, lists, keys, ask_again, pause)
        verdicts |= second
    return SweepResult(verdicts, reasons, first.asked, first.held, first.faults, first.left_out)


def first_round(
    subjects: Sequence[Subject],
    lists: Sequence[BlockList],
    keys: Mapping[str, str],
    open_codes: Mapping[Pair, tuple[str, ...]],
    ask: ResolveMany,
    guard: BlastRadius = BlastRadius(),
    before: Asked = NOTHING_ASKED,
    pause: Pause = time.sleep,
) -> FirstRound:
    """Asks every healthy list of `lists` about every subject of its kind: IPs, or domains.

    Args:
        open_codes: the codes of the listings that are open now; a pair outside it that is listed is new.
        guard: what is too much to believe.
        before: questions that lists were asked already.
        pause: lets so many seconds pass, for lists with a limit for a second.
    """
    asker = Asker({x.name: x for x in lists}, keys)
    wanted, left_out = wanted_of(subjects, lists, before)
    verdicts, faults = asker.ask_all(wanted, ask, pause)
    new = {
        pair: verdict
        for pair, verdict in verdicts.items()
        if isinstance(verdict, Listed) and open_codes.get(pair) != verdict.codes
    }
    asked = {x.name: asker.sent[x.name] for x in lists}
    held = {}
    for name, all_of_list in wanted.items():
        newly_listed = [pair for pair in new if pair[1] == name and pair not in open_codes]
        count, of_list = _owners(pair[0] for pair in newly_listed), _owners(all_of_list)
        if guard.exceeded(count, of_list):
            held[name] = count
            for pair in newly_listed:
                verdicts[pair] = NotKnown(f"held: {count} of {of_list} newly listed at once")
                del new[pair]
    return FirstRound(verdicts, new, asked, held, faults, left_out)


def _owners(subjects: Iterable[Subject]) -> int:
    """IPs, or registered domains: a list that lists a domain lists every name below it, which is one listing."""
    return len({listed_organisation(one) if isinstance(one, str) else one for one in subjects})


def second_round(
    new: Mapping[Pair, Listed],
    lists: Sequence[BlockList],
    keys: Mapping[str, str],
    ask_again: ResolveMany,
    pause: Pause = time.sleep,
) -> tuple[dict[Pair, ListVerdict], dict[Pair, str], Mapping[str, int]]:
    """What is new counts only when it is answered twice with the same codes; a list that cannot be asked any more confirms
    nothing. Returns the verdict of each pair, the reasons (TXT) of the confirmed, and the questions that each list was asked."""
    asker = Asker({x.name: x for x in lists}, keys)
    verdicts = asker.confirm(new, ask_again, pause)
    confirmed = [pair for pair, verdict in verdicts.items() if isinstance(verdict, Listed)]
    return verdicts, asker.reasons(confirmed, ask_again, pause), asker.sent
