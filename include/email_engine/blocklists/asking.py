"""Which questions a sweep asks, in which order and how fast: within each list's limits, and no more of a list that refuses us."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from email_engine.blocklists.judge import judge_answer
from email_engine.blocklists.model import BlockList, Listed, Lists, ListVerdict, NotKnown
from email_engine.blocklists.names import as_asked, can_be_asked, domain_question, listing_question
from email_engine.dns_answers import Answer, Found, Question, ResolveMany, Trouble, redact
from email_engine.fleet.model import IpAddress

Subject = IpAddress | str
Pair = tuple[Any, str]
"""A `Subject` and the name of a list."""

CHUNK = 100
"""Subjects asked at a time: after each chunk a list that refuses us is left alone."""

REASON_LENGTH = 300

LONGEST_PACED = 300
"""Seconds that lists with a limit for a second may take in one sweep: more would keep what the other lists found from acting."""

FEWEST_SILENT, SILENT_RATE = 20, 0.5
"""So many questions of one chunk, and at least this share of a list's, unanswered: the list stopped answering us. Waiting for the
rest would outlast the sweep."""

Pause = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions that lists were asked before, by name: in this UTC `today`, which their limit for a day counts, and `ever`."""

    today: Mapping[str, int] = field(default_factory=dict)
    ever: Mapping[str, int] = field(default_factory=dict)


NOTHING_ASKED = Asked()


def wanted_of(
    subjects: Sequence[Subject], lists: Sequence[BlockList], asked: Asked
) -> tuple[dict[str, list[Subject]], dict[str, int]]:
    """What each list is asked about, in an order that does not depend on that of `subjects`, and how many its limits leave out: the
    next sweep goes on where the last one ended, on whichever day that is. An operator counts the questions of a key, whichever of
    the key's lists they go to."""
    wanted, left_out = {}, {}
    spent = Counter[str]()
    for x in lists:
        spent[x.key or x.name] += asked.today.get(x.name, 0)
    for x in lists:
        own = [one for one in dict.fromkeys(subjects) if may_ask(x, one)]
        own.sort(key=lambda one: (one.version, int(one), "") if not isinstance(one, str) else (0, 0, one))
        rooms = [] if x.limits.a_day is None else [max(x.limits.a_day - spent[x.key or x.name], 0)]
        rooms += [] if x.limits.a_second is None else [x.limits.a_second * LONGEST_PACED]
        if rooms and min(rooms) < len(own):
            start = asked.ever.get(x.name, 0) % len(own)
            left_out[x.name] = len(own) - min(rooms)
            own = (own[start:] + own[:start])[: min(rooms)]
        wanted[x.name] = own
        spent[x.key or x.name] += len(own)
    return wanted, left_out


def may_ask(blocklist: BlockList, subject: Subject) -> bool:
    if isinstance(subject, str):
        return blocklist.lists is Lists.DOMAINS
    return blocklist.lists is Lists.IPS and can_be_asked(subject, blocklist.ipv6)


