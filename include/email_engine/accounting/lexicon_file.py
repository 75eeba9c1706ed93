"""The file lexicon.yaml as values: texts with their meanings, statuses, and how a reply names a list or who answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from email_engine.accounting import replies
from email_engine.fleet import names
from email_engine.fleet.config_file import parse_config
from email_engine.fleet.document import Section
from email_engine.fleet.mistakes import one_of
from email_engine.fleet.providers import shipped_providers
from email_engine.plural import excerpt

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


def parse_words(text: str, source: str = "lexicon.yaml") -> Words:
    """Raises FileInvalid that lists every mistake."""
    return parse_config(text, source, read_words)


def read_words(top: Section) -> Words:
    """The file; mistakes are noted."""
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
