"""Each rule against its own examples: what docs/lint.md shows is true."""

import re
from pathlib import Path

import pytest

from email_engine.paths import ROOT
from email_engine.pmta.language.assembly import assemble
from email_engine.pmta.lint import LintFinding, Severity, lint, registry
from email_engine.pmta.lint.page import lint_page
from email_engine.pmta.lint.registry import CHECKS, GROUPS, RULES
from email_engine.pmta.lint.rule import MAIN, Rule


class FilesExcept:
    """Files of a host: those named are missing, those behind a ? cannot be known."""

    def __init__(self, absent: tuple[str, ...]) -> None:
        self.absent = absent

    def exists(self, path: str) -> bool | None:
        return None if f"?{path}" in self.absent else path not in self.absent


def found(rule: Rule, text: str) -> tuple[LintFinding, ...]:
    return lint(
        assemble(text, "config"),
        version=rule.version,
        host_ips=rule.host_ips or None,
        files=FilesExcept(rule.absent) if rule.absent else None,
    )


def by_code(rule: Rule) -> str:
    return f"{rule.code}-{rule.title.replace(' ', '-')}"


@pytest.mark.parametrize("rule", RULES, ids=by_code)
def test_the_bad_example_is_found_as_the_rule_says_and_no_other_error(rule: Rule) -> None:
    findings = found(rule, rule.bad)
    assert rule.severity in {f.severity for f in findings if f.code == rule.code}
    errors = {f.code for f in findings if f.severity is Severity.ERROR}
    assert errors <= {rule.code, *rule.also}


@pytest.mark.parametrize("rule", RULES, ids=by_code)
def test_the_good_example_is_free_of_it_and_of_errors(rule: Rule) -> None:
    findings = found(rule, rule.good)
    assert [f for f in findings if f.code == rule.code or f.severity is Severity.ERROR] == []


@pytest.mark.parametrize("rule", RULES, ids=by_code)
def test_every_finding_says_what_and_what_to_do_on_a_line_of_the_file(rule: Rule) -> None:
    for finding in found(rule, rule.bad):
        assert finding.message
        assert finding.remedy
        assert "\n" not in finding.message + finding.remedy
        assert 1 <= finding.line <= max(rule.bad.count("\n"), 1)


def test_codes_are_unique_grouped_and_more_than_forty() -> None:
    codes = [rule.code for rule in RULES]
    assert len(set(codes)) == len(codes) >= 40
    assert all(re.fullmatch(r"PM[1-9]\d\d", code) and code[:3] in GROUPS for code in codes)


def test_every_rule_says_why_where_it_comes_from_and_what_to_do() -> None:
    for rule in RULES:
        assert rule.title
        assert rule.why
        assert rule.source
        assert rule.remedy
        assert rule.bad != rule.good


def test_the_page_is_current_and_has_every_rule() -> None:
    page = (ROOT / "docs" / "lint.md").read_text()
    assert page == lint_page()
    assert all(f'<a id="{rule.code.lower()}"></a>' in page for rule in RULES)


def test_the_frame_of_the_examples_is_itself_without_a_finding() -> None:
    assert lint(assemble(MAIN, "config")) == ()


def test_all_rules_are_looked_for() -> None:
    assert len(CHECKS) == len(set(CHECKS))


def test_a_rule_lies_in_a_file_that_its_number_says() -> None:
    for path in sorted(Path(registry.__file__).parent.glob("*.py")):
        for code in re.findall(r'^    "PM(\d)\d\d",$', path.read_text(encoding="utf-8"), re.MULTILINE):
            assert path.name.startswith(f"pm{code}_"), f"PM{code}xx in {path.name}"
