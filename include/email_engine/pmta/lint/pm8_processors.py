"""812 to 814: complaints and late bounces come as mail: who reads it, and does it get in?"""

import re
from collections.abc import Iterator

from email_engine.pmta.language.checks import BadValue
from email_engine.pmta.language.meaning import expand
from email_engine.pmta.language.values import domain_pattern
from email_engine.pmta.lint.index import Index, Line, first_word
from email_engine.pmta.lint.pm6_security import network
from email_engine.pmta.lint.pm8_accounting import kinds_of
from email_engine.pmta.lint.rule import MAIN, WARNING, Hit, Rule, short

FEEDBACK, BOUNCES = "feedback-loop-processor", "bounce-processor"
_RB = MAIN.replace("records d,b,t,f", "records d,b,t,f,rb")
_READ = f"<{BOUNCES}>\n  <address-list>\n    domain {{}}\n  </address-list>\n</{BOUNCES}>\n"

NO_PROCESSOR = Rule(
    "PM812",
    WARNING,
    "records that nothing makes",
    f"Records f come from a <{FEEDBACK}>, records rb and rs from a <{BOUNCES}>: without it there are none.",
    "3.3.3, 3.3.4, 3.3.11.11",
    "add the processor with the addresses to which such reports come, or take the type out of `records`",
    _RB,
    _RB + _READ.format("fbl.example.com"),
)
UNREACHED = Rule(
    "PM813",
    WARNING,
    "a processor that no mail reaches",
    "Reports come from outside to port 25, and PowerMTA refuses mail for domains that no `relay-domain`, `relay-address` or "
    "`host-name` names, unless the sender may relay.",
    "3.3.1.42.2, 3.3.3, 3.3.4; r1 12.1, 12.6, 12.7",
    "write `relay-domain DOMAIN` for the domain of the reports, let an `smtp-listener` stand on port 25 of an outer address, and "
    "publish the MX",
    _RB + _READ.format("bounce.example.com"),
    _RB + _READ.format("bounce.example.com") + "relay-domain bounce.example.com\n",
)
NOT_KEPT = Rule(
    "PM814",
    WARNING,
    "late bounces that are read and not recorded",
    f"What a <{BOUNCES}> finds goes into records rb (and rs); no <acct-file> takes them.",
    "3.3.3, 3.3.11.11",
    "write `records d,b,t,rb` into one <acct-file>",
    MAIN + _READ.format("fbl.example.com"),
    _RB + _READ.format("fbl.example.com"),
)
RULES = (NO_PROCESSOR, UNREACHED, NOT_KEPT)

_MAKES = {FEEDBACK: ("f",), BOUNCES: ("rb", "rs")}
_HOW = "add <{}> with the addresses to which such reports come, or take {} out of `records`"
_BEHIND_AT = re.compile(r"@((?:[A-Za-z0-9-]|\\?\.)+)\$?/")


def check_processors(index: Index) -> Iterator[Hit]:
    """Only of a whole configuration: any file may hold the other half."""
    if not (index.whole and index.complete):
        return
    recorded: dict[str, Line] = {}
    for line, block in index.of("acct-file"):
        settings = index.settings(block)
        at = line + (settings.offset("records") if "records" in settings.values else 0)
        for kind in sorted(kinds_of(settings)):
            recorded.setdefault(kind, at)
    for tag, kinds in _MAKES.items():
        those = [kind for kind in kinds if kind in recorded]
        if those and tag not in index.blocks:
            message = f"`records {','.join(those)}`, but no <{tag}>"
            yield NO_PROCESSOR.hit(recorded[those[0]], message, remedy=_HOW.format(tag, ", ".join(those)))
    if BOUNCES in index.blocks and not {"rb", "rs"} & recorded.keys():
        yield NOT_KEPT.hit(index.blocks[BOUNCES][0][0], "no <acct-file> records rb")
    yield from _unreached(index)


def _unreached(index: Index) -> Iterator[Hit]:
    processors = list(index.of(FEEDBACK, BOUNCES))
    if not processors:
        return
    heard, doors = _is_heard(index), _doors(index)
    for line, block in processors:
        if not heard:
            message = f"<{block.tag}>: no smtp-listener on port 25 of an outer address"
            yield UNREACHED.hit(line, message)
            continue
        if doors is None:
            continue
        domains = {
            domain: line + addresses.offset + directive.offset
            for addresses in block.blocks("address-list")
            for directive in addresses.directives("domain", "address")
            for domain in _domains(index, directive.name, directive.value)
        }
        if not doors and not domains:
            yield UNREACHED.hit(line, f"<{block.tag}>: no `relay-domain` lets mail in")
        for domain, at in domains.items():
            if not any(_covers(door, domain) for door in doors):
                yield UNREACHED.hit(at, f"no `relay-domain` lets mail for {short(domain)} in")


def _is_heard(index: Index) -> bool:
    """Does somebody outside reach port 25? Without any listener PowerMTA listens everywhere."""
    listeners = [first_word(one.value)[0] for one in index.lines("smtp-listener")]
    listeners += [block.argument for _, block in index.of("smtp-listener")]
    for listener in listeners:
        address, _, port = listener.rpartition(":")
        net = network(address.strip("[]"))
        if net is None or (port in ("25", "") and not net.is_loopback):
            return True
    return not listeners


def _doors(index: Index) -> list[str] | None:
    """Domains that are let in; None where that cannot be told: other machines relay, or single addresses are let in."""
    for _, block in index.of("source"):
        net = network(block.argument)
        outer = net is None or not net.is_loopback
        if outer and index.settings(block).get("always-allow-relaying") in ("yes", "true"):
            return None
    if next(index.lines("relay-address"), None):
        return None
    named = [one.value for one in index.lines("relay-domain", "host-name")]
    named += [one.value for vmta in index.vmtas for one in vmta.lines.get("host-name", ())]
    return [domain for one in dict.fromkeys(named) for domain in _expanded(index, one)]


def _expanded(index: Index, text: str) -> list[str]:
    macros = {name: parts for name, (_, parts) in index.macros.items()} if "$" in text else {}
    return [_ascii(one) for one in (expand(text, macros) if macros else (text,))]


def _ascii(text: str) -> str:
    try:
        return domain_pattern(text).lower()
    except BadValue:
        return text.lower()


def _domains(index: Index, name: str, value: str) -> list[str]:
    """Domains of a line of an address list, none where it does not say."""
    if name == "domain":
        return _expanded(index, value)
    if value.startswith("/"):
        found = _BEHIND_AT.search(value)
        return [found[1].replace("\\", "").lower()] if found and "." in found[1] else []
    return [_ascii(value.rpartition("@")[2])] if "@" in value else []


def _covers(door: str, domain: str) -> bool:
    if door == "*":
        return True
    if door.startswith(("[*.]", "*.")):
        base = door.partition(".")[2].lstrip("]")
        return domain.endswith(f".{base}") or (door[0] == "[" and domain == base)
    return door == domain
