"""Which keys a configuration file may have, told by its reader: a table for the documentation that cannot go stale."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import yaml

from email_engine.fleet.document import Section, read_document
from email_engine.fleet.mistakes import Mistakes
from email_engine.fleet.names import Check

ANY = "(any name)"
_INDEX = re.compile(r"\[\d+\]")


class KeyRow(NamedTuple):
    """`allowed`: what may stand there; `default`: what counts where it does not, "" for nothing; `needed`: is it a mistake to leave it out?"""

    key: str
    allowed: str
    default: str
    needed: bool


class Witness(Section):
    """A section that writes down what it is asked for. `rows`: by path and key; `known`: the keys that may stand in each path."""

    rows: ClassVar[dict[str, dict[str, tuple[str, str]]]]
    known: ClassVar[dict[str, set[str]]]

    def _note(self, key: str, allowed: str, default: object = None) -> None:
        path = _INDEX.sub("[]", self.place.path)
        usual = "" if default is None else str(default)
        self.rows.setdefault(path, {}).setdefault(key, (allowed, usual))

    def only(self, *known: str) -> None:
        self.known.setdefault(_INDEX.sub("[]", self.place.path), set()).update(map(str, known))
        super().only(*known)

    def text(self, key: str, check: Check, default: str | None = None) -> str:
        self._note(key, check("") or "a text", default)
        return super().text(key, check, default)

    def texts(self, key: str, check: Check, needed: str = "") -> tuple[str, ...]:
        self._note(key, f"a list, each {check('') or 'a text'}")
        return super().texts(key, check, needed)

    def number(self, key: str, lowest: int, highest: int, default: int | None = None) -> int:
        self._note(key, f"a whole number from {lowest:,} to {highest:,}", default)
        return super().number(key, lowest, highest, default)

    def truth(self, key: str, default: bool | None = None) -> bool:
        self._note(key, "true or false", default if default is None else str(default).lower())
        return super().truth(key, default)

    def section(self, key: str) -> Section | None:
        self._note(key, "a mapping")
        return super().section(key)

    def sections(self, key: str) -> tuple[Section, ...]:
        self._note(key, "a list of mappings")
        return super().sections(key)


def key_tables(read: Callable[[Section], object], document: Mapping[str, Any]) -> dict[str, list[KeyRow]]:
    """The keys that `read` asks a good `document` for, by their path in it (`tenants[].streams[]`, "" for the top). Every mapping that
    may stand in such a file must stand in the document."""
    witness, mistakes = _asked(read, document)
    if mistakes.found:
        raise ValueError(f"the document is none: {mistakes.found[0]}")
    needed = {where for where, less in _each_left_out(document) if _asked(read, less)[1].found}
    tables = {
        path: [KeyRow(key, *row, (path, key) in needed) for key, row in rows.items()]
        for path, rows in witness.rows.items()
    }
    return {path: rows if path in witness.known else _of_any_name(rows) for path, rows in tables.items()}


def known_keys(read: Callable[[Section], object], document: Mapping[str, Any]) -> dict[str, set[str]]:
    """The keys that may stand in each path, as far as the reader names them."""
    return _asked(read, document)[0].known


def _of_any_name(rows: list[KeyRow]) -> list[KeyRow]:
    return [rows[0]._replace(key=ANY, needed=False)]


def _asked(read: Callable[[Section], object], document: Mapping[str, Any]) -> tuple[type[Witness], Mistakes]:
    mistakes = Mistakes()
    witness = type("_Witness", (Witness,), {"rows": {}, "known": {}})
    top = read_document(yaml.safe_dump(document), "document", mistakes, witness)
    if top is not None:
        read(top)
    return witness, mistakes


def _each_left_out(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    """Path and key of each key of the document, and the document without it."""

    def walk(
        part: Any, steps: tuple[Any, ...], path: str
    ) -> Iterator[tuple[tuple[str, str], tuple[Any, ...]]]:
        if isinstance(part, Mapping):
            for key, value in part.items():
                yield (path, str(key)), (*steps, key)
                yield from walk(value, (*steps, key), f"{path}.{key}" if path else str(key))
        elif isinstance(part, list):
            for index, value in enumerate(part):
                yield from walk(value, (*steps, index), f"{path}[]")

    for where, steps in walk(document, (), ""):
        less = copy.deepcopy(dict(document))
        parent: Any = less
        for step in steps[:-1]:
            parent = parent[step]
        del parent[steps[-1]]
        yield where, less
