"""408, 409, 412: domain macros."""

from collections.abc import Iterator

from email_engine.pmta.lint.index import MACRO, Index, Line, first_word
from email_engine.pmta.lint.pm4_references import pointing
from email_engine.pmta.lint.rule import ERROR, INFO, WARNING, Hit, Rule

MACRO_UNKNOWN = pointing(
    "PM408",
    "unknown macro",
    "`$name` stands for nothing.",
    "3.3.10; facts section 1.1",
    "`domain-macro NAME domains`",
    "<domain $big>\n  max-smtp-out 2\n</domain>\n",
    "domain-macro big gmail.com\n<domain $big>\n  max-smtp-out 2\n</domain>\n",
)
MACRO_LOOP = Rule(
    "PM409",
    ERROR,
    "a macro that names itself",
    "A loop is an error when the configuration is loaded.",
    "3.3.1; facts section 1.1",
    "take the macro out of its own values",
    "domain-macro a $b\ndomain-macro b $a\n",
    "domain-macro b example.org\ndomain-macro a $b,example.net\n",
)
MACRO_TWICE = Rule(
    "PM412",
    WARNING,
    "a macro defined twice",
    "The guide does not say which one counts.",
    "3.3.1",
    "join the lines, or give one another name",
    "domain-macro big gmail.com\ndomain-macro big yahoo.com\n",
    "domain-macro big gmail.com,yahoo.com\n",
)
RULES = (MACRO_UNKNOWN, MACRO_LOOP, MACRO_TWICE)


def check_macros(index: Index) -> Iterator[Hit]:
    """Macros in patterns and in one another."""
    patterns: set[str] = set()
    for line, pattern in (*_patterns(index), *_values(index)):
        if "$" in pattern and pattern not in patterns:
            patterns.add(pattern)
            yield from _uses(index, line, pattern)
    first: dict[str, Line] = {}
    for directive in index.lines("domain-macro"):
        name, values = first_word(directive.value)
        if name in first:
            above = index.flat.place(first[name])
            yield MACRO_TWICE.hit(directive.offset, f"the macro {name} is also defined at {above}")
        first.setdefault(name, directive.offset)
        yield from _uses(index, directive.offset, values)
    looping = _looping(index)
    for name in looping:
        yield MACRO_LOOP.hit(first[name], f"the macro {name} stands for itself")


def _looping(index: Index) -> list[str]:
    uses = {
        name: {used for value in values for used in MACRO.findall(value)}
        for name, (_, values) in index.macros.items()
    }
    ends: set[str] = set()
    while True:
        new = {name for name, used in uses.items() if name not in ends and not (used & uses.keys()) - ends}
        if not new:
            return [name for name in uses if name not in ends and name in _reach(name, uses)]
        ends |= new


def _reach(name: str, uses: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(uses[name])
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += uses.get(one, ())
    return found


def _patterns(index: Index) -> Iterator[tuple[Line, str]]:
    for line, settings in index.domains:
        if "$" in settings.pattern:
            yield line, settings.block.argument
    for sender in index.shapes:
        for offset, settings in sender.domains:
            if "$" in settings.pattern:
                yield sender.line + offset, settings.block.argument


def _values(index: Index) -> Iterator[tuple[Line, str]]:
    """Values that take macros."""
    for directive in index.lines("relay-domain", "domain-key"):
        yield directive.offset, directive.value
    for line, block in index.of("address-list", "domain-key-list"):
        for directive in block.directives("domain", "domain-key"):
            yield line + directive.offset, directive.value
    for sender in (*index.vmtas, *index.pools):
        for directive in sender.lines.get("domain-key", ()):
            yield sender.line + directive.offset, directive.value


def _uses(index: Index, line: Line, text: str) -> Iterator[Hit]:
    for name in MACRO.findall(text):
        if name in index.macros:
            continue
        if not index.complete:
            yield MACRO_UNKNOWN.hit(line, f"`${name}`: no such macro in the files that were read", INFO)
        elif not index.whole:
            yield MACRO_UNKNOWN.hit(
                line, f"`${name}`: no such macro in this file; another may define it", WARNING
            )
        else:
            yield MACRO_UNKNOWN.hit(line, f"`${name}`: no such macro")
