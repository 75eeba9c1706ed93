"""What receivers mean by their replies: include/config/lexicon.yaml, replies.yaml and bounce_categories.yaml as one lexicon.

lexicon.yaml tells the order in which they are asked. All of it is data; each text stands in one of the files only, with a
sample that is its test."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from email_engine import paths
from email_engine.accounting import replies
from email_engine.accounting.replies import BounceCategory, Meaning, Receiver
from email_engine.fleet import names
from email_engine.fleet.config_file import load_config, parse_config
from email_engine.fleet.document import Section
from email_engine.fleet.mistakes import one_of
from email_engine.fleet.providers import shipped_providers
from email_engine.plural import excerpt

VAGUE = frozenset({"spam-related", "policy-related", "other", "unknown", ""})
"""Categories of PowerMTA that tell of no text that somebody knows."""
_BARE = re.compile(r"[0-9.,()|\[\]^$-]+")
_CODE = re.compile(r"(?<![0-9.])[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")
_STATUS = names.like(re.compile(r"x(\.[0-9]{1,3}){1,2}"), "a status such as x.1.1")


@dataclass(frozen=True, slots=True)
class Text:
    """A line of lexicon.yaml; `at`: the mailbox provider that alone says so, '' for any."""

    pattern: str
    means: str
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
        general = [
            *(
                _Rule(_compiled(r.pattern), Meaning(r.means), r.list_name)
                for one in receivers
                for r in one.replies
            ),
            *(_Rule(_compiled(t.pattern), Meaning(t.means)) for t in words.texts if not t.at),
            *(
                _Rule(_compiled(c.pattern), Meaning(c.means))
                for c in categories
                if not _BARE.fullmatch(c.pattern)
            ),
        ]
        self._general = tuple(general)
        samples = [*(t.sample for t in words.texts), *(c.sample for c in categories)]
        samples += [r.sample for one in receivers for r in one.replies]
        found = sorted({word for sample in samples for word in re.findall("[a-z]+", sample.lower())})
        self.vocabulary = f" {' '.join(found)} "
        self._at = {
            at: tuple(_Rule(_compiled(t.pattern), Meaning(t.means)) for t in words.texts if t.at == at)
            for at in {t.at for t in words.texts if t.at}
        }
        self._statuses = words.statuses
        self._zones = tuple(_compiled(zone.pattern) for zone in words.zones)
        self._categories = {one.category: Meaning(one.category_means) for one in categories}

    def verdict(self, provider: str, text: str, category: str = "") -> ReplyVerdict:
        """What a reply means.

        Args:
            provider: the mailbox provider that answered.
            text: status code and reply in one, like `5.1.1 smtp;550 5.1.1 user unknown`; may be normalised.
            category: PowerMTA's `bounceCat`."""
        text = text.lower()
        for rule in self._rules(provider):
            if rule.search.search(text):
                return ReplyVerdict(rule.meaning, True, self._named(text) or rule.named)
        named = self._named(text)
        if named:
            return ReplyVerdict(Meaning.REPUTATION, True, named)
        by_status = self._of_status(text)
        if by_status is not None:
            return ReplyVerdict(by_status, True, "")
        meaning = self._categories.get(category.lower(), Meaning.UNKNOWN)
        return ReplyVerdict(meaning, category.lower() not in VAGUE and meaning is not Meaning.UNKNOWN, "")

    def _rules(self, provider: str) -> Iterator[_Rule]:
        yield from self._at.get(provider, ())
        yield from self._general

    def _named(self, text: str) -> str:
        for zone in self._zones:
            if found := zone.search(text):
                return found[1]
        return ""

    def _of_status(self, text: str) -> Meaning | None:
        for code in dict.fromkeys(_CODE.findall(text)):
            _, subject, detail = code.split(".")
            known = self._statuses.get(f"x.{subject}.{detail}") or self._statuses.get(f"x.{subject}")
            if known:
                return Meaning(known)
        return None


def _compiled(pattern: str) -> re.Pattern[str]:
    """Patterns hold no backslash, so that a pattern in lower case is the same pattern; and quicker than one that ignores case."""
    return re.compile(pattern.lower(), re.DOTALL)


def parse_words(text: str, source: str = "lexicon.yaml") -> Words:
    """Raises FileInvalid that lists every mistake."""
    return parse_config(text, source, _words)


def _words(top: Section) -> Words:
    top.only("texts", "statuses", "zones")
    providers = [one.name for one in shipped_providers().all]
    texts: list[Text] = []
    lines: dict[str, list[tuple[Section, str, str]]] = {}
    for group in top.sections("texts"):
        group.only("from", "at", "patterns")
        group.text("from", names.words)
        at = group.text("at", lambda text: None if text in providers else one_of(providers, text), default="")
        for section in group.sections("patterns"):
            section.only("pattern", "means", "sample")
            one = Text(
                section.text("pattern", replies.pattern),
                section.text("means", replies.meaning),
                section.text("sample", replies.sample),
                at,
            )
            texts.append(one)
            lines.setdefault(at, []).append((section, one.pattern, one.sample))
    for some in lines.values():
        replies.check_samples(some)
    return Words(tuple(texts), _statuses(top), _zones(top))


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
