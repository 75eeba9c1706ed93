"""How an existing fleet comes aboard: an operator's PowerMTA configuration to a draft of fleet.yaml, and what is missing in it.

Nothing is guessed in silence: what the configuration does not know is a blank in the draft, what the draft has no place for
is a gap with its line, and what stays in the operator's own configuration is listed as kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from email_engine.adoption.doubles import own_keys, without_doubles
from email_engine.adoption.draft import Blank, FleetDraft, HostDraft, Kept, Sender, TenantDraft, Text
from email_engine.adoption.gaps import Gap, Gaps, printable, tag_shown
from email_engine.adoption.owners import kin_owners
from email_engine.adoption.reading import POOL, SOURCE, VMTA, Configuration, Found, read_configuration
from email_engine.adoption.senders import SenderReader
from email_engine.adoption.streams import Streams, choose_pools, note_global_keys
from email_engine.adoption.submitters import read_submitters
from email_engine.adoption.write import blanks_in, write_fleet
from email_engine.fleet import names
from email_engine.pmta.language.assembly import Assembly, FilePlace

HOST = "mta-1"
"""Name of a host whose configuration does not say one."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is known beside the configuration; None: not said. `head_room_percent` as in deploy.yaml; `owners`: tenant by virtual MTA,
    in lower case, `submitters`: tenant by address of its MailWizz, where neither markers nor `tenant` tell it."""

    head_room_percent: int
    host: str | None = None
    connection: str | None = None
    tenant: str | None = None
    ranges: bool = True
    owners: Mapping[str, str] = field(default_factory=dict)
    submitters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Adoption:
    """`fleet`: YAML text; `vmtas`, `pools`: found in the configuration; `ips`, `streams`: made of them; `fill_in`: how many blanks
    the draft has by key, `blanks` in all."""

    fleet: str
    gaps: tuple[Gap, ...]
    kept: tuple[Kept, ...]
    notes: tuple[str, ...]
    host: str
    tenants: int
    vmtas: int
    pools: int
    ips: int
    streams: int
    fill_in: Mapping[str, int]

    @property
    def blanks(self) -> int:
        return sum(self.fill_in.values())


@dataclass(frozen=True, slots=True)
class HostRead:
    """One host's configuration, read: what became a draft, and what did not."""

    draft: FleetDraft
    configuration: Configuration
    gaps: tuple[Gap, ...]


def adopt(assembly: Assembly, wishes: Wishes) -> Adoption:
    """Reads any configuration; never fails on what stands in it."""
    read = read_host(assembly, wishes)
    draft, blocks = read.draft, read.configuration.blocks
    text = write_fleet(draft, wishes.ranges)
    streams = [stream for tenant in draft.tenants for stream in tenant.streams]
    return Adoption(
        fleet=text,
        gaps=read.gaps,
        kept=tuple(draft.kept),
        notes=tuple(draft.notes),
        host=draft.host,
        tenants=sum(bool(tenant.streams) for tenant in draft.tenants),
        vmtas=len(blocks[VMTA]),
        pools=len(blocks[POOL]),
        ips=sum(len(stream.senders) for stream in streams),
        streams=len(streams),
        fill_in=blanks_in(text),
    )


def read_host(assembly: Assembly, wishes: Wishes) -> HostRead:
    """The draft of one host, still as values."""
    gaps = Gaps()
    configuration = read_configuration(assembly, gaps)
    if not configuration.blocks[VMTA]:
        why = "has no <virtual-mta>: there is nothing to take over"
        gaps.add(
            FilePlace(assembly.main.file, 1),
            "the configuration",
            why,
            "name PowerMTA's main configuration file",
        )
    host = wishes.host or _host(configuration)
    source = printable(assembly.main.file)
    draft = FleetDraft([HostDraft(host, wishes.connection or f"powermta_{host}", config=source)], source, [])
    note_global_keys(configuration, gaps)
    chosen = choose_pools(configuration, gaps)
    kin = kin_owners(configuration.blocks[VMTA], chosen, wishes.owners) if wishes.owners else {}
    if kin:
        wishes = replace(
            wishes, owners={**wishes.owners, **{vmta: tenant for vmta, (tenant, _) in kin.items()}}
        )
        told = ", ".join(f"{vmta} of {tenant} {why}" for vmta, (tenant, why) in sorted(kin.items()))
        draft.notes.append(f"no delivery server says whose they are: {told}")
    reader = SenderReader(configuration, gaps, wishes.head_room_percent, chosen)
    _tenants(draft, configuration, reader, wishes, chosen, gaps)
    _submitters(draft, configuration, wishes, gaps)
    _notes(draft, configuration, reader)
    return HostRead(draft, configuration, gaps.found())


