"""Access lines that are never reached, because one above them takes every address that they would take."""

from collections.abc import Iterator

from email_engine.pmta.lint.index import Index, first_word
from email_engine.pmta.lint.pm6_security import Network, network
from email_engine.pmta.lint.rule import WARNING, Hit, Rule, short

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
RULES = (ACCESS,)


def check_access(index: Index) -> Iterator[Hit]:
    """Of `http-access`: the first line that covers an address decides."""
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


def _covers(wide: Network, net: Network) -> bool:
    return wide.version == net.version and wide.prefixlen <= net.prefixlen and net.network_address in wide
