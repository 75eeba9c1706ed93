"""A YAML file as sections that know their lines, so that every complaint can name its place."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

import yaml

from email_engine.fleet.mistakes import Mistakes, Place, one_of
from email_engine.fleet.names import Check

Choice = TypeVar("Choice", bound=StrEnum)
DEEPEST = 100
"""Levels of lists and mappings in a file: the C loader dies of very many."""
LONGEST_NUMBER = 40
"""Characters."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KIND = {
    "bool": "a truth value (put the word in quotes if it is meant as text)",
    "null": "nothing",
    "int": "a number",
    "float": "a fraction",
    "str": "text",
    "map": "a mapping",
    "seq": "a list",
}


def _kind(node: yaml.Node) -> str:
    return node.tag.rpartition(":")[2]


def _seen(node: yaml.Node) -> str:
    kind = _kind(node)
    if kind == "bool" and isinstance(node, yaml.ScalarNode):
        return f"{node.value!r}, which YAML reads as {_KIND['bool']}"
    return _KIND.get(kind, kind)


def _too_deep(text: str) -> int | None:
    """The line on which the file goes deeper than it may; None if it never does."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                return event.start_mark.line + 1 if event.start_mark else 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def plain_number(text: str) -> bool:
    """Is it short and of ASCII? Python reads the digits of every script."""
    return text.isascii() and len(text) <= LONGEST_NUMBER


def read_document(text: str, source: str, mistakes: Mistakes) -> Section | None:
    """The file's top mapping; None (and a mistake) when it is not YAML or no mapping."""
    try:
        line = _too_deep(text)
        if line is not None:
            mistakes.add(
                Place(source, line, ""), f"more than {DEEPEST} levels deep", f"at most {DEEPEST} levels"
            )
            return None
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source, mark.line + 1 if mark else 1, "")
        mistakes.add(place, f"not YAML: {error.problem or error.context}", "YAML 1.1, indented with blanks")
        return None
    except (yaml.YAMLError, RecursionError) as error:
        mistakes.add(Place(source, 1, ""), f"not YAML: {error}".splitlines()[0], "YAML 1.1 in UTF-8")
        return None
    place = Place(source, 1, "")
    if not isinstance(node, yaml.MappingNode):
        mistakes.add(place, "the file is empty" if node is None else f"found {_seen(node)}", "a mapping")
        return None
    return Section(node, place, mistakes)


class Section:
    """One mapping of the file. Readers return an empty value after noting a mistake, so that reading goes on."""

    def __init__(self, node: yaml.MappingNode, place: Place, mistakes: Mistakes) -> None:
        self.place = place
        self.mistakes = mistakes
        self._values: dict[str, yaml.Node] = {}
        self._lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                mistakes.add(Place(place.source, line, place.path), "a key that is no word", "plain words")
                continue
            if key.value in self._values:
                mistakes.add(self._at(key.value, line), "the key stands twice", "once")
                continue
            self._values[key.value] = value
            self._lines[key.value] = line

    def _at(self, key: str, line: int) -> Place:
        return Place(self.place.source, line, f"{self.place.path}.{key}" if self.place.path else key)

    def at(self, key: str) -> Place:
        """Where a key stands; the section itself when it is missing."""
        return self._at(key, self._lines.get(key, self.place.line))

    def has(self, key: str) -> bool:
        return key in self._values

    def add(self, key: str, observed: str, allowed: str) -> None:
        self.mistakes.add(self.at(key), observed, allowed)

    def only(self, *known: str) -> None:
        """Notes every key that is not known."""
        for key in self._values:
            if key not in known:
                self.add(key, "unknown key", one_of(known, key))

    def text(self, key: str, check: Check, default: str | None = None) -> str:
        """A text that passes `check`; '' after a mistake."""
        node = self._values.get(key)
        if node is None:
            if default is None:
                self.add(key, "missing", check("") or "a text")
            return default or ""
        return self._text(node, self.at(key), check)

    def _text(self, node: yaml.Node, place: Place, check: Check) -> str:
        if not isinstance(node, yaml.ScalarNode) or _kind(node) in ("bool", "null"):
            self.mistakes.add(place, f"found {_seen(node)}", check("") or "a text")
            return ""
        allowed = check(node.value)
        if allowed:
            self.mistakes.add(place, repr(node.value), allowed)
            return ""
        return str(node.value)

    def texts(self, key: str, check: Check) -> tuple[str, ...]:
        """A list of texts; a single text counts as a list of one; () when missing."""
        node = self._values.get(key)
        if node is None:
            return ()
        place = self.at(key)
        if isinstance(node, yaml.ScalarNode):
            return tuple(filter(None, [self._text(node, place, check)]))
        if not isinstance(node, yaml.SequenceNode):
            self.mistakes.add(place, f"found {_seen(node)}", "a list of texts")
            return ()
        read = [self._text(item, _item(place, i, item), check) for i, item in enumerate(node.value)]
        return tuple(filter(None, read))

    def number(self, key: str, lowest: int, highest: int, default: int | None = None) -> int:
        """A whole number; 0 after a mistake."""
        node = self._values.get(key)
        allowed = f"a whole number from {lowest} to {highest}"
        if node is None:
            if default is None:
                self.add(key, "missing", allowed)
            return default or 0
        if not isinstance(node, yaml.ScalarNode) or _kind(node) != "int":
            self.add(key, f"found {_seen(node)}", allowed)
            return 0
        digits = node.value.replace("_", "")
        good = plain_number(digits) and digits.isdecimal() and lowest <= int(digits) <= highest
        if not good:
            self.add(key, node.value[:LONGEST_NUMBER], allowed)
            return 0
        return int(digits)

    def truth(self, key: str, default: bool | None = None) -> bool:
        """A truth value; False after a mistake."""
        node = self._values.get(key)
        if node is None:
            if default is None:
                self.add(key, "missing", "true or false")
            return bool(default)
        if not isinstance(node, yaml.ScalarNode) or _kind(node) != "bool":
            self.add(key, f"found {_seen(node)}", "true or false")
            return False
        return node.value.lower() in ("true", "yes", "on")

    def choice(self, key: str, options: type[Choice]) -> Choice | None:
        """A member of an enum; None after a mistake."""
        known = [option.value for option in options]
        text = self.text(key, lambda given: None if given in known else one_of(known, given))
        return options(text) if text else None

    def section(self, key: str) -> Section | None:
        """A mapping inside this one; None when it is missing or after a mistake."""
        node = self._values.get(key)
        if node is None:
            return None
        if isinstance(node, yaml.MappingNode):
            return Section(node, self.at(key), self.mistakes)
        self.add(key, f"found {_seen(node)}", "a mapping")
        return None

    def sections(self, key: str) -> tuple[Section, ...]:
        """A list of at least one mapping."""
        node = self._values.get(key)
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.add(
                key, "missing" if node is None else f"found {_seen(node)}", "a list of one or more mappings"
            )
            return ()
        read = []
        for index, item in enumerate(node.value):
            place = _item(self.at(key), index, item)
            if isinstance(item, yaml.MappingNode):
                read.append(Section(item, place, self.mistakes))
            else:
                self.mistakes.add(place, f"found {_seen(item)}", "a mapping")
        return tuple(read)

    def given(self) -> tuple[str, ...]:
        """The keys in the order of the file."""
        return tuple(self._values)


def _item(place: Place, index: int, node: yaml.Node) -> Place:
    return Place(place.source, node.start_mark.line + 1, f"{place.path}[{index}]")
