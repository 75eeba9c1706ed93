"""228: actions of a reply pattern that exclude one another."""

from email_engine.pmta.language.grammar import is_newer
from email_engine.pmta.lint.pm2_regexes import BETWEEN, Told, quotes
from email_engine.pmta.lint.pm2_words import TOO_NEW
from email_engine.pmta.lint.rule import ERROR, Rule
from email_engine.pmta.release import Release

EXCLUDE = Rule(
    "PM228",
    ERROR,
    "reply actions that exclude one another",
    "Forbidden are: mode=backoff with mode=normal; skip-mx with bounce-queue; reenable-after without disable-source-ip before "
    "it; backoff-to-normal-after without mode=backoff.",
    "3.3.15; facts section 1.8",
    "keep one of them, or add what the other needs before it",
    "<smtp-pattern-list replies>\n  reply /blocked/ reenable-after=6h,disable-source-ip\n</smtp-pattern-list>\n",
    "<smtp-pattern-list replies>\n  reply /blocked/ disable-source-ip,reenable-after=6h\n</smtp-pattern-list>\n",
)
RULES = (EXCLUDE,)
TIMED_BACKOFF = "5.0r2-5.0r5"
"""Since when a reply may say how long its backoff lasts: the guide of 5.0r5 has it, that of 5.0r1 does not."""


def actions_of(value: str) -> list[str]:
    """What stands behind the expression of a `reply`."""
    found = BETWEEN.search(value)
    return value[found.end() :].replace(" ", "").split(",") if found else []


def judge_actions(value: str, release: Release) -> list[Told]:
    """Verdicts on one `reply`."""
    actions = actions_of(value)
    names = [action.partition("=")[0] for action in actions]
    found = quotes(value)
    wrong = ""
    if "mode=backoff" in actions and "mode=normal" in actions:
        wrong = "`mode=backoff` and `mode=normal` exclude one another"
    elif "skip-mx" in actions and "bounce-queue" in actions:
        wrong = "`skip-mx` and `bounce-queue` exclude one another"
    elif "reenable-after" in names and "disable-source-ip" not in names[: names.index("reenable-after")]:
        wrong = "`reenable-after` needs `disable-source-ip` before it"
    elif "backoff-to-normal-after" in names and "mode=backoff" not in actions:
        wrong = "`backoff-to-normal-after` needs `mode=backoff`"
    if "backoff-to-normal-after" in names and is_newer(TIMED_BACKOFF, release):
        message = f"the action `backoff-to-normal-after` came with {TIMED_BACKOFF}, later than {release}"
        remedy = "write `backoff-to-normal-after` into the <domain> instead"
        found.append((TOO_NEW, message, None, remedy))
    return [*found, (EXCLUDE, wrong, None, None)] if wrong else found
