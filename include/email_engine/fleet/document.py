"""A YAML file as sections that know their lines, so that every complaint can name its place."""

from __future__ import annotations

import logging
import re
from collections.abc import Container
from enum import StrEnum
from typing import TypeVar

import yaml

from email_engine.fleet.mistakes import MistakePlace, Mistakes, key_words, nearest, one_of
from email_engine.fleet.names import Check
from email_engine.fleet.scalars import LONGEST_NUMBER, described, is_quoted, kind_of, plain_number, such_as
from email_engine.fleet.yaml_bounds import too_much, too_much_by_aliases
from email_engine.fleet.yaml_mistakes import explain_yaml
from email_engine.plural import brief, excerpt

Choice = TypeVar("Choice", bound=StrEnum)
MOST_GUESSES = 50
"""Unknown keys for which a near one is looked up."""
_log = logging.getLogger(__name__)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FIRST_WORD = re.compile(r"\s*([A-Za-z0-9_-]+)\s")


def read_document(
    text: str, source: str, mistakes: Mistakes, kind: type[Section] | None = None
) -> Section | None:
    """The file's top mapping, as a Section of this `kind`; None (and a mistake) when it is not YAML or no mapping."""
    try:
        refused = too_much(text, _LOADER)
        node = None if refused else yaml.compose(text, Loader=_LOADER)
        refused = refused or too_much_by_aliases(node)
    except yaml.MarkedYAMLError as error:
        found = explain_yaml(text, error, _LOADER)
        mistakes.add(MistakePlace(source, found.line, ""), found.observed, found.allowed)
        return None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        seen = f"not YAML: the character {excerpt(text[error.position : error.position + 1])}"
        mistakes.add(MistakePlace(source, line, ""), seen, "printable text in UTF-8")
        return None
    except (yaml.YAMLError, RecursionError) as error:
        mistakes.add(MistakePlace(source, 1, ""), f"not YAML: {error}".splitlines()[0], "YAML 1.1 in UTF-8")
        return None
    if refused:
        mistakes.add(MistakePlace(source, refused.line, ""), refused.observed, refused.allowed)
        return None
    place = MistakePlace(source, 1, "")
    if not isinstance(node, yaml.MappingNode):
        mistakes.add(
            place,
            "the file is empty" if node is None else f"found {described(node)}",
            "a mapping: lines such as `key: value`",
        )
        return None
    return (kind or Section)(node, place, mistakes, tuple(text.splitlines()))