class Asker:
    def __init__(self, lists: Mapping[str, BlockList], keys: Mapping[str, str]) -> None:
        self.lists = lists
        self.keys = keys
        self.sent: Counter[str] = Counter()
        """Questions that were really sent, by name of the list."""

    def question(self, pair: Pair, rdtype: str = "A") -> Question:
        zone = self.lists[pair[1]].zone_to_ask(self.keys)
        if zone is None:
            raise ValueError(f"list {pair[1]} cannot be asked without its key")
        if isinstance(pair[0], str):
            return domain_question(pair[0], zone, rdtype)
        return listing_question(as_asked(pair[0]), zone, rdtype)

    def ask_all(
        self, wanted: Mapping[str, Sequence[Subject]], ask: ResolveMany, pause: Pause
    ) -> tuple[dict[Pair, ListVerdict], dict[str, str]]:
        """Verdicts by pair, and why a list refused us. The answers in hand count; after a refusal nothing more is asked of that list.
        Lists with a limit for a second come last, each asked so much a second."""
        verdicts: dict[Pair, ListVerdict] = {}
        faults: dict[str, str] = {}
        paced = {name: n for name, x in self.lists.items() if (n := x.limits.a_second) is not None}
        for names, slow in (
            ([n for n in wanted if n not in paced], False),
            ([n for n in wanted if n in paced], True),
        ):
            places = dict.fromkeys(names, 0)
            while chunk := [
                (subject, name)
                for name in names
                for subject in wanted[name][places[name] : places[name] + paced.get(name, CHUNK)]
            ]:
                began = time.monotonic()
                verdicts |= self._ask(chunk, ask, faults)
                places = {name: place + paced.get(name, CHUNK) for name, place in places.items()}
                if slow and any(
                    place < len(wanted[name]) for name, place in places.items() if name not in faults
                ):
                    pause(max(0.0, 1 - (time.monotonic() - began)))
        return verdicts, faults

    def _ask(
        self, pairs: Sequence[Pair], ask: ResolveMany, faults: dict[str, str]
    ) -> dict[Pair, ListVerdict]:
        """One chunk; refusals are added to `faults`."""
        questions = {pair: self.question(pair) for pair in pairs if pair[1] not in faults}
        unasked: dict[Pair, ListVerdict] = {
            pair: NotKnown(f"not asked any more: {faults[pair[1]]}")
            for pair in pairs
            if pair not in questions
        }
        answers = ask(questions.values())
        self.sent.update(name for _, name in questions)
        judged = {pair: judge_answer(self.lists[pair[1]], answers[q]) for pair, q in questions.items()}
        for (_, name), verdict in judged.items():
            if isinstance(verdict, NotKnown) and verdict.fault:
                faults.setdefault(name, verdict.reason)
        silent = Counter(name for (_, name), verdict in judged.items() if _is_silent(verdict))
        for name, count in silent.items():
            of = sum(1 for _, other in judged if other == name)
            if count >= FEWEST_SILENT and count >= SILENT_RATE * of:
                faults.setdefault(name, f"{count} of {of} questions were not answered")
        return unasked | judged

    def can_ask(self, name: str) -> bool:
        return name in self.lists and self.lists[name].zone_to_ask(self.keys) is not None

    def _answers(
        self, pairs: Iterable[Pair], rdtype: str, ask: ResolveMany, pause: Pause
    ) -> dict[Pair, Answer]:
        """Of all pairs, within the limits for a second."""
        left, found = list(pairs), dict[Pair, Answer]()
        while left:
            room = {name: n for name, x in self.lists.items() if (n := x.limits.a_second) is not None}
            now, later = list[Pair](), list[Pair]()
            for pair in left:
                room[pair[1]] = room.get(pair[1], len(left)) - 1
                (now if room[pair[1]] >= 0 else later).append(pair)
            questions = {pair: self.question(pair, rdtype) for pair in now}
            answers = ask(questions.values())
            self.sent.update(name for _, name in now)
            found |= {pair: answers[question] for pair, question in questions.items()}
            left = later
            if left:
                pause(1)
        return found

    def confirm(self, new: Mapping[Pair, Listed], ask: ResolveMany, pause: Pause) -> dict[Pair, ListVerdict]:
        answers = self._answers([pair for pair in new if self.can_ask(pair[1])], "A", ask, pause)
        verdicts: dict[Pair, ListVerdict] = {}
        for pair, first in new.items():
            if pair not in answers:
                verdicts[pair] = NotKnown("not confirmed: the list cannot be asked any more")
                continue
            second = judge_answer(self.lists[pair[1]], answers[pair])
            if isinstance(second, Listed) and second.codes == first.codes:
                verdicts[pair] = first
            else:
                differs = second.reason if isinstance(second, NotKnown) else "the second answer differs"
                verdicts[pair] = NotKnown(f"not confirmed: {differs}")
        return verdicts

    def reasons(self, pairs: Sequence[Pair], ask: ResolveMany, pause: Pause) -> dict[Pair, str]:
        found = self._answers(pairs, "TXT", ask, pause)
        return {
            pair: _clean(redact(" ".join(answer.records), *self.keys.values()))[:REASON_LENGTH]
            for pair, answer in found.items()
            if isinstance(answer, Found)
        }


def _is_silent(verdict: ListVerdict) -> bool:
    return isinstance(verdict, NotKnown) and verdict.reason in (Trouble.TIMEOUT, Trouble.UNREACHABLE)


def _clean(text: str) -> str:
    """Without what a terminal or a chat would obey: controls, marks of direction."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
