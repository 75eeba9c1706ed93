"""Patterns that stand by themselves: words and status codes that are no part of a longer word or number, of an IP, an address
or a link. Written without what PowerMTA's file reader could misread: `[ -)]` means blank to `)`, the `#` among them."""

import re

from email_engine.fleet import names

_BEFORE = "(^|[ ;])[ -)[]*([245][0-9][0-9]-)?"
_BEHIND = r"""(?<![^ ;(\["'])"""
_ADDRESS, _MASKED = "[^ ]*@[^ ]*", "[^ ]*[@#][^ ]*"
_STOP = "[.]([] -).]|$)|$"
_AFTER_WORDS = f"([] -),:;?]|{_STOP})"
_AFTER_STATUS = f"([] -),:;]|-( |$)|{_STOP})"

status_text = names.like(
    re.compile(r"x\.[0-9]{1,3}\.[0-9()|+\[\]-]{1,40}"), "a status such as x.1.1 or x.1.(1|3)"
)
"""Check for a status; its last part is a regular expression of digits."""


def words(expression: str) -> str:
    """The pattern of words that begin behind a blank and end where a word ends; blanks within keep it out of any link."""
    return f"{_BEFORE}({expression}){_AFTER_WORDS}"


def status(code: str) -> str:
    """The pattern of `x.1.1`: 4.1.1 or 5.1.1, and never 5.1.121 or 195.1.1.7."""
    _, subject, detail = code.split(".")
    return f"{_BEFORE}[45][.]{subject}[.]({detail}){_AFTER_STATUS}"


def quick(expression: str) -> re.Pattern[str]:
    """The same for Python, of a text in lower case whose `550-` is `550 ` and whose addresses may be masked: a look behind costs half of what consuming the blank does. Patterns hold no
    backslash, so that one in lower case is the same pattern; and quicker than one that ignores case."""
    return re.compile(expression.lower().replace(_BEFORE, _BEHIND).replace(_ADDRESS, _MASKED), re.DOTALL)
