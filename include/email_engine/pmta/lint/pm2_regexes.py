"""225 to 227: regular expressions. PowerMTA uses PCRE; what Python's `re` cannot judge is an info, not an error."""

import re
import warnings
from functools import lru_cache

from email_engine.pmta.lint.finding import Severity
from email_engine.pmta.lint.rule import ERROR, INFO, WARNING, Rule, short

_LIST = "<smtp-pattern-list replies>\n  reply {} skip-mx\n</smtp-pattern-list>\n"

BROKEN = Rule(
    "PM225",
    ERROR,
    "a regular expression that does not compile",
    "PowerMTA compiles all expressions when it loads the configuration.",
    "3.2 (PCRE)",
    "close brackets and parentheses; put a backslash before a character that is meant literally",
    _LIST.format("/mailbox (full/"),
    _LIST.format(r"/mailbox \(full/"),
)
UNJUDGED = Rule(
    "PM226",
    INFO,
    "a regular expression that only PCRE knows",
    "The linter has no PCRE; this expression may be right.",
    "3.2 (PCRE)",
    "let `pmta test config` decide",
    _LIST.format("/(?R)full/"),
    _LIST.format("/over quota|full/"),
)
QUOTE = Rule(
    "PM227",
    WARNING,
    'a " in a reply pattern',
    "In an smtp-pattern-list double quotes must have a backslash.",
    "3.3.15; facts section 1.1",
    r"write \" for the quote",
    _LIST.format('/"policy" block/'),
    _LIST.format(r"/\"policy\" block/"),
)
RULES = (BROKEN, UNJUDGED, QUOTE)

Told = tuple[Rule, str, Severity | None, str | None]
BETWEEN = re.compile(r"/((?:[^/\\]|\\.)*)/")
_SURE = (
    "missing ), unterminated subpattern",
    "unbalanced parenthesis",
    "unterminated character set",
    "nothing to repeat",
    "bad escape (end of pattern)",
    "min repeat greater than max repeat",
)
_TRANSLATED = (
    (re.compile(r"\(\?[imsxUJ-]+\)"), ""),
    (re.compile(r"\[:\^?[a-z]+:\]"), "a-z"),
    (re.compile(r"\\x\{[0-9A-Fa-f]+\}|\\[pP](?:\{\^?\w+\}|\w)|\\[hHRNevVX]"), "a"),
    (re.compile(r"\\[zG]"), ""),
    (re.compile(r"\(\?<(?=[A-Za-z])"), "(?P<"),
    (re.compile(r"\(\?\|"), "(?:"),
)
_ONLY_PCRE = re.compile(r"\(\*|\(\?(?:R|&|P>|\(|[+-]?\d)|\\[QEKg]|\}\{")


def judge_regex(value: str) -> list[Told]:
    """Verdicts on the expression between slashes in a directive's value."""
    found = BETWEEN.search(value)
    return list(_judge(found[1])) if found else []


def compiled(text: str) -> re.Pattern[str] | None:
    """An expression as PowerMTA reads it, upper and lower case alike; None where Python does not know it."""
    try:
        return _compile(text)
    except (re.error, RecursionError, OverflowError, ValueError):
        return None


_CASE_COUNTS = re.compile(r"\(\?[a-zA-Z]*-[a-zA-Z]*i")


def _compile(text: str) -> re.Pattern[str]:
    flags = 0 if _CASE_COUNTS.search(text) else re.IGNORECASE
    for pattern, instead in _TRANSLATED:
        text = pattern.sub(instead, text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(text, flags)


@lru_cache(maxsize=4096)
def _judge(text: str) -> tuple[Told, ...]:
    try:
        _compile(text)
    except re.error as error:
        why = error.msg
    except (RecursionError, OverflowError, ValueError):
        why = "too large"
    else:
        return ()
    if why.startswith(_SURE) and not _ONLY_PCRE.search(text):
        return ((BROKEN, f"`/{short(text)}/` does not compile: {why}", None, None),)
    return ((UNJUDGED, f"`/{short(text)}/` cannot be judged here: {why}", None, None),)


def quotes(value: str) -> list[Told]:
    """Whether a reply pattern holds a bare double quote."""
    found = BETWEEN.search(value)
    bare = found and '"' in re.sub(r"\\.", "", found[1])
    return [(QUOTE, f"`/{short(found[1])}/` holds a bare double quote", None, None)] if found and bare else []
