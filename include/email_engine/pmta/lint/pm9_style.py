"""9xx: deprecated, legacy and removed; names that nothing uses."""

import re
from collections.abc import Iterator

from email_engine.pmta.language.tree import Block, Directive
from email_engine.pmta.lint.index import MACRO, Index
from email_engine.pmta.lint.pm2_regexes import Told
from email_engine.pmta.lint.pm4_references import actions
from email_engine.pmta.lint.rule import ERROR, INFO, MAIN, WARNING, Hit, Rule
from email_engine.pmta.release import Release

DEPRECATED = Rule(
    "PM901",
    WARNING,
    "deprecated",
    "It still works in 5.0 and may be gone in a later release.",
    "3.3",
    "write what replaces it",
    "<domain *>\n  max-msg-per-hour 100\n</domain>\n",
    "<domain *>\n  max-msg-rate 100/h\n</domain>\n",
)
LEGACY = Rule(
    "PM902",
    WARNING,
    "not in the 5.0 guide",
    "Seen in configurations of older releases; whether 5.0 still takes it is not documented.",
    "facts section 1.7; field",
    "delete the line, or let `pmta test config` decide",
    "<source 192.0.2.9>\n  remove-received-headers yes\n</source>\n",
    "<source 192.0.2.9>\n  remove-header Received\n</source>\n",
)
REMOVED = Rule(
    "PM903",
    ERROR,
    "removed",
    "The guide of 5.0r5 says that the directive is no longer valid; that of 5.0r1 still has it. Where the release may be older "
    "(also --version 5.0) it is a warning.",
    "3.3",
    "delete the line",
    "<domain *>\n  smtp-tls-allow-sslv3 no\n</domain>\n",
    "<domain *>\n  smtp-tls-allow-tlsv1.2 yes\n</domain>\n",
    version="5.0r5",
)
REMOVED_SINCE = Release.parse("5.0r2")
UNUSED = Rule(
    "PM904",
    INFO,
    "defined and never used",
    "A list or macro that nothing names has no effect: perhaps the line that should name it is missing.",
    "3.3",
    "name it where it is meant, or delete it",
    MAIN + "<smtp-pattern-list replies>\n  reply /busy/ skip-mx\n</smtp-pattern-list>\n",
    MAIN
    + "<smtp-pattern-list replies>\n  reply /busy/ skip-mx\n</smtp-pattern-list>\n"
    + "<domain *>\n  smtp-pattern-list replies\n</domain>\n",
)
PLAIN_NUMBER = Rule(
    "PM905",
    WARNING,
    "max-message-size without unit",
    "A number without unit is deprecated.",
    "3.3.7",
    "write for example 25M",
    "<source 192.0.2.9>\n  max-message-size 26214400\n</source>\n",
    "<source 192.0.2.9>\n  max-message-size 25M\n</source>\n",
)

RULES = (DEPRECATED, LEGACY, REMOVED, UNUSED, PLAIN_NUMBER)

_USERS = {
    "smtp-pattern-list": ("smtp-pattern-list",),
    "pattern-list": ("pattern-list",),
    "address-list": ("suppression-lists",),
    "rewrite-list": ("rewrite-list",),
    "source-group": ("source-group",),
    "proxy": ("use-proxy",),
}


_BARE = re.compile(r"\d{1,3}(\.\d{1,3}){3}(:\d+)?")
JUDGED = frozenset(("max-message-size", "smtp-hosts"))
"""Directives that `judge_value` has something to say about."""


def judge_value(name: str, value: str) -> list[Told]:
    """A number where a size is wanted, an address without its brackets."""
    if name == "smtp-hosts":
        bare = [host for host in re.split(r"\s*[,;]\s*", value) if _BARE.fullmatch(host)]
        remedy = "write addresses in brackets, such as [192.0.2.7]:25"
        return [(LEGACY, f"`smtp-hosts {host}`: an address without brackets", None, remedy) for host in bare]
    if name == "max-message-size" and value.isdecimal() and value != "0":
        return [(PLAIN_NUMBER, f"`max-message-size {value}` has no unit", None, None)]
    return []


def check_unused(index: Index) -> Iterator[Hit]:
    """Names in a whole configuration that nothing names."""
    if not (index.whole and index.complete):
        return
    used, macros = _used(index)
    for tag, users in _USERS.items():
        named = {name for user in users for name in used.get(user, ())}
        for name, line in index.names.get(tag, {}).items():
            if name and name not in named and name.lower() not in {n.lower() for n in named}:
                yield UNUSED.hit(line, f"<{tag} {name}> is never used")
    for name, (line, _) in index.macros.items():
        if name not in macros:
            yield UNUSED.hit(line, f"the macro {name} is never used")


def _used(index: Index) -> tuple[dict[str, set[str]], set[str]]:
    """Values by directive, and macros."""
    directives = {user for users in _USERS.values() for user in users}
    values: dict[str, set[str]] = {}
    macros: set[str] = set()
    seen: set[int] = set()

    def look(block: Block) -> None:
        if block.tag == "domain" and "$" in block.argument:
            macros.update(MACRO.findall(block.argument))
        if id(block.items) in seen:
            return
        seen.add(id(block.items))
        for node in block.items:
            if type(node) is Block:
                look(node)
            elif type(node) is Directive:
                if block.tag == "pattern-list":
                    called = {name for key, name in actions(node.value) if key == "call-to"}
                    values.setdefault("pattern-list", set()).update(called)
                elif node.name in directives:
                    named = node.value.replace('"', "").split(",")
                    values.setdefault(node.name, set()).update(name.strip() for name in named)
                if "$" in node.value:
                    macros.update(MACRO.findall(node.value))

    look(index.root)
    return values, macros
