"""Lines that are never reached, because one above them takes everything that they would take."""

import re
from collections.abc import Iterator
from itertools import islice

from email_engine.pmta.language.tree import Block, Directive
from email_engine.pmta.lint.index import Index, Line
from email_engine.pmta.lint.rule import WARNING, Hit, Rule, short

PATTERN = Rule(
    "PM310",
    WARNING,
    "a pattern that is never reached",
    "The first match wins, and an expression above it matches everything that it could match.",
    "3.3.14, 3.3.15; facts section 1.8",
    "move the wider line below the narrower one",
    "<bounce-category-patterns>\n  // other\n  /spam/ spam-related\n</bounce-category-patterns>\n",
    "<bounce-category-patterns>\n  /spam/ spam-related\n  // other\n</bounce-category-patterns>\n",
)

RULES = (PATTERN,)

MOST = 1_000
"""So many plain texts of a list are compared with one another."""
_PLAIN = re.compile(r"/([A-Za-z0-9 ,:;_@=-]+)/\s*(.*)")
_EVERYTHING = ("//", "/.*/", "/^.*$/", "/^/")
_LISTS = ("bounce-category-patterns", "smtp-pattern-list", "pattern-list")
_OF_ALL = frozenset(("", "reply", "mail-from", "rcpt-to"))


def check_order(index: Index) -> Iterator[Hit]:
    """Of lists in which the first match wins."""
    for line, block in index.of(*_LISTS):
        yield from _behind_everything(block, line)
        if block.tag != "pattern-list":
            yield from _behind_part(block, line)


def _behind_everything(block: Block, line: Line) -> Iterator[Hit]:
    """The line right behind one that takes everything, unless that one goes on to another list."""
    taken = False
    for node in block.items:
        if not isinstance(node, Directive | Block):
            continue
        if taken:
            yield PATTERN.hit(line + node.offset, f"<{block.tag}>: the line above matches everything")
            return
        if isinstance(node, Directive) and node.name in _OF_ALL:
            regex, _, rest = node.value.partition(" ")
            taken = regex in _EVERYTHING and "call-to:" not in rest and "<" not in rest


def _behind_part(block: Block, line: Line) -> Iterator[Hit]:
    """A plain text that holds a plain text from above and would lead elsewhere."""
    above: dict[str, tuple[str, int]] = {}
    for directive in islice(block.directives("reply", ""), MOST):
        found = _PLAIN.fullmatch(directive.value)
        if not found:
            continue
        text, rest = found[1].lower(), found[2].replace(" ", "")
        over = next((one for one in above if one in text), None)
        if over is None:
            above[text] = (rest, directive.offset)
        elif above[over][0] != rest:
            place = directive.offset - above[over][1]
            where = f"{place} line{'s' if place > 1 else ''} above"
            yield PATTERN.hit(
                line + directive.offset, f"`/{short(over)}/`, {where}, matches all that this would"
            )
