"""What PowerMTA must show of a virtual MTA once a text of the engine's layout is loaded."""

import re

from email_engine.pmta.config.inventory import VmtaBlock, read_inventory

_MACRO = re.compile(r"domain-macro\s+(\S+)\s+(\S+)")
_DOMAIN = re.compile(r"<domain\s+(\S+)>")
_RATE = re.compile(r"max-msg-rate\s+(\S+)")
_BOUND = re.compile(r"\d+/d")


def read_macros(text: str) -> dict[str, frozenset[str]]:
    """Domain macros of a text: name to domains."""
    found = (_MACRO.fullmatch(line) for line in read_inventory(text).rest)
    return {one.group(1): frozenset(one.group(2).split(",")) for one in found if one}


def queue_rate(block: VmtaBlock, domain: str, macros: dict[str, frozenset[str]]) -> str | None:
    """`max-msg-rate` of the queue `domain`/VMTA: of the block that names the domain, else its macro, else `*`.

    None where the virtual MTA itself says nothing about it."""
    rates = _rates(block)
    named = [rates[pattern] for pattern in rates if pattern == domain]
    grouped = [rate for pattern, rate in rates.items() if domain in macros.get(pattern.removeprefix("$"), ())]
    return next(iter([*named, *grouped, *(rates[p] for p in rates if p == "*")]), None)


def bounded_queue(block: VmtaBlock, macros: dict[str, frozenset[str]]) -> tuple[str, str] | None:
    """A queue's domain, and its rate, where the virtual MTA may have only so much a day (`60/d`); its roll-up if there is one.

    None where no provider is bounded."""
    for pattern, rate in _rates(block).items():
        domains = macros.get(pattern.removeprefix("$"), frozenset({pattern}))
        if pattern != "*" and _BOUND.fullmatch(rate):
            return min(domains, key=lambda domain: (not domain.endswith(".rollup"), domain)), rate
    return None


def _rates(block: VmtaBlock) -> dict[str, str]:
    """By domain pattern as written."""
    rates: dict[str, str] = {}
    pattern = None
    for line in block.lines:
        opened, rate = _DOMAIN.fullmatch(line), _RATE.fullmatch(line)
        if opened:
            pattern = opened.group(1)
        elif line == "</domain>":
            pattern = None
        elif rate and pattern is not None:
            rates[pattern] = rate.group(1)
    return rates
