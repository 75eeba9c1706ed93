"""The linter: `lint(assembly)` to findings; rules are data (registry.py), their page is docs/lint.md."""

from email_engine.pmta.lint.engine import lint
from email_engine.pmta.lint.finding import LintFinding, Severity

__all__ = ["LintFinding", "Severity", "lint"]
