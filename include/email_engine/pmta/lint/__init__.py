"""The linter: `lint(assembly)` to findings; rules are data (registry.py), their page is docs/lint.md."""

from email_engine.pmta.lint.engine import lint
from email_engine.pmta.lint.finding import Finding, Severity

__all__ = ["Finding", "Severity", "lint"]
