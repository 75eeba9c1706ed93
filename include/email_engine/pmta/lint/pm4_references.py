"""4xx: names that something points to."""

from collections.abc import Iterator

from email_engine.pmta.language.tree import Block, Directive
from email_engine.pmta.lint.index import Index, Line
from email_engine.pmta.lint.rule import ERROR, INFO, MAIN, WARNING, Hit, Rule, short

_VMTA = "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n{}</virtual-mta>\n"
_POOL = "<virtual-mta-pool pool-a>\n  virtual-mta {}\n</virtual-mta-pool>\n"
_SOURCE = "<source 192.0.2.9>\n  {}\n</source>\n"
_MAY = " In a file that others include, or when an include was not read, the name may stand elsewhere."


def pointing(code: str, title: str, why: str, source: str, what: str, bad: str, good: str) -> Rule:
    remedy = f"correct the name, or define {what}"
    return Rule(code, ERROR, title, why + _MAY, source, remedy, MAIN + bad, MAIN + good)


MEMBER = pointing(
    "PM401",
    "pool that names an unknown virtual MTA",
    "A member that does not exist makes the configuration unloadable.",
    "3.3.13",
    "a <virtual-mta>",
    _VMTA.format("") + _POOL.format("vmta-2"),
    _VMTA.format("") + _POOL.format("vmta-1"),
)
REPLIES = pointing(
    "PM402",
    "unknown smtp-pattern-list",
    "Replies are then not looked at.",
    "3.3.10",
    "a <smtp-pattern-list>",
    "<domain *>\n  smtp-pattern-list replies\n</domain>\n",
    "<smtp-pattern-list replies>\n</smtp-pattern-list>\n<domain *>\n  smtp-pattern-list replies\n</domain>\n",
)
PATTERNS = pointing(
    "PM403",
    "unknown pattern-list",
    "The source routes by a list that is not there.",
    "3.3.7",
    "a <pattern-list>",
    _SOURCE.format("pattern-list routes"),
    "<pattern-list routes>\n</pattern-list>\n" + _SOURCE.format("pattern-list routes"),
)
SENDER = pointing(
    "PM404",
    "unknown virtual MTA or pool",
    "Mail is given to a name that does not exist: refused when it comes in, or bounced 5.3.5.",
    "3.3.7, 3.3.12; facts section 1.3",
    "a <virtual-mta> or <virtual-mta-pool>",
    _VMTA.format("") + _SOURCE.format("default-virtual-mta vmta-2"),
    _VMTA.format("") + _SOURCE.format("default-virtual-mta vmta-1"),
)
SOURCE = pointing(
    "PM405",
    "unknown source",
    "A user or listener gets the settings of a <source> by name.",
    "3.3.8, 3.3.17",
    "a <source>",
    "<smtp-user app>\n  password secret\n  source app-auth\n</smtp-user>\n",
    "<source app-auth>\n  require-auth yes\n</source>\n"
    "<smtp-user app>\n  password secret\n  source app-auth\n</smtp-user>\n",
)
SUPPRESSION = pointing(
    "PM406",
    "unknown suppression list",
    "Addresses that must not get mail would get it.",
    "3.3.5, 3.3.7",
    "an <address-list>",
    _SOURCE.format("suppression-lists complaints"),
    "<address-list complaints>\n</address-list>\n" + _SOURCE.format("suppression-lists complaints"),
)
REWRITE = pointing(
    "PM407",
    "unknown rewrite-list",
    "Addresses are not rewritten.",
    "3.3.18",
    "a <rewrite-list>",
    _VMTA.format("  rewrite-list names\n"),
    "<rewrite-list names>\n</rewrite-list>\n" + _VMTA.format("  rewrite-list names\n"),
)
LATE = Rule(
    "PM410",
    ERROR,
    "pattern-list behind its source",
    "The only rule about order: a <pattern-list> must stand before the <source> that names it. Mind includes.",
    "3.3.7, 3.3.14; facts section 1.1",
    "move the <pattern-list> before the <source>",
    _SOURCE.format("pattern-list routes") + "<pattern-list routes>\n</pattern-list>\n",
    "<pattern-list routes>\n</pattern-list>\n" + _SOURCE.format("pattern-list routes"),
)
OTHER = pointing(
    "PM411",
    "unknown source-group, proxy or filter",
    "The line names a block that does not exist.",
    "3.3.9, 3.3.22",
    "that block",
    _SOURCE.format("source-group slow"),
    "<source-group slow>\n</source-group>\n" + _SOURCE.format("source-group slow"),
)
OTHER_CASE = Rule(
    "PM413",
    WARNING,
    "a name written in another case",
    "Whether upper and lower case count is not documented.",
    "facts section 1.2",
    "write the name as it is defined",
    _VMTA.format("") + _POOL.format("VMTA-1"),
    _VMTA.format("") + _POOL.format("vmta-1"),
)

RULES = (
    MEMBER,
    REPLIES,
    PATTERNS,
    SENDER,
    SOURCE,
    SUPPRESSION,
    REWRITE,
    LATE,
    OTHER,
    OTHER_CASE,
)

