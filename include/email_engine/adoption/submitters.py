"""Who hands mail in: <source> and <smtp-user> to MailWizz addresses, or to what stays the operator's own."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from email_engine.adoption.draft import Kept
from email_engine.adoption.gaps import Gaps, printable, tag_shown
from email_engine.adoption.reading import PATTERNS, POOL, SOURCE, USER, VMTA, Configuration, Found
from email_engine.fleet.model import IpAddress
from email_engine.fleet.ranges import parse_submitter

_TARGET = re.compile(r"virtual-mta=([^\s,]+)")


def read_submitters(
    configuration: Configuration, gaps: Gaps
) -> tuple[list[tuple[IpAddress, Found]], list[Kept], list[str]]:
    """Addresses that become MailWizz addresses with their <source>, what is kept, and notes."""
    taken: list[tuple[IpAddress, Found]] = []
    kept: list[Kept] = []
    notes: list[str] = []
    sources = configuration.blocks[SOURCE]
    relaying, choosing = _Said("always-allow-relaying", sources), _Said("process-x-virtual-mta", sources)
    for source in sources.values():
        address = _address(source.name)
        relays = relaying.of(source) == "yes"
        names_vmta = choosing.of(source) == "yes"
        _references(source, configuration, gaps)
        if relays and names_vmta and address is not None:
            taken.append((address, source))
            continue
        if relays and names_vmta and _network(source.name) is not None:
            why = "takes mail and the virtual MTA's name from more than one address"
            todo = "write those that are MailWizz's to `addresses`, or leave them out: the source stays yours"
            gaps.add(source.place, tag_shown(SOURCE, source.name), why, todo)
            continue
        if relays and not names_vmta:
            notes.append(
                f"{tag_shown(SOURCE, source.name)} relays, but does not take X-Virtual-MTA: if MailWizz submits by it, the "
                "engine cannot choose the IP; give it `process-x-virtual-mta yes`"
            )
        said = "lets nobody relay by itself"
        if relays:
            said = "relays and takes X-Virtual-MTA" if names_vmta else "relays, but takes no X-Virtual-MTA"
        kept.append(_kept(source, f"{said}; stays in your own configuration"))
    for user in configuration.blocks[USER].values():
        where = user.last("source")
        text = f"its source is {printable(where)}" if where else "it has no source"
        kept.append(
            _kept(user, f"{text}; stays in your own configuration, MailWizz may go on logging in by it")
        )
        if where and where not in sources:
            why = f"its source {printable(where)} does not exist"
            gaps.add(user.place, tag_shown(USER, user.name), why, "correct the name")
    for patterns in configuration.blocks[PATTERNS].values():
        _references(patterns, configuration, gaps)
        kept.append(_kept(patterns, "stays in your own configuration; what it names must go on existing"))
    return taken, kept, notes


def _kept(found: Found, why: str) -> Kept:
    return Kept(printable(found.place.file), found.place.line, tag_shown(found.tag, found.name), why)


def _network(name: str) -> IPv4Network | IPv6Network | None:
    base, slash, length = name.partition("/")
    if slash and re.fullmatch(r"\d{1,3}(\.\d{1,3}){0,2}", base):
        base += ".0" * (3 - base.count("."))
    try:
        return ip_network(f"{base}{slash}{length}", strict=False)
    except ValueError:
        return None


def _address(name: str) -> IpAddress | None:
    network = _network(name)
    if network is None or network.num_addresses != 1:
        return None
    try:
        return parse_submitter(str(network.network_address))
    except ValueError:
        return None


class _Said:
    """What holds for a source: its own word, else that of the narrowest network round it."""

    def __init__(self, name: str, sources: dict[str, Found]) -> None:
        self._name = name
        self._by_network: dict[tuple[int, int, int], str] = {}
        for source in sources.values():
            network, said = _network(source.name), source.last(name)
            if network is not None and said is not None:
                self._by_network[network.version, network.prefixlen, int(network.network_address)] = said

    def of(self, source: Found) -> str | None:
        own, network = source.last(self._name), _network(source.name)
        if own is not None or network is None:
            return own
        for length in range(network.prefixlen, -1, -1):
            shift = network.max_prefixlen - length
            key = (network.version, length, int(network.network_address) >> shift << shift)
            if key in self._by_network:
                return self._by_network[key]
        return None


def _references(found: Found, configuration: Configuration, gaps: Gaps) -> None:
    """Virtual MTAs and pools that it names must exist."""
    known = configuration.blocks[VMTA].keys() | configuration.blocks[POOL].keys() | {"by-smtp-source-ip"}
    for setting in found.settings:
        named = [setting.value] if setting.name == "default-virtual-mta" else []
        if found.tag == PATTERNS and "virtual-mta=" in setting.value:
            named = _TARGET.findall(setting.value.rpartition("/")[2])
        for name in named:
            if name not in known and not name.startswith("{"):
                why = f"{printable(setting.name)} names {printable(name)}, which this configuration does not have"
                gaps.add(
                    setting.place,
                    tag_shown(found.tag, found.name),
                    why,
                    "correct the name, or remove the line",
                )
    for setting in found.all("pattern-list"):
        if setting.value not in configuration.blocks[PATTERNS]:
            why = f"pattern-list {printable(setting.value)} does not exist"
            gaps.add(setting.place, tag_shown(found.tag, found.name), why, "correct the name")
