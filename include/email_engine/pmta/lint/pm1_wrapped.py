"""112, 113: lines that belong to the one above, and places that were never filled in."""

import re
from collections.abc import Iterable, Iterator

from email_engine.pmta.language.tree import Comment, Directive, Node
from email_engine.pmta.lint.finding import Severity
from email_engine.pmta.lint.index import Index
from email_engine.pmta.lint.rule import ERROR, WARNING, Hit, Rule, short

WRAPPED = Rule(
    "PM112",
    ERROR,
    "a line that continues the one above",
    "A directive is one line, however long; there is no sign that continues it. An editor, a mail or a web page broke it.",
    "3.1",
    "join it to the line above, with one blank or none between them",
    "domain-macro big a.example,b.example,\nc.example,d.example\n<domain $big>\n  max-smtp-out 2\n</domain>\n",
    "domain-macro big a.example,b.example,c.example,d.example\n<domain $big>\n  max-smtp-out 2\n</domain>\n",
)
TEMPLATE = Rule(
    "PM113",
    ERROR,
    "a template that is not filled in",
    "`{{ip}}`, `__PORT__`, `%HOST%` and the like stand where a program or a person was to write a value; `...` stands for lines "
    "that were left out. Told once for a configuration; nothing else is said of these lines. `...` alone in what is no whole "
    "configuration is a warning.",
    "field",
    "lint what comes out of the template, or fill the places in",
    "<virtual-mta vmta-1>\n  smtp-source-host {{ip}} {{name}}\n</virtual-mta>\n",
    "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n</virtual-mta>\n",
)
RULES = (WRAPPED, TEMPLATE)

MOST_LINES = 40
"""So many lines may have been one."""
LEFT_OUT = "..."
_COMMENT_WORDS = 4
_TEMPLATE = re.compile(
    r"\{\{[^{}]*(?:\}\}|$)|\{[%#].*?(?:[%#]\}|$)|<%.*?(?:%>|$)|<\?(?!xml)|^\}\}|^%\}"
    r"|__[A-Z][A-Z0-9_]*?__|%%?[A-Z][A-Z0-9_]+%%?|@@?[A-Z][A-Z0-9_]+@@?(?![A-Za-z.])|\bYOUR[_-][A-Z_-]+\b"
    r"|\$\{(?!selector\}|domain\})[A-Za-z_][\w.]*\}|(?<!\S)<[A-Z][A-Z0-9_ -]*>"
    r"|(?<![\w$}])\{(?:ip\d?|host|hostname|port|user|password|vmta|pool|n|i|id|name)\}"
    r"|(?<![\w.])[xX]{1,3}(?:\.[xX]{1,3}){3}(?![\w.])"
)
_MARKS = re.compile(r"[{<%@$]|__|YOUR|[xX]\.[xX]|\.\.\.")


def placeholder(text: str) -> str:
    """The first place in a line that is to be filled in, empty if there is none."""
    if not _MARKS.search(text):
        return ""
    if text.startswith(LEFT_OUT):
        return LEFT_OUT
    found = _TEMPLATE.search(text)
    return found[0] if found else ""


def is_open(directive: Directive) -> bool:
    """Does a line look as if it went on?"""
    return directive.comment is None and directive.value.endswith((",", "\\"))


def joined(lines: Iterable[str]) -> tuple[str, str]:
    """Broken lines as one: with blanks between them, and without."""
    parts = [line.removesuffix("\\").rstrip() for line in lines]
    return " ".join(parts), "".join(parts)


def following(items: tuple[Node, ...], at: int) -> Iterator[Directive]:
    """Lines right below one, as far as they are directives."""
    before = items[at]
    for node in items[at + 1 : at + MOST_LINES]:
        if not isinstance(node, Directive) or node.offset != before.offset + 1:
            return
        yield node
        before = node


def text_of(directive: Directive) -> str:
    """A directive as it was written."""
    return f"{directive.name} {directive.value}".strip()


def goes_on_from_comment(items: tuple[Node, ...], at: int) -> bool:
    """Is a line of words the rest of a comment right above?"""
    node = items[at]
    above = items[at - 1] if at else None
    return (
        isinstance(above, Comment)
        and isinstance(node, Directive)
        and node.offset == above.offset + 1
        and len(text_of(node).split()) >= _COMMENT_WORDS
    )


def without_templates(hits: list[Hit], index: Index) -> list[Hit]:
    """One finding for all places that are to be filled in, and none of another kind on their lines."""
    places = {hit.line: hit.message for hit in hits if hit.rule is TEMPLATE}
    if not places:
        return hits
    first = min(places)
    kinds = list(dict.fromkeys(places[line] for line in sorted(places)))
    shown = ", ".join(f"`{short(kind, 30)}`" for kind in kinds[:3]) + (" ..." if len(kinds) > 3 else "")
    lines = f"{len(places)} lines have" if len(places) > 1 else "a line has"
    only_left_out = kinds == [LEFT_OUT] and not index.whole
    severity: Severity = WARNING if only_left_out else ERROR
    told = TEMPLATE.hit(first, f"{lines} places to be filled in: {shown}", severity)
    return [told, *(hit for hit in hits if hit.line not in places)]
