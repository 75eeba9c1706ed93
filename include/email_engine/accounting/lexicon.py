"""What receivers mean by their replies: include/config/lexicon.yaml, replies.yaml and bounce_categories.yaml as one lexicon.

lexicon.yaml tells the order in which they are asked. All of it is data; each text stands in one of the files only, with a
sample that is its test."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from email_engine import paths
from email_engine.accounting import replies
from email_engine.accounting.bounds import quick
from email_engine.accounting.lexicon_file import Certainty, Text, Words, read_words
from email_engine.accounting.replies import BounceCategory, Meaning, Receiver
from email_engine.accounting.reply_text import MASK
from email_engine.fleet.config_file import load_config

VAGUE = frozenset({"spam-related", "policy-related", "other", "unknown", ""})
"""Categories of PowerMTA that tell of no text that somebody knows."""
_CONTINUED = re.compile(r"(?<![^ ;])([245][0-9][0-9])-")
_NAMES = re.compile(
    r"[^\s<>()\[\],;:]+@[^\s<>()\[\],;:]+|https?:[^\s<>]+|(?:[a-z0-9_-]+[.]){2,}[a-z]{2,}(?![a-z0-9])"
)
_CODE = re.compile(r"(?<![0-9.])[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")


@dataclass(frozen=True, slots=True)
class ReplyVerdict:
    """`known`: the text itself, or its status code, or a clear category told the meaning. `named`: the block list that the
    reply names, '' for none."""

    meaning: Meaning
    known: bool
    named: str


@dataclass(frozen=True, slots=True)
class _Rule:
    search: re.Pattern[str]
    meaning: Meaning
    named: str = ""


class Lexicon:
    """All files together; a verdict is the same for the same words. `vocabulary`: the words of all samples, between blanks."""

    def __init__(
        self, words: Words, receivers: Iterable[Receiver], categories: Iterable[BounceCategory]
    ) -> None:
        receivers, categories = tuple(receivers), tuple(categories)
        first_status = next((n for n, one in enumerate(categories) if one.is_status), len(categories))
        self._sure, self._free = (
            (
                *(
                    _Rule(quick(r.pattern), Meaning(r.means), r.list_name)
                    for one in receivers
                    for r in one.replies
                    if one.free_words is (certainty is Certainty.FREE)
                ),
                *_rules(t for t in words.texts if not t.at and t.certainty is certainty),
                *_rules(
                    one
                    for n, one in enumerate(categories)
                    if not one.is_status and (n > first_status) is (certainty is Certainty.FREE)
                ),
            )
            for certainty in (Certainty.SURE, Certainty.FREE)
        )
        self._last = _rules(t for t in words.texts if t.certainty is Certainty.LAST)
        samples = [*(t.sample for t in words.texts), *(c.sample for c in categories)]
        samples += [r.sample for one in receivers for r in one.replies]
        found = sorted({word for sample in samples for word in re.findall("[a-z]+", sample.lower())})
        self.vocabulary = f" {' '.join(found)} "
        self._at = {
            at: _rules(t for t in words.texts if t.at == at) for at in {t.at for t in words.texts if t.at}
        }
        self._answerers = tuple((quick(one.pattern), one.at) for one in words.answerers)
        self._statuses = words.statuses
        self._zones = tuple(quick(zone.pattern) for zone in words.zones)
        self._categories = {one.category: Meaning(one.category_means) for one in categories}

    def verdict(self, provider: str, text: str, category: str = "") -> ReplyVerdict:
        """What a reply means.

        Args:
            provider: the mailbox provider that answered.
            text: status code and reply in one, like `5.1.1 smtp;550 5.1.1 user unknown`; may be normalised.
            category: PowerMTA's `bounceCat`."""
        text, category = _CONTINUED.sub(r"\1 ", text.lower()), category.lower()
        sure = self._first(self._of_receiver(provider, text), text) or self._first(self._sure, text)
        if sure is not None:
            return sure
        if named := self._named(text):
            return ReplyVerdict(Meaning.REPUTATION, True, named)
        codes = list(dict.fromkeys(_CODE.findall(text)))
        by_category = self._categories.get(category, Meaning.UNKNOWN)
        clear = category not in VAGUE and by_category is not Meaning.UNKNOWN
        if (plain := self._of_status(codes, plain=True)) is not None:
            return ReplyVerdict(plain, True, "")
        if clear:
            return ReplyVerdict(by_category, True, "")
        bare = _NAMES.sub(MASK, text)
        if (free := self._first(self._free, bare)) is not None:
            return free
        specific = [code for code in codes if not code.endswith(".0")]
        if (broad := self._of_status(specific, plain=False)) is not None:
            return ReplyVerdict(broad, True, "")
        if (last := self._first(self._last, bare)) is not None:
            return last
        if (broad := self._of_status(codes, plain=False)) is not None:
            return ReplyVerdict(broad, True, "")
        return ReplyVerdict(by_category, False, "")

    def _of_receiver(self, provider: str, text: str) -> Iterator["_Rule"]:
        told = next((at for words, at in self._answerers if words.search(text)), provider)
        for one in dict.fromkeys((told, provider)):
            yield from self._at.get(one, ())

    def _first(self, rules: Iterable["_Rule"], text: str) -> ReplyVerdict | None:
        for rule in rules:
            if rule.search.search(text):
                lists = rule.meaning is Meaning.REPUTATION
                return ReplyVerdict(rule.meaning, True, (self._named(text) or rule.named) if lists else "")
        return None

    def _named(self, text: str) -> str:
        for zone in self._zones:
            if found := zone.search(text):
                return found[1]
        return ""

    def _of_status(self, codes: Iterable[str], *, plain: bool) -> Meaning | None:
        """What a code tells: `plain`, its own meaning; else what its subject or an unspecific detail does."""
        for code in codes:
            _, subject, detail = code.split(".")
            exact = self._statuses.get(f"x.{subject}.{detail}")
            known = (
                exact
                if plain and detail != "0"
                else None
                if plain
                else exact or self._statuses.get(f"x.{subject}")
            )
            if known:
                return Meaning(known)
        return None


def _rules(lines: "Iterable[Text | BounceCategory]") -> tuple[_Rule, ...]:
    return tuple(_Rule(quick(one.pattern), Meaning(one.means)) for one in lines)


@cache
def shipped_lexicon() -> Lexicon:
    """The files in include/config/, read once in a process."""
    receivers = load_config(paths.CONFIG / "replies.yaml", "file of replies", replies.read_receivers)
    categories = load_config(
        paths.CONFIG / "bounce_categories.yaml", "file of bounce categories", replies.read_categories
    )
    return Lexicon(shipped_words(), receivers, categories)


@cache
def shipped_words() -> Words:
    """include/config/lexicon.yaml."""
    return load_config(paths.CONFIG / "lexicon.yaml", "lexicon", read_words)
