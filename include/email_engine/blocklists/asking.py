"""Which questions a sweep asks, in which order and how fast: within each list's limits, and no more of a list that refuses us."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from email_engine.blocklists.judge import judge_answer
from email_engine.blocklists.model import BlockList, Listed, Lists, ListVerdict, NotKnown
from email_engine.blocklists.names import as_asked, can_be_asked, domain_question, listing_question
from email_engine.dns_answers import Found, Question, ResolveMany, redact
from email_engine.fleet.model import IpAddress

Subject = IpAddress | str
Pair = tuple[Any, str]
"""A `Subject` and the name of a list."""

CHUNK = 100
"""Subjects asked at a time: after each chunk a list that refuses us is left alone."""

REASON_LENGTH = 300

Pause = Callable[[float], None]


def wanted_of(
    subjects: Sequence[Subject], lists: Sequence[BlockList], asked_today: Mapping[str, int]
) -> tuple[dict[str, list[Subject]], dict[str, int]]:
    """What each list is asked about, in an order that does not depend on that of `subjects`, and how many its limit for the day leaves
    out: the day's sweeps go on where the last one ended."""
    wanted, left_out = {}, {}
    for x in lists:
        own = [one for one in dict.fromkeys(subjects) if may_ask(x, one)]
        own.sort(key=lambda one: (one.version, int(one), "") if not isinstance(one, str) else (0, 0, one))
        if x.limits.a_day is not None:
            done = asked_today.get(x.name, 0)
            room, start = max(x.limits.a_day - done, 0), done % len(own) if own else 0
            chosen = (own[start:] + own[:start])[:room]
            if len(chosen) < len(own):
                left_out[x.name] = len(own) - len(chosen)
            own = chosen
        wanted[x.name] = own
    return wanted, left_out


def may_ask(blocklist: BlockList, subject: Subject) -> bool:
    if isinstance(subject, str):
        return blocklist.lists is Lists.DOMAINS
    return blocklist.lists is Lists.IPS and can_be_asked(subject, blocklist.ipv6)


class Asker:
    def __init__(self, lists: Mapping[str, BlockList], keys: Mapping[str, str]) -> None:
        self.lists = lists
        self.keys = keys

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
        judged = {pair: judge_answer(self.lists[pair[1]], answers[q]) for pair, q in questions.items()}
        for (_, name), verdict in judged.items():
            if isinstance(verdict, NotKnown) and verdict.fault:
                faults.setdefault(name, verdict.reason)
        return unasked | judged

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
            pair: _clean(redact(" ".join(answer.records), *self.keys.values()))[:REASON_LENGTH]
            for pair, answer in found.items()
            if isinstance(answer, Found)
        }


def _clean(text: str) -> str:
    """Without what a terminal or a chat would obey: controls, marks of direction."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