def _host(configuration: Configuration) -> str:
    said = (configuration.last("host-name") or "").lower()
    return said if said and names.name(said) is None else HOST


def _tenants(
    draft: FleetDraft,
    configuration: Configuration,
    reader: SenderReader,
    wishes: Wishes,
    chosen: dict[str, str],
    gaps: Gaps,
) -> None:
    pools, vmtas = configuration.blocks[POOL], configuration.blocks[VMTA]
    default: Text = wishes.tenant or Blank(
        "the customer's name, for ever: lower case letters, digits, - and _"
    )
    streams: dict[str | None, Streams] = {}
    own_pools: dict[str | None, list[str]] = {}
    first_of: dict[str, str | None] = {}
    for name, pool in chosen.items():
        first_of.setdefault(pool, _tenant(vmtas[name], wishes))
        named = own_pools.setdefault(_tenant(vmtas[name], wishes), [])
        if pool not in named:
            named.append(pool)
    read: list[tuple[Found, Sender]] = []
    for vmta in vmtas.values():
        owner = _tenant(vmta, wishes)
        if owner not in streams:
            foreign = frozenset(pool for pool, first in first_of.items() if first != owner)
            streams[owner] = Streams(owner or default, configuration, chosen, foreign, gaps)
        _, state = streams[owner].of(vmta, own_pools.get(owner, []))
        its_pool = pools.get(chosen.get(vmta.name, ""))
        read += [(vmta, sender) for sender in reader.read(vmta, its_pool, state)]
    for vmta, sender in without_doubles(read, gaps):
        owner = _tenant(vmta, wishes)
        streams[owner].of(vmta, own_pools.get(owner, []))[0].senders.append(sender)
    drawn = {pool for made in streams.values() for pool in made.pools}
    for name in dict.fromkeys(chosen.values()):
        if name not in drawn:
            why = "none of its members could be taken over: it is not in the draft"
            gaps.add(pools[name].place, tag_shown(POOL, name), why, "mend its members and import again")
    draft.tenants = [TenantDraft(owner or default, made.made) for owner, made in streams.items() if made.made]
    draft.notes += own_keys(draft.tenants)
    if not draft.tenants:
        draft.tenants = [TenantDraft(default)]


def _tenant(found: Found, wishes: Wishes) -> str | None:
    return found.tenant or wishes.owners.get(found.name.lower()) or wishes.tenant


def _submitters(draft: FleetDraft, configuration: Configuration, wishes: Wishes, gaps: Gaps) -> None:
    taken, kept, notes = read_submitters(configuration, gaps)
    draft.kept += kept
    draft.notes += notes
    for address, source in taken:
        target = source.last("default-virtual-mta")
        owner = source.tenant or wishes.submitters.get(str(address))
        for found in (
            configuration.blocks[POOL].get(target or ""),
            configuration.blocks[VMTA].get(target or ""),
        ):
            owner = owner or (found.tenant if found else None)
        those = [tenant for tenant in draft.tenants if tenant.name == owner] or draft.tenants
        if len(those) > 1:
            why = "nothing says which tenant's MailWizz submits from there"
            todo = "write it to `addresses` of its MailWizz"
            gaps.add(source.place, tag_shown(source.tag, source.name), why, todo)
        elif all(address not in tenant.submitters for tenant in draft.tenants):
            those[0].submitters[address] = (
                f"{tag_shown(source.tag, source.name)}, {printable(str(source.place))}"
            )


def _notes(draft: FleetDraft, configuration: Configuration, reader: SenderReader) -> None:
    sources = configuration.blocks[SOURCE].values()
    if not any(source.last("process-x-virtual-mta") == "yes" for source in sources):
        said = "no source takes X-Virtual-MTA: MailWizz cannot choose the IP"
        draft.notes.append(f"{said}; its source needs `process-x-virtual-mta yes`, or give its `addresses`")
    if reader.limits:
        told = ", ".join(f"{name} ({count})" for name, count in sorted(reader.limits.items()))
        draft.notes.append(
            f"these settings of virtual MTAs come from include/config/deploy.yaml from then on instead of: {told}"
        )
