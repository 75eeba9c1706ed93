"""Lines that are never reached, because one above them takes everything that they would take."""

from collections.abc import Iterator

from email_engine.pmta.language.tree import Block, Directive
from email_engine.pmta.lint.index import Index, first_word
from email_engine.pmta.lint.rule import WARNING, Hit, Rule, short
from email_engine.pmta.lint.rules_security import Network, network

ACCESS = Rule(
    "PM613",
    WARNING,
    "http-access that is never reached",
    "The lines are read in their order: an earlier one that covers the address decides.",
    "3.3.1; facts section 1.9",
    "write the narrow addresses first, `0/0 none` last",
    "http-access 10.0.0.0/8 none\nhttp-access 10.0.0.7 admin\n",
    "http-access 10.0.0.7 admin\nhttp-access 10.0.0.0/8 none\n",
)
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

RULES = (PATTERN, ACCESS)

_EVERYTHING = ("//", "/.*/", "/^.*$/", "/^/")
_LISTS = ("bounce-category-patterns", "smtp-pattern-list", "pattern-list")
_OF_ALL = frozenset(("", "reply", "mail-from", "rcpt-to"))


def check_order(index: Index) -> Iterator[Hit]:
    """Of access lines and lists in which the first match wins."""
    above: list[tuple[Network, str]] = []
    for directive in sorted(index.lines("http-access"), key=lambda one: index.order(one.offset)):
        net = network(first_word(directive.value)[0])
        if net is None:
            continue
        over = next((shown for wide, shown in above if _covers(wide, net)), None)
        if over is not None:
            yield ACCESS.hit(directive.offset, f"`http-access {short(directive.value)}` stands behind {over}")
        elif len(above) < 100:
            above.append((net, f"`http-access {short(directive.value)}`"))
    for line, block in index.of(*_LISTS):
        yield from _behind_everything(block, line)


def _covers(wide: Network, net: Network) -> bool:
    return wide.version == net.version and wide.prefixlen <= net.prefixlen and net.network_address in wide


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
