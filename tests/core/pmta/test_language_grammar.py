"""The tables of directives and tags, and what is looked up in them."""

import pytest

from email_engine.pmta.language.grammar import is_newer, shipped_grammar
from email_engine.pmta.language.tree import GLOBAL
from email_engine.pmta.release import Release

GRAMMAR = shipped_grammar()


def test_every_directive_stands_in_scopes_that_exist_and_has_a_check() -> None:
    known = {GLOBAL, *GRAMMAR.tags}
    for rules in GRAMMAR.directives.values():
        for rule in rules:
            assert rule.scopes
            assert rule.scopes <= known, rule.name
            assert rule.unsure <= rule.scopes
            assert callable(rule.check)
            assert rule.status in {"current", "deprecated", "legacy", "removed"}


def test_every_tag_stands_in_places_that_exist() -> None:
    known = {GLOBAL, *GRAMMAR.tags}
    for tag in GRAMMAR.tags.values():
        assert tag.parents
        assert tag.parents <= known, tag.name
        assert tag.status in {"current", "deprecated"}


def test_a_directive_has_one_rule_in_a_scope() -> None:
    for name, rules in GRAMMAR.directives.items():
        scopes = [scope for rule in rules for scope in rule.scopes]
        assert len(scopes) == len(set(scopes)) or name == "source-ip-max-msg-rate", name


def test_of_two_rows_for_one_directive_the_stricter_counts() -> None:
    rule = GRAMMAR.rule("source-ip-max-msg-rate", "domain")
    assert rule
    assert rule.spec == "CIDR RATE(h|hr|m|min|s|sec)"


@pytest.mark.parametrize(
    ("name", "scope", "spec"),
    [
        ("max-msg-rate", "domain", "RATE"),
        ("max-msg-rate", "virtual-mta", None),
        ("max-smtp-msg-rate", "virtual-mta", "RATE"),
        ("smtp-source-host", "virtual-mta", "IP|CIDR HOST"),
        ("virtual-mta", "virtual-mta-pool", "NAME"),
        ("domain-key", GLOBAL, "SELECTOR,DOMAIN|*,PATH|VAULT"),
        ("source", "smtp-user", "NAME"),
        ("default-virtual-mta-pool", "source", None),
    ],
)
def test_what_a_directive_takes_depends_on_where_it_stands(name: str, scope: str, spec: str | None) -> None:
    rule = GRAMMAR.rule(name, scope)
    assert (rule.spec if rule else None) == spec


@pytest.mark.parametrize(
    ("written", "nearest"),
    [
        ("max-mgs-rate", "max-msg-rate"),
        ("smtp-source-hosts", "smtp-source-host"),
        ("virtualmta", "virtual-mta"),
        ("Retry-After", "retry-after"),
        ("qqqqqqqqqq", None),
    ],
)
def test_the_nearest_known_name(written: str, nearest: str | None) -> None:
    assert GRAMMAR.nearest(written) == nearest


@pytest.mark.parametrize(
    ("since", "version", "newer"),
    [
        ("-", "4.5", False),
        ("?", "4.5", False),
        ("5.0", "4.5", True),
        ("5.0", "5.0", False),
        ("4.5", "4.5r10", False),
        ("5.0r2-5.0r5", "5.0r1", True),
        ("5.0r2-5.0r5", "5.0r2", False),
        ("5.0r2-5.0r5", "5.0", False),
        ("5.0r2-5.0r5", "5.5", False),
    ],
)
def test_newer_is_only_what_is_surely_newer(since: str, version: str, newer: bool) -> None:
    assert is_newer(since, Release.parse(version)) is newer


@pytest.mark.parametrize(
    ("name", "scope", "value", "canonical"),
    [
        ("max-smtp-msg-rate", "virtual-mta", "50/day", "50/d"),
        ("max-smtp-msg-rate", "virtual-mta", "50 a  day", "50 a day"),
        ("no-such", GLOBAL, "a   b", "a b"),
    ],
)
def test_a_value_has_its_one_spelling_or_stays_as_it_is(
    name: str, scope: str, value: str, canonical: str
) -> None:
    assert GRAMMAR.canonical(name, scope, value) == canonical