_SENDERS = "virtual-mta or -pool"
_POINTS: dict[tuple[str, str], tuple[str, Rule]] = {
    ("virtual-mta-pool", "virtual-mta"): ("virtual-mta", MEMBER),
    ("domain", "smtp-pattern-list"): ("smtp-pattern-list", REPLIES),
    ("source", "pattern-list"): ("pattern-list", PATTERNS),
    ("source", "default-virtual-mta"): (_SENDERS, SENDER),
    ("virtual-mta", "cold-virtual-mta"): (_SENDERS, SENDER),
    ("virtual-mta-pool", "cold-virtual-mta"): (_SENDERS, SENDER),
    ("domain", "reroute-to-virtual-mta"): (_SENDERS, SENDER),
    ("domain", "backoff-reroute-to-virtual-mta"): (_SENDERS, SENDER),
    ("global", "reroute-to-virtual-mta"): (_SENDERS, SENDER),
    ("global", "invalid-virtual-mta-fallback"): (_SENDERS, SENDER),
    ("smtp-user", "source"): ("source", SOURCE),
    ("smtp-listener", "source"): ("source", SOURCE),
    ("source", "suppression-lists"): ("address-list", SUPPRESSION),
    ("source", "rewrite-list"): ("rewrite-list", REWRITE),
    ("virtual-mta", "rewrite-list"): ("rewrite-list", REWRITE),
    ("virtual-mta-pool", "rewrite-list"): ("rewrite-list", REWRITE),
    ("source", "source-group"): ("source-group", OTHER),
    ("virtual-mta", "use-proxy"): ("proxy", OTHER),
    ("global", "use-proxy"): ("proxy", OTHER),
    ("global", "enable-signals"): ("signals-filter", OTHER),
    ("virtual-mta", "enable-signals"): ("signals-filter", OTHER),
    ("virtual-mta-pool", "enable-signals"): ("signals-filter", OTHER),
}
_NAMES_AT: dict[str, dict[str, tuple[str, Rule]]] = {}
for (_tag, _name), _target in _POINTS.items():
    _NAMES_AT.setdefault(_tag, {})[_name] = _target
_NOBODY = frozenset(('""', "none", "by-smtp-source-ip", "true", "false", "yes", "no"))


def check_references(index: Index) -> Iterator[Hit]:
    """Every name that a line points to."""
    yield from _block(index, index.root, 0)
    yield from _blocks(index)
    for directive in index.lines("smtp-listener"):
        _, mark, source = directive.value.partition("source=")
        if mark:
            yield from _points_to(index, directive.offset, "source", SOURCE, source.strip())
    yield from _late(index)


def _blocks(index: Index) -> Iterator[Hit]:
    for tag in ("source", "smtp-user", "smtp-listener", "pattern-list"):
        for line, block in index.of(tag):
            yield from _block(index, block, line)
    for tag, senders in (("virtual-mta", index.vmtas), ("virtual-mta-pool", index.pools)):
        here = _NAMES_AT[tag]
        for sender in senders:
            for name in here.keys() & sender.lines.keys():
                for directive in sender.lines[name]:
                    yield from _names(index, directive, sender.line, *here[name])
    for line, settings in index.all_domains:
        yield from _block(index, settings.block, line)


def _block(index: Index, block: Block, line: Line) -> Iterator[Hit]:
    """The directives of a block; of a pattern list those of the lists inside too."""
    here = _NAMES_AT.get(block.tag, {})
    for node in block.items:
        if type(node) is Directive:
            if node.name in here:
                yield from _names(index, node, line, *here[node.name])
            elif block.tag == "pattern-list":
                for key, name in actions(node.value):
                    target = (_SENDERS, SENDER) if key == "virtual-mta" else ("pattern-list", PATTERNS)
                    yield from _points_to(index, line + node.offset, *target, name)
        elif type(node) is Block and block.tag == node.tag == "pattern-list":
            yield from _block(index, node, line + node.offset)


def actions(value: str) -> Iterator[tuple[str, str]]:
    """What a line of a pattern list points to: `virtual-mta` or `call-to`, and the name."""
    for action in value.rpartition("/")[2].split(","):
        for key, mark in (("virtual-mta", "="), ("call-to", ":")):
            if action.strip().startswith(key + mark):
                yield key, action.strip()[len(key) + 1 :].strip()


def _names(index: Index, directive: Directive, line: Line, tag: str, rule: Rule) -> Iterator[Hit]:
    for name in directive.value.partition(",subaccount=")[0].split(","):
        yield from _points_to(index, line + directive.offset, tag, rule, name.strip('" '))


def _points_to(index: Index, line: Line, tag: str, rule: Rule, name: str) -> Iterator[Hit]:
    known = index.senders if tag == _SENDERS else index.names.get(tag, {})
    if name in known or name in _NOBODY or name.startswith("{") or not name:
        return
    if " " in name or (tag == "virtual-mta" and name in index.names.get("virtual-mta-pool", {})):
        return
    shown = short(name)
    if name.lower() in index.lower_names(tag):
        yield OTHER_CASE.hit(line, f"`{shown}` is defined in another case")
        return
    what = "virtual MTA or pool" if tag == _SENDERS else f"<{tag}>"
    if not index.complete:
        yield rule.hit(line, f"`{shown}`: no such {what} in the files that were read", INFO)
    elif not index.whole and not (tag == "virtual-mta" and known):
        yield rule.hit(line, f"`{shown}`: no such {what} in this file; another may define it", WARNING)
    else:
        yield rule.hit(line, f"`{shown}`: no such {what}")


def _late(index: Index) -> Iterator[Hit]:
    lists = index.names.get("pattern-list", {})
    for line, block in index.of("source"):
        for directive in block.directives("pattern-list"):
            at = lists.get(directive.value)
            if at is not None and index.order(at) > index.order(line):
                message = f"<pattern-list {short(directive.value)}> stands behind this source, at {index.flat.place(at)}"
                yield LATE.hit(line + directive.offset, message)
