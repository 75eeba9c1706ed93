"""All rules, and the functions that look for them."""

from collections.abc import Callable, Iterator

from email_engine.pmta.lint import (
    regexes,
    replies,
    rules_accounting,
    rules_dkim,
    rules_limits,
    rules_macros,
    rules_main,
    rules_names,
    rules_order,
    rules_references,
    rules_rollup,
    rules_scope,
    rules_security,
    rules_style,
    rules_syntax,
    rules_values,
    rules_words,
)
from email_engine.pmta.lint.index import Index
from email_engine.pmta.lint.repeats import check_repeats
from email_engine.pmta.lint.rule import Hit, Rule
from email_engine.pmta.lint.walk import check_lines

_MODULES = (
    rules_syntax,
    rules_words,
    rules_values,
    regexes,
    replies,
    rules_scope,
    rules_names,
    rules_order,
    rules_main,
    rules_rollup,
    rules_references,
    rules_macros,
    rules_limits,
    rules_security,
    rules_dkim,
    rules_accounting,
    rules_style,
)
RULES: tuple[Rule, ...] = tuple(
    sorted((rule for module in _MODULES for rule in module.RULES), key=lambda rule: rule.code)
)
CHECKS: tuple[Callable[[Index], Iterator[Hit]], ...] = (
    check_lines,
    check_repeats,
    rules_names.check_names,
    rules_order.check_order,
    rules_main.check_main,
    rules_rollup.check_rollups,
    rules_references.check_references,
    rules_macros.check_macros,
    rules_limits.check_limits,
    rules_security.check_security,
    rules_dkim.check_dkim,
    rules_accounting.check_accounting,
    rules_style.check_unused,
)
GROUPS = {
    "PM1": "Syntax",
    "PM2": "Words and values",
    "PM3": "Places, names and structure",
    "PM4": "References",
    "PM5": "Limits, backoff and warm-up",
    "PM6": "Security",
    "PM7": "DKIM",
    "PM8": "Accounting",
    "PM9": "Deprecation and style",
}
