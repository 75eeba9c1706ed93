"""All rules, and the functions that look for them."""

from collections.abc import Callable, Iterator

from email_engine.pmta.lint import (
    pm1_syntax,
    pm1_wrapped,
    pm2_regexes,
    pm2_replies,
    pm2_reply_texts,
    pm2_values,
    pm2_words,
    pm3_main,
    pm3_names,
    pm3_order,
    pm3_places,
    pm3_rollups,
    pm4_macros,
    pm4_references,
    pm5_limits,
    pm6_access,
    pm6_security,
    pm7_dkim,
    pm8_accounting,
    pm8_columns,
    pm8_processors,
    pm9_style,
)
from email_engine.pmta.lint.index import Index
from email_engine.pmta.lint.pm3_repeats import check_repeats
from email_engine.pmta.lint.rule import Hit, Rule
from email_engine.pmta.lint.walk import check_lines

_MODULES = (
    pm1_syntax,
    pm1_wrapped,
    pm2_words,
    pm2_values,
    pm2_regexes,
    pm2_replies,
    pm2_reply_texts,
    pm3_places,
    pm3_names,
    pm3_order,
    pm3_main,
    pm3_rollups,
    pm4_references,
    pm4_macros,
    pm5_limits,
    pm6_access,
    pm6_security,
    pm7_dkim,
    pm8_accounting,
    pm8_columns,
    pm8_processors,
    pm9_style,
)
RULES: tuple[Rule, ...] = tuple(
    sorted((rule for module in _MODULES for rule in module.RULES), key=lambda rule: rule.code)
)
CHECKS: tuple[Callable[[Index], Iterator[Hit]], ...] = (
    check_lines,
    check_repeats,
    pm2_reply_texts.check_reply_texts,
    pm3_names.check_names,
    pm3_order.check_order,
    pm3_main.check_main,
    pm3_rollups.check_rollups,
    pm4_references.check_references,
    pm4_macros.check_macros,
    pm5_limits.check_limits,
    pm6_security.check_security,
    pm6_access.check_access,
    pm7_dkim.check_dkim,
    pm8_accounting.check_accounting,
    pm8_columns.check_columns,
    pm8_processors.check_processors,
    pm9_style.check_unused,
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
