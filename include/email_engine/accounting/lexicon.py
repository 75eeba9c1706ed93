"""What receivers mean by their replies: include/config/lexicon.yaml, replies.yaml and bounce_categories.yaml as one lexicon.

lexicon.yaml tells the order in which they are asked. All of it is data; each text stands in one of the files only, with a
sample that is its test."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from email_engine import paths
from email_engine.accounting import replies
from email_engine.accounting.bounds import quick
from email_engine.accounting.replies import BounceCategory, Meaning, Receiver
from email_engine.accounting.reply_text import MASK
from email_engine.fleet import names
from email_engine.fleet.config_file import load_config, parse_config
from email_engine.fleet.document import Section
from email_engine.fleet.mistakes import one_of
from email_engine.fleet.providers import shipped_providers
from email_engine.plural import excerpt

VAGUE = frozenset({"spam-related", "policy-related", "other", "unknown", ""})
"""Categories of PowerMTA that tell of no text that somebody knows."""
_CONTINUED = re.compile(r"(?<![^ ;])([245][0-9][0-9])-")
_NAMES = re.compile(r"[^\s<>()\[\],;]+@[^\s<>()\[\],;]+|https?:[^\s<>]+")
_CODE = re.compile(r"(?<![0-9.])[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")
_STATUS = names.like(re.compile(r"x(\.[0-9]{1,3}){1,2}"), "a status such as x.1.1")


class Certainty(StrEnum):
    """How sure words are: before any status, behind a plain status and a clear category, or behind all other words."""

    SURE = "sure"
    FREE = "free"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Text:
    """A line of lexicon.yaml; `at`: the mailbox provider that alone says so, '' for any."""

    pattern: str
    means: str
    sample: str
    at: str
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class Answerer:
    """Words that tell which mailbox provider answers, whatever the MX host is called."""

    pattern: str
    sample: str
    at: str


@dataclass(frozen=True, slots=True)
class Zone:
    """How a reply names a block list; `name`: what `sample` names."""

    pattern: str
    sample: str
    name: str


@dataclass(frozen=True, slots=True)
class Words:
    """The file lexicon.yaml. `statuses`: meaning by `x.1.1` or `x.1`."""

    answerers: tuple[Answerer, ...]
    texts: tuple[Text, ...]
    statuses: Mapping[str, str]
    zones: tuple[Zone, ...]


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
        if (free := self._first(self._free, bare) or self._first(self._last, bare)) is not None:
            return free
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


def parse_words(text: str, source: str = "lexicon.yaml") -> Words:
    """Raises FileInvalid that lists every mistake."""
    return parse_config(text, source, _words)


def _words(top: Section) -> Words:
    top.only("answerers", "texts", "statuses", "zones")
    texts: list[Text] = []
    lines: dict[str, list[tuple[Section, str, str]]] = {}
    for group in top.sections("texts"):
        group.only("from", "at", "certainty", "patterns")
        group.text("from", names.words)
        at = group.text("at", _provider, default="")
        certainty = group.choice("certainty", Certainty, default=Certainty.SURE) or Certainty.SURE
        for section in group.sections("patterns"):
            section.only("pattern", "means", "sample")
            one = Text(
                section.text("pattern", replies.pattern),
                section.text("means", replies.meaning),
                section.text("sample", replies.sample),
                at,
                certainty,
            )
            texts.append(one)
            lines.setdefault(at or certainty.value, []).append((section, one.pattern, one.sample))
    for some in lines.values():
        replies.check_samples(some)
    return Words(_answerers(top), tuple(texts), _statuses(top), _zones(top))


def _provider(text: str) -> str | None:
    providers = [one.name for one in shipped_providers().all]
    return None if text in providers else one_of(providers, text)


def _answerers(top: Section) -> tuple[Answerer, ...]:
    found: list[Answerer] = []
    lines: list[tuple[Section, str, str]] = []
    for section in top.sections("answerers"):
        section.only("pattern", "at", "sample")
        one = Answerer(
            section.text("pattern", replies.pattern),
            section.text("sample", replies.sample),
            section.text("at", _provider),
        )
        found.append(one)
        lines.append((section, one.pattern, one.sample))
    replies.check_samples(lines)
    return tuple(found)


def _statuses(top: Section) -> dict[str, str]:
    found: dict[str, str] = {}
    given = top.part("statuses")
    for means in given.given():
        if wrong := replies.meaning(means):
            given.add(means, excerpt(means), wrong)
        for status in given.texts(means, _STATUS):
            given.once(means, status, found)
            found[status] = means
    return found


def _zones(top: Section) -> tuple[Zone, ...]:
    found: list[Zone] = []
    for section in top.sections("zones"):
        section.only("pattern", "name", "sample")
        zone = Zone(
            section.text("pattern", replies.pattern),
            section.text("sample", replies.sample),
            section.text("name", replies.list_name),
        )
        told = re.search(zone.pattern.lower(), zone.sample.lower()) if zone.pattern else None
        whole = zone.pattern and zone.sample and zone.name
        if whole and (told is None or not told.re.groups or told[1] != zone.name):
            seen = f"{excerpt(zone.sample)} does not name {zone.name}"
            section.add("sample", seen, "a reply whose list is the first group")
        found.append(zone)
    return tuple(found)


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
    return load_config(paths.CONFIG / "lexicon.yaml", "lexicon", _words)
