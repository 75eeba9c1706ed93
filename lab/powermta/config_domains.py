"""`<domain>` blocks: patterns, macros, and which settings hold for one queue.

The most specific pattern wins and inherits from the less specific ones; a domain written out beats a macro; the VMTA's own
blocks come before those of its pool, and those before the global ones.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product


@dataclass(frozen=True, slots=True)
class DomainBlock:
    """One <domain PATTERN>: `patterns` after macro expansion, lower case; `written` as in the file."""

    written: str
    patterns: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]

    @property
    def by_macro(self) -> bool:
        return "$" in self.written

    def specificity(self, domain: str) -> tuple[int, int, bool] | None:
        """How closely the block names `domain` (larger is closer); None if it does not."""
        best = max((found for pattern in self.patterns if (found := _match(pattern, domain))), default=None)
        return (*best, not self.by_macro) if best else None


@dataclass(frozen=True)
class DomainSettings:
    """The global <domain> blocks."""

    blocks: tuple[DomainBlock, ...]

    @cached_property
    def wildcards_only(self) -> bool:
        return all(block.written == "*" for block in self.blocks)

    def effective(self, domain: str, *closer: Iterable[DomainBlock]) -> dict[str, str]:
        """The settings of the queue for `domain`; `closer` are the VMTA's own blocks, then its pool's."""
        settings: dict[str, str] = {}
        for level in reversed([*closer, self.blocks]):
            hits = [(rank, block) for block in level if (rank := block.specificity(domain))]
            for _, block in sorted(hits, key=lambda hit: hit[0]):
                for name, value in block.settings:
                    if value == '""':
                        settings.pop(name, None)
                    else:
                        settings[name] = value
        return settings


class UnknownMacroError(ValueError):
    """The macro of this name is not defined, or its definition runs in a circle."""


def expand(text: str, macros: dict[str, tuple[str, ...]], seen: tuple[str, ...] = ()) -> tuple[str, ...]:
    """`yahoo.$tld` with tld = com,fr -> (yahoo.com, yahoo.fr). Raises UnknownMacroError."""
    choices: list[tuple[str, ...]] = []
    at = 0
    while at < len(text):
        if text[at] != "$":
            end = text.find("$", at)
            end = len(text) if end < 0 else end
            choices.append((text[at:end],))
        else:
            end = at + 1
            while end < len(text) and (text[end].isalnum() or text[end] == "_"):
                end += 1
            name = text[at + 1 : end]
            if name not in macros:
                raise UnknownMacroError(f'unknown domain macro "${name}"')
            if name in seen:
                raise UnknownMacroError(f'domain macro "${name}" refers to itself')
            parts = (expand(part, macros, (*seen, name)) for part in macros[name])
            choices.append(tuple(one for part in parts for one in part))
        at = end
    return tuple("".join(parts).lower() for parts in product(*choices))


def _match(pattern: str, domain: str) -> tuple[int, int] | None:
    if pattern == domain:
        return (3, len(domain))
    if pattern == "*":
        return (1, 0)
    if pattern.startswith("[*.]"):
        base = pattern[4:]
        return (2, len(base)) if domain == base or domain.endswith("." + base) else None
    if pattern.startswith("*."):
        return (2, len(pattern) - 2) if domain.endswith(pattern[1:]) else None
    return None


def matches_pattern(pattern: str, domain: str) -> bool:
    """Whether a domain pattern (`*`, `dom`, `*.dom`, `[*.]dom`) covers `domain`."""
    return _match(pattern.lower(), domain) is not None
