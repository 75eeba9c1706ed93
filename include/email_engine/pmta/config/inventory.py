"""What a configuration of the engine's own layout says, block by block: enough to compare two versions of it."""

import re
from dataclasses import dataclass

_OPEN = re.compile(r"<(virtual-mta|virtual-mta-pool)\s+([^\s<>]+)>")
_CAP = re.compile(r"max-smtp-msg-rate\s+(\S+)")
_MEMBER = re.compile(r"virtual-mta\s+(\S+)")
_SOURCE = re.compile(r"smtp-source-host\s+(\S+)\s+(\S+)")


@dataclass(frozen=True, slots=True)
class VmtaBlock:
    """One <virtual-mta>: `lines` without comments and blanks round them; `cap` as written (`1200/d`)."""

    name: str
    lines: tuple[str, ...]
    cap: str | None
    address: str | None
    hostname: str | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """Virtual MTAs and pools by name; `rest` is every other line."""

    vmtas: dict[str, VmtaBlock]
    pools: dict[str, tuple[str, ...]]
    rest: tuple[str, ...]


def read_inventory(text: str) -> Inventory:
    """Reads a file of the engine's layout; never fails on what a hand has put between."""
    vmtas: dict[str, VmtaBlock] = {}
    pools: dict[str, tuple[str, ...]] = {}
    rest: list[str] = []
    kind = name = ""
    block: list[str] = []
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        opened = _OPEN.fullmatch(line)
        if opened and not kind:
            kind, name, block = opened.group(1), opened.group(2), []
        elif kind and line == f"</{kind}>":
            if kind == "virtual-mta":
                vmtas[name] = _block(name, block)
            else:
                pools[name] = tuple(m.group(1) for m in map(_MEMBER.fullmatch, block) if m)
            kind = ""
        elif kind:
            block.append(line)
        else:
            rest.append(line)
    return Inventory(vmtas, pools, tuple(rest))


def _block(name: str, lines: list[str]) -> VmtaBlock:
    cap = next((m.group(1) for m in map(_CAP.fullmatch, lines) if m), None)
    source = next((m for m in map(_SOURCE.fullmatch, lines) if m), None)
    return VmtaBlock(
        name, tuple(lines), cap, source.group(1) if source else None, source.group(2) if source else None
    )
