"""What PowerMTA must show of a virtual MTA once a text of the engine's layout is loaded."""

from collections.abc import Mapping

from email_engine.pmta.config.inventory import VmtaBlock, named, value_of
from email_engine.pmta.config.rates import is_daily
from email_engine.pmta.language.assembly import Assembly, assemble
from email_engine.pmta.language.grammar import keyword
from email_engine.pmta.language.meaning import expand, macros_of
from email_engine.pmta.language.tree import Block
from email_engine.pmta.language.values import unquoted

Macros = Mapping[str, frozenset[str]]


def read_macros(text: str) -> dict[str, frozenset[str]]:
    """Domain macros of a text: name to domains."""
    return macros_in(assemble(text))


def macros_in(assembly: Assembly) -> dict[str, frozenset[str]]:
    """As `read_macros`, of what was read already; macros inside of macros are put in their place."""
    macros = macros_of(assembly)
    return {name: frozenset(part.lower() for part in expand(f"${name}", macros)) for name in macros}


def domains_of(pattern: str, macros: Macros) -> frozenset[str]:
    """What a <domain> stands for; nothing where a macro in it is not known, or only a part of it."""
    if pattern.startswith("$"):
        domains = macros.get(pattern[1:], frozenset())
        return frozenset() if any("$" in domain for domain in domains) else domains
    return frozenset() if "$" in pattern or len(pattern.split()) != 1 else frozenset({pattern.lower()})


def queue_rate(block: VmtaBlock, domain: str, macros: Macros) -> str | None:
    """`max-msg-rate` of the queue `domain`/VMTA: of the block that names the domain, else its macro, else `*`.

    None where the virtual MTA itself says nothing about it."""
    rates = _rates(block)
    plain = [rate for pattern, rate in rates.items() if pattern.lower() == domain]
    grouped = [
        rate for pattern, rate in rates.items() if pattern != "*" and domain in domains_of(pattern, macros)
    ]
    return next(iter([*plain, *grouped, *(rates[p] for p in rates if p == "*")]), None)


def paced_queue(block: VmtaBlock, macros: Macros) -> tuple[str, str] | None:
    """A queue's domain, and its rate, of the first provider that the virtual MTA paces by the second, minute or hour."""
    for pattern, rate in _rates(block).items():
        domains = domains_of(pattern, macros)
        if pattern != "*" and domains and not is_daily(rate):
            return min(domains), rate
    return None


def bounded_queue(block: VmtaBlock, macros: Macros) -> tuple[str, str] | None:
    """A queue's domain, and its rate, where the virtual MTA may have only so much a day (`60/d`); its roll-up if there is one.

    None where no provider is bounded."""
    for pattern, rate in _rates(block).items():
        domains = domains_of(pattern, macros)
        if pattern != "*" and domains and is_daily(rate):
            return min(domains, key=lambda domain: (not domain.endswith(".rollup"), domain)), rate
    return None


def _rates(block: VmtaBlock) -> dict[str, str]:
    """By domain pattern as written."""
    rates: dict[str, str] = {}
    for inner in block.items:
        if isinstance(inner, Block) and keyword(inner.tag) == "domain":
            for directive in named(inner.items, "max-msg-rate"):
                rates[unquoted(inner.argument)] = value_of(directive)
    return rates
