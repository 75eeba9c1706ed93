"""What a configuration means: the running model that the rest of the stand-in works from."""

import re
from dataclasses import dataclass, field

from lab.powermta.config_domains import DomainBlock, DomainSettings

DEFAULT_VMTA = "{default}"


@dataclass(frozen=True, slots=True)
class SourceHost:
    """`smtp-source-host IP HOST`: the local address and the HELO name."""

    address: str
    host: str


@dataclass(frozen=True, slots=True)
class Vmta:
    """A virtual MTA. `settings` keeps its directives as written, in order; `domains` its own <domain> blocks."""

    name: str
    sources: tuple[SourceHost, ...]
    rate: tuple[int, int] | None
    rate_text: str
    settings: tuple[tuple[str, str], ...]
    domains: tuple[DomainBlock, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """A virtual-mta-pool with its members in the order of the file."""

    name: str
    members: tuple[str, ...]
    rate: tuple[int, int] | None
    domains: tuple[DomainBlock, ...]


@dataclass(frozen=True, slots=True)
class PatternRule:
    """One line of a pattern list: `kind` is mail-from, rcpt-to, header or `*`; `target` a VMTA or pool ('' if none)."""

    kind: str
    pattern: re.Pattern[str] | None
    target: str
    nested: "tuple[PatternRule, ...]" = ()


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """One line of an smtp-pattern-list: a pattern over the reply and its actions as written."""

    pattern: re.Pattern[str]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A <source> block: an address range or a name, and its settings (the last one of a name wins)."""

    name: str
    settings: dict[str, str]


@dataclass(frozen=True, slots=True)
class AcctFile:
    """An <acct-file> block: `columns` per record type (long names made short), header names kept as `header_...`."""

    path: str
    records: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]
    move_to: str | None
    move_interval: int
    max_size: int
    iso_times: bool
    delete_after: float
    user_string: str
    queue_filter: tuple[str, ...]
    header_maps: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Rollup:
    """`mx PATTERN NAME.rollup`."""

    pattern: str
    name: str


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that a load produced. `digests` maps each file that was read to its SHA-256."""

    vmtas: dict[str, Vmta]
    pools: dict[str, Pool]
    sources: tuple[Source, ...]
    acct_files: tuple[AcctFile, ...]
    domains: DomainSettings
    rollups: tuple[Rollup, ...]
    pattern_lists: dict[str, tuple[PatternRule, ...]]
    reply_lists: dict[str, tuple[ReplyRule, ...]]
    fallback_vmta: str
    digests: dict[str, str]
    macros: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def pool_of(self, vmta: str) -> Pool | None:
        """The pool whose <domain> blocks and limits a member inherits: the one that has any, else its first one."""
        mine = [pool for pool in self.pools.values() if vmta in pool.members]
        return next((pool for pool in mine if pool.domains), mine[0] if mine else None)
