"""Which directive and tag may stand where, with which arguments, since which release: from config/powermta/*.tsv."""

import contextlib
import csv
import difflib
from dataclasses import dataclass
from functools import cache, lru_cache

from email_engine import paths
from email_engine.pmta.language.checks import Check
from email_engine.pmta.language.specs import check_of
from email_engine.pmta.language.values import unquoted
from email_engine.pmta.release import Release

TABLES = paths.CONFIG / "powermta"
LINE = "<line>"
"""Name of the rule for lines without a keyword (<bounce-category-patterns>)."""
ANY = "*"
"""Name of the rule for the catch-all line of a <pattern-list>."""


@dataclass(frozen=True, slots=True)
class DirectiveRule:
    """One row of directives.tsv.

    `scopes`: tags that it may stand in (`global` for none); `unsure`: those of them that the guide leaves open.
    `repeatable` None: not stated. `since` as written: `-` always, else such as 4.5 or 5.0r2-5.0r5 (between these)."""

    name: str
    scopes: frozenset[str]
    unsure: frozenset[str]
    spec: str
    check: Check
    repeatable: bool | None
    since: str
    status: str
    replaced_by: str
    section: str


@dataclass(frozen=True, slots=True)
class TagRule:
    """One row of tags.tsv; `nested_check`: the argument inside of another block."""

    name: str
    parents: frozenset[str]
    spec: str
    check: Check
    nested_check: Check
    since: str
    status: str
    replaced_by: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """All rules by name; a directive has one row for each kind of arguments."""

    directives: dict[str, tuple[DirectiveRule, ...]]
    tags: dict[str, TagRule]
    _here: dict[tuple[str, str], DirectiveRule]

    def rule(self, name: str, scope: str) -> DirectiveRule | None:
        """The rule of a directive in a scope, None if it must not stand there."""
        return self._here.get((name, scope))

    def nearest(self, name: str, scope: str | None = None, cutoff: float = 0.7) -> str | None:
        """The directive or tag that is spelled most alike: of those that may stand in the scope, else of all."""
        known = [one for one in self._names(scope) if one not in (LINE, ANY)]
        found = difflib.get_close_matches(name.lower(), known, n=1, cutoff=cutoff)
        return found[0] if found else None

    def nearest_tag(self, name: str, parent: str) -> str | None:
        """The tag in that block that is spelled most alike."""
        known = [tag for tag, rule in self.tags.items() if parent in rule.parents]
        found = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.7)
        return found[0] if found else None

    def beginning_with(self, start: str, scope: str) -> list[str]:
        """Directives of a scope whose names begin so."""
        return [name for name, where in self._here if where == scope and name.startswith(start)]

    def _names(self, scope: str | None) -> list[str]:
        if scope is None:
            return [*self.directives, *self.tags]
        tags = [tag for tag, rule in self.tags.items() if scope in rule.parents]
        return [*(name for name, where in self._here if where == scope), *tags]

    def canonical(self, name: str, scope: str, value: str) -> str:
        """The value in its one spelling, also of one in quotes or in upper case; as written where the grammar does not know or
        does not take it."""
        rule = self.rule(name, scope)
        if rule is not None:
            for text in dict.fromkeys((value, unquoted(value), value.lower())):
                with contextlib.suppress(ValueError):
                    return rule.check(text)
        return " ".join(value.split())


def is_newer(since: str, release: Release) -> bool:
    """Does a rule with this `since` come later than the release? Only where the facts are sure: of a span such as
    5.0r2-5.0r5 the first counts."""
    return since not in ("-", "?") and release.surely_precedes(_first_of(since))


@cache
def _first_of(since: str) -> Release:
    return Release.parse(since.partition("-")[0])


@lru_cache(maxsize=4_096)
def keyword(word: str) -> str:
    """A directive or tag as the guide writes it. Whether `Max-SMTP-Msg-Rate` counts is not documented: it is read as what it
    would be; a word that the grammar does not know stays as written."""
    lower, grammar = word.lower(), shipped_grammar()
    return lower if lower in grammar.directives or lower in grammar.tags else word


@cache
def shipped_grammar() -> Grammar:
    """The tables that the project ships (5.0, with what 4.5 lacks marked)."""
    rows: dict[str, list[DirectiveRule]] = {}
    for row in _rows("directives.tsv"):
        rule = _directive(row)
        rows.setdefault(rule.name, []).append(rule)
    here: dict[tuple[str, str], DirectiveRule] = {}
    for rules in rows.values():
        for rule in rules:
            for scope in rule.scopes:
                here.setdefault((rule.name, scope), rule)
    return Grammar({name: tuple(rules) for name, rules in rows.items()}, _tags(), here)


def _directive(row: dict[str, str]) -> DirectiveRule:
    listed = row["scopes"].split(",")
    return DirectiveRule(
        name=row["directive"],
        scopes=frozenset(scope.rstrip("?") for scope in listed),
        unsure=frozenset(scope.rstrip("?") for scope in listed if scope.endswith("?")),
        spec=row["args"],
        check=check_of(row["args"]),
        repeatable={"yes": True, "no": False}.get(row["repeatable"]),
        since=row["since"],
        status=row["status"],
        replaced_by="" if row["replaced_by"] == "-" else row["replaced_by"],
        section=row["section"],
    )


def _tags() -> dict[str, TagRule]:
    nothing = check_of("(none)")
    found = {}
    for row in _rows("tags.tsv"):
        check = check_of(row["args"])
        found[row["tag"]] = TagRule(
            name=row["tag"],
            parents=frozenset(row["allowed_in"].split(",")),
            spec=row["args"],
            check=check,
            nested_check=nothing if "(nested)" in row["args"] else check,
            since=row["since"],
            status=row["status"],
            replaced_by="" if row["replaced_by"] == "-" else row["replaced_by"],
        )
    return found


def _rows(name: str) -> list[dict[str, str]]:
    with (TABLES / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