class Section:
    """One mapping of the file. Readers return an empty value after noting a mistake, so that reading goes on."""

    def __init__(
        self, node: yaml.MappingNode, place: MistakePlace, mistakes: Mistakes, lines: tuple[str, ...] = ()
    ) -> None:
        self.place = place
        self.mistakes = mistakes
        self._text_lines = lines
        self._values: dict[str, yaml.Node] = {}
        self._lines: dict[str, int] = {}
        self._misspelt: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                mistakes.add(
                    MistakePlace(place.source, line, place.path), "a key that is no word", "plain words"
                )
                continue
            if key.value in self._values:
                mistakes.add(self._at(key.value, line), "the key stands twice", "once")
                continue
            self._values[key.value] = value
            self._lines[key.value] = line

    def renamed(self, before: str, now: str) -> None:
        """Reads a key's earlier name for one more release, and says so in the log."""
        if before in self._values and now not in self._values:
            self._values[now], self._lines[now] = self._values.pop(before), self._lines.pop(before)
            _log.warning(
                "%s is called %s now. Next: rename it; the next release refuses the old name",
                self._at(before, self._lines[now]),
                now,
            )

    def gone(self, key: str, why: str) -> None:
        """Passes over a key of the release before that means nothing any more, and says so in the log."""
        if key in self._values:
            _log.warning(
                "%s is not read any more: %s. Next: delete it; the next release refuses it", self.at(key), why
            )
            del self._values[key], self._lines[key]

    def _at(self, key: str, line: int) -> MistakePlace:
        word = key_words(key)
        return MistakePlace(self.place.source, line, f"{self.place.path}.{word}" if self.place.path else word)

    def at(self, key: str) -> MistakePlace:
        """Where a key stands; the section itself when it is missing."""
        return self._at(key, self._lines.get(key, self.place.line))

    def raw(self, key: str) -> str:
        """What stands there, unchecked; '' for nothing or for what is no text."""
        node = self._values.get(key)
        return str(node.value) if isinstance(node, yaml.ScalarNode) else ""

    def has(self, key: str) -> bool:
        return key in self._values

    def is_list(self, key: str) -> bool:
        return isinstance(self._values.get(key), yaml.SequenceNode)

    def add(self, key: str, observed: str, allowed: str) -> None:
        self.mistakes.add(self.at(key), observed, allowed)

    def only(self, *known: str) -> None:
        """Notes every key that is not known, and every known one that lost its colon. The known key next to an unknown one
        is not missed as well: one slip is one mistake."""
        for key, node in self._values.items():
            if key not in known:
                near = key if len(self.mistakes.found) < MOST_GUESSES else ""
                self.add(key, _unknown(key, known), one_of(known, near))
                self._misspelt.add(nearest(known, near))
            for line in range(node.start_mark.line + 1, self._last_line(node)):
                word = _FIRST_WORD.match(self._text_lines[line])
                if word and word[1] in known and word[1] not in self._values:
                    self.mistakes.add(
                        self._at(word[1], line + 1), f"a colon is missing behind {word[1]!r}", "key: value"
                    )

    def needs(self, key: str, allowed: str) -> None:
        """Notes a key that is missing, unless it stands there misspelt."""
        if key not in self._values and key not in self._misspelt:
            self.add(key, "missing", allowed)

    def once(self, key: str, value: str, others: Container[str]) -> None:
        """Notes a value that another entry has already."""
        if value and value in others:
            self.add(key, f"{brief(value)} stands twice", "each once")

    def _last_line(self, node: yaml.Node) -> int:
        """Of a text without quotes: the line behind its last one, counted from 0; 0 for everything else."""
        plain = isinstance(node, yaml.ScalarNode) and not node.style
        return min(node.end_mark.line + 1, len(self._text_lines)) if plain else 0

    def text(self, key: str, check: Check, default: str | None = None) -> str:
        """A text that passes `check`; '' after a mistake."""
        node = self._values.get(key)
        if node is None:
            if default is None:
                self.needs(key, check("") or "a text")
            return default or ""
        return self._text(node, self.at(key), check)

    def _text(self, node: yaml.Node, place: MistakePlace, check: Check) -> str:
        if not isinstance(node, yaml.ScalarNode) or kind_of(node) in ("bool", "null"):
            self.mistakes.add(place, f"found {described(node)}", check("") or "a text")
            return ""
        allowed = check(node.value)
        if allowed:
            self.mistakes.add(place, excerpt(node.value), allowed)
            return ""
        return str(node.value)

    def texts(self, key: str, check: Check, needed: str = "") -> tuple[str, ...]:
        """A list of texts; a single text counts as a list of one; () when missing, which is a mistake where `needed` says
        what must stand there."""
        node = self._values.get(key)
        if node is None:
            if needed:
                self.needs(key, needed)
            return ()
        place = self.at(key)
        if isinstance(node, yaml.ScalarNode):
            return tuple(filter(None, [self._text(node, place, check)]))
        if not isinstance(node, yaml.SequenceNode):
            self.mistakes.add(place, f"found {described(node)}", "a list of texts")
            return ()
        if needed and not node.value:
            self.mistakes.add(place, "an empty list", needed)
        read = [self._text(item, _item(place, i, item), check) for i, item in enumerate(node.value)]
        return tuple(filter(None, read))

    def number(self, key: str, lowest: int, highest: int, default: int | None = None) -> int:
        """A whole number; 0 after a mistake."""
        node = self._values.get(key)
        allowed = f"a whole number from {lowest} to {highest}"
        if node is None:
            if default is None:
                self.needs(key, allowed)
            return default or 0
        if not isinstance(node, yaml.ScalarNode) or kind_of(node) in ("bool", "null"):
            self.add(key, f"found {described(node)}", allowed)
            return 0
        if kind_of(node) != "int":
            such = such_as(node.value, lowest, highest)
            seen = f"found text {excerpt(node.value)}" if is_quoted(node) else excerpt(node.value)
            self.add(key, seen, f"a whole number such as {such}, from {lowest} to {highest}")
            return 0
        digits = node.value.replace("_", "")
        good = plain_number(digits) and digits.isdecimal() and lowest <= int(digits) <= highest
        if not good:
            self.add(key, excerpt(node.value, LONGEST_NUMBER).replace("'", ""), allowed)
            return 0
        return int(digits)

    def real(self, key: str, check: Check, default: float | None = None) -> float:
        """A number that passes a check from `between`; 0 after a mistake."""
        return float(self.text(key, check, None if default is None else str(default)) or 0)

    def truth(self, key: str, default: bool | None = None) -> bool:
        """A truth value; False after a mistake."""
        node = self._values.get(key)
        if node is None:
            if default is None:
                self.needs(key, "true or false")
            return bool(default)
        if not isinstance(node, yaml.ScalarNode) or kind_of(node) != "bool":
            seen = node.value if isinstance(node, yaml.ScalarNode) and kind_of(node) != "null" else None
            self.add(key, f"found {described(node)}" if seen is None else excerpt(seen), "true or false")
            return False
        return node.value.lower() in ("true", "yes", "on")

    def choice(self, key: str, options: type[Choice], default: Choice | None = None) -> Choice | None:
        """A member of an enum; None after a mistake."""
        known = [option.value for option in options]
        text = self.text(key, lambda given: None if given in known else one_of(known, given), default)
        return options(text) if text else None

    def part(self, key: str, *known: str, needed: bool = True) -> Section:
        """A mapping with no other keys than the known ones, if any are named. Where it is missing, or none, that is noted and
        an empty one stands for it, whose keys nobody misses."""
        found = self.section(key)
        if found and known:
            found.only(*known)
        if needed:
            self.needs(key, f"a mapping of {', '.join(known)}")
        return found or type(self)(yaml.MappingNode("map", []), self.at(key), Mistakes())

    def section(self, key: str) -> Section | None:
        """A mapping inside this one; None when it is missing or after a mistake."""
        node = self._values.get(key)
        if node is None:
            return None
        if isinstance(node, yaml.MappingNode):
            return type(self)(node, self.at(key), self.mistakes, self._text_lines)
        self.add(key, f"found {described(node)}", "a mapping")
        return None

    def sections(self, key: str) -> tuple[Section, ...]:
        """A list of at least one mapping."""
        node = self._values.get(key)
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            allowed = "a list of one or more mappings"
            if node is None:
                self.needs(key, allowed)
            else:
                self.add(key, f"found {described(node)}", allowed)
            return ()
        read = []
        for index, item in enumerate(node.value):
            place = _item(self.at(key), index, item)
            if isinstance(item, yaml.MappingNode):
                read.append(type(self)(item, place, self.mistakes, self._text_lines))
            else:
                self.mistakes.add(place, f"found {described(item)}", "a mapping")
        return tuple(read)

    def given(self) -> tuple[str, ...]:
        """The keys in the order of the file."""
        return tuple(self._values)


def _item(place: MistakePlace, index: int, node: yaml.Node) -> MistakePlace:
    return MistakePlace(place.source, node.start_mark.line + 1, f"{place.path}[{index}]")


def _unknown(key: str, known: tuple[str, ...]) -> str:
    """`{ active 1-40 }`: a known word and something behind it."""
    first, _, rest = key.partition(" ")
    return f"unknown key; a colon is missing behind {first!r}" if rest and first in known else "unknown key"
