"""Lines that are never reached, because one above them takes everything that they would take."""

from collections.abc import Iterator

from email_engine.pmta.language.tree import Block, Directive
from email_engine.pmta.lint.index import Index
from email_engine.pmta.lint.rule import WARNING, Hit, Rule

PATTERN = Rule(
    "PM310",
    WARNING,
    "a pattern that is never reached",
    "The first match wins, and an expression above it matches everything.",
    "3.3.14, 3.3.15; facts section 1.8",
    "move the line that matches everything to the end",
    "<bounce-category-patterns>\n  // other\n  /spam/ spam-related\n</bounce-category-patterns>\n",
    "<bounce-category-patterns>\n  /spam/ spam-related\n  // other\n</bounce-category-patterns>\n",
)

RULES = (PATTERN,)

_EVERYTHING = ("//", "/.*/", "/^.*$/", "/^/")
_LISTS = ("bounce-category-patterns", "smtp-pattern-list", "pattern-list")
_OF_ALL = frozenset(("", "reply", "mail-from", "rcpt-to"))


def check_order(index: Index) -> Iterator[Hit]:
    """Of lists in which the first match wins."""
    for line, block in index.of(*_LISTS):
        yield from _behind_everything(block, line)


def _behind_everything(block: Block, line: int) -> Iterator[Hit]:
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
