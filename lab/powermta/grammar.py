"""The grammar of one PowerMTA release, read from the two tables in facts/: what may stand where, with which arguments."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from lab.powermta.grammar_arguments import compile_arguments

FACTS = Path(__file__).with_name("facts")
_REFUSED_LEGACY = {"smtp-source-ip", "auto-cold-virtual-mta"}
_NESTED = "(none)(nested)"


@dataclass(frozen=True, slots=True)
class Directive:
    """One row of the directive table. `scopes` holds tag names and `global`."""

    name: str
    scopes: frozenset[str]
    arguments: re.Pattern[str]
    spec: str
    once: bool
    gone: bool


@dataclass(frozen=True, slots=True)
class Tag:
    """One row of the tag table. `nested` is the pattern of its argument inside another block."""

    name: str
    parents: frozenset[str]
    arguments: re.Pattern[str]
    nested: re.Pattern[str]


class Grammar:
    """Looks directives and tags up by scope. Every method answers with a text that says what is wrong, or None."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.tags = {tag.name: tag for tag in _tags(version)}
        self._directives: dict[str, list[Directive]] = {}
        for directive in _directives(version):
            self._directives.setdefault(directive.name, []).append(directive)

    def open_tag(self, name: str, argument: str, scope: str) -> str | None:
        tag = self.tags.get(name)
        if tag is None:
            return f'unknown tag "<{name}>"{_near(name, self.tags)}'
        if scope not in tag.parents:
            return f'tag "<{name}>" is not allowed in {_place(scope)}'
        pattern = tag.arguments if scope == "global" else tag.nested
        if pattern.fullmatch(argument):
            return None
        return (
            f'invalid argument "{argument}" for "<{name}>"'
            if argument
            else f'argument missing for "<{name}>"'
        )

    def directive(self, name: str, value: str, scope: str) -> str | None:
        rows = self._directives.get(name)
        if not rows:
            return f'unknown directive "{name}"{_near(name, self._directives)}'
        here = [row for row in rows if scope in row.scopes]
        if not here:
            return f'directive "{name}" is not allowed in {_place(scope)}'
        if all(row.gone for row in here):
            return f'directive "{name}" is no longer supported'
        if any(row.arguments.fullmatch(value) for row in here):
            return self._release_of_value(name, value)
        if not value:
            return f'argument missing for "{name}"'
        return f'invalid value "{value}" for "{name}", expected {here[0].spec}'

    def once(self, name: str, scope: str) -> bool:
        """Whether the directive may stand only once in its block."""
        return any(row.once for row in self._directives.get(name, ()) if scope in row.scopes)

    def _release_of_value(self, name: str, value: str) -> str | None:
        if name.endswith("-rate") and re.search(r"/\d", value) and self.version.startswith("4."):
            return f'invalid value "{value}" for "{name}": rate multipliers are new in 5.0'
        return None


def _place(scope: str) -> str:
    return "the global scope" if scope == "global" else f"<{scope}>"


def _near(name: str, known: dict[str, object] | dict[str, Tag] | dict[str, list[Directive]]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.8)
    return f' (did you mean "{near[0]}"?)' if near else ""


def _rows(file: str) -> Iterator[dict[str, str]]:
    with (FACTS / file).open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


def _directives(version: str) -> Iterator[Directive]:
    for row in _rows("powermta-directives.tsv"):
        if not _in_release(row["since"], version):
            continue
        legacy = row["status"] == "legacy" and row["directive"] in _REFUSED_LEGACY
        yield Directive(
            name=row["directive"],
            scopes=frozenset(scope.rstrip("?") for scope in row["scopes"].split(",")),
            arguments=compile_arguments(row["args"]),
            spec=row["args"],
            once=row["repeatable"] == "no",
            gone=row["status"] == "removed" or legacy,
        )


def _tags(version: str) -> Iterator[Tag]:
    for row in _rows("powermta-tags.tsv"):
        if not _in_release(row["since"], version):
            continue
        spec = row["args"].replace("NAME(global)", "NAME").replace('"|COMMAND"', "\\|COMMAND")
        outer, _, nested = spec.partition(f" || {_NESTED}")
        has_nested = _NESTED in spec
        yield Tag(
            name=row["tag"],
            parents=frozenset(row["allowed_in"].split(",")),
            arguments=_tag_arguments(row["tag"], outer),
            nested=re.compile("") if has_nested else _tag_arguments(row["tag"], outer + nested),
        )


def _tag_arguments(tag: str, spec: str) -> re.Pattern[str]:
    if tag == "acct-file":
        return re.compile(r"/[^\s,|]+|\|.+")
    if tag == "smtp-user":
        return re.compile(r"[^\s,<>\"]+")
    return compile_arguments(spec)


def _in_release(since: str, version: str) -> bool:
    """`since` as in the table: `-` and `?` (not stated) count as old; `5.0r2-5.0r5` as the later 5.0 guide."""
    if since in {"-", "?"}:
        return True
    return _release(version) >= _release(since.split("-")[0])


def _release(version: str) -> tuple[int, int, int]:
    found = re.match(r"(\d+)\.(\d+)(?:r(\d+))?", version)
    if found is None:
        raise ValueError(f"version {version!r} is not like 5.0r5")
    return int(found[1]), int(found[2]), int(found[3] or 0)
