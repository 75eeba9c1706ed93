"""The part of a change that only slows a virtual MTA's mail to some mailbox providers."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from email_engine.pmta.config.expected_settings import read_macros
from email_engine.pmta.config.rates import per_second

RATES = ("max-msg-rate", "backoff-max-msg-rate")
_VMTA = re.compile(r"<virtual-mta\s+([^\s<>]+)>")
_DOMAIN = re.compile(r"<domain\s+([^\s<>]+)>")
_END = "</domain>"
Macros = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class _Block:
    """One <domain> of a virtual MTA, or what stands between two (`pattern` None). `settings` None: it is not understood."""

    pattern: str | None
    lines: tuple[str, ...]
    settings: Mapping[str, str] | None = None

    def domains(self, macros: Macros) -> frozenset[str]:
        if self.pattern is None or self.pattern == "*" or self.settings is None:
            return frozenset()
        if self.pattern.startswith("$"):
            return macros.get(self.pattern[1:], frozenset())
        return frozenset({self.pattern})


def with_lower_limits(running: str, wanted: str) -> str:
    """`running` with those <domain> blocks of `wanted` that only lower rates there, in virtual MTAs that both know. One block
    may become several that stand for the same domains; `<domain *>` and everything else stays, to the byte."""
    bodies, asked = list(_bodies(running)), list(_bodies(wanted))
    there, known = _once(asked), _once(bodies)
    changed = {
        name: (_limits_of(known[name]), _limits_of(there[name]))
        for name in known.keys() & there.keys()
        if known[name] != there[name]
    }
    changed = {name: pair for name, pair in changed.items() if pair[0] != pair[1]}
    if not changed:
        return running
    macros, theirs = read_macros(running), read_macros(wanted)
    lower = {pair: _lowered(*pair, macros, theirs) for pair in set(changed.values())}
    out: list[str] = []
    for name, body in bodies:
        if name in changed:
            pair = changed[name]
            out += body[: len(body) - len(pair[0])]
            out += lower[pair]
        else:
            out += body
    return "".join(out)


def _once(bodies: list[tuple[str, list[str]]]) -> dict[str, list[str]]:
    """Those of the virtual MTAs that stand there one time."""
    count = Counter(name for name, _ in bodies)
    return {name: body for name, body in bodies if name and count[name] == 1}


def _bodies(text: str) -> Iterator[tuple[str, list[str]]]:
    """Lines with their line breaks by virtual MTA, its own tags with it; what stands elsewhere under an empty name."""
    name = ""
    body: list[str] = []
    for raw in text.splitlines(keepends=True):
        line = raw.partition("#")[0].strip()
        opened = None if name else _VMTA.fullmatch(line)
        if opened:
            yield "", body
            name, body = opened.group(1), []
        body.append(raw)
        if name and line == "</virtual-mta>":
            yield name, body
            name, body = "", []
    yield "", body


def _limits_of(body: list[str]) -> tuple[str, ...]:
    """From the first <domain> on: alike in many virtual MTAs."""
    first = next((n for n, raw in enumerate(body) if raw.lstrip().startswith("<domain")), len(body))
    return tuple(body[first:])


def _lowered(running: tuple[str, ...], wanted: tuple[str, ...], macros: Macros, theirs: Macros) -> list[str]:
    blocks, asked = list(_blocks(running)), list(_blocks(wanted))
    general = next((block.settings for block in blocks if block.pattern == "*"), None) or {}
    out: list[str] = []
    for block in blocks:
        domains = block.domains(macros)
        parts = [part for part in asked if part.domains(theirs) and part.domains(theirs) <= domains]
        covered = [domain for part in parts for domain in part.domains(theirs)]
        known = all(part.domains(macros) == part.domains(theirs) for part in parts)
        whole = len(covered) == len(set(covered)) and set(covered) == domains
        if domains and whole and known and _only_lower(block, parts, general):
            out += [line for part in parts for line in part.lines]
        else:
            out += block.lines
    return out


def _only_lower(block: _Block, parts: list[_Block], general: Mapping[str, str]) -> bool:
    before, lower = block.settings or {}, False
    for part in parts:
        after = part.settings or {}
        if {k: v for k, v in before.items() if k not in RATES} != {
            k: v for k, v in after.items() if k not in RATES
        }:
            return False
        for rate in RATES:
            old, new = (one.get(rate, general.get(rate)) for one in (before, after))
            if old == new:
                continue
            was, becomes = old and per_second(old), new and per_second(new)
            if not becomes or (old not in (None, "unlimited") and (not was or was < becomes)):
                return False
            lower = lower or not was or becomes < was
    return lower


def _blocks(lines: tuple[str, ...]) -> Iterator[_Block]:
    pattern: str | None = None
    held: list[str] = []
    for raw in lines:
        line = raw.partition("#")[0].strip()
        opened = _DOMAIN.fullmatch(line)
        if opened and pattern is None:
            if held:
                yield _Block(None, tuple(held))
            pattern, held = opened.group(1), []
        held.append(raw)
        if pattern is not None and line == _END:
            yield _Block(pattern, tuple(held), _settings(held[1:-1]))
            pattern, held = None, []
    if held:
        yield _Block(None, tuple(held))


def _settings(lines: list[str]) -> Mapping[str, str] | None:
    found: dict[str, str] = {}
    for raw in lines:
        name, _, value = raw.partition("#")[0].strip().partition(" ")
        if not name:
            continue
        if name.startswith("<") or name.lower() in found:
            return None
        found[name.lower()] = value.strip()
    return found
