"""A fleet as parts that share no name: what one part publishes can be said without the others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from email_engine.dnsauth.by_hand import parse_domain
from email_engine.dnsauth.model import Subject
from email_engine.dnsauth.organisation import listed_organisation
from email_engine.fleet.model import Fleet, IpAddress, IpState, MtaHost, SendingIp
from email_engine.records.model import Keys, Sender

SMTP_PORT = "25"


@dataclass(frozen=True, slots=True)
class ReportDomain:
    """A domain of an address that PowerMTA reads bounces or complaint reports of. `hosts`: names with a listener on port 25, empty
    where none is known; `mta_hosts`: the MTA hosts whose fleet entry names it."""

    hosts: tuple[str, ...]
    mta_hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds for all parts. `reports`: by domain; `reads`: MTA host to the addresses that it reads bounces and complaints of;
    `organisations`: those whose zones are the fleet's; `brands`: names that get nothing; `hostnames`, `domains`: those of all IPs."""

    keys: Keys = field(default_factory=dict)
    reports: Mapping[str, ReportDomain] = field(default_factory=dict)
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    organisations: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()
    hostnames: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Unit:
    """Subjects that share names. `addresses`: those that each domain must let send, and each host name must lead to; `report_domains`:
    domains that send nothing, and take bounces or complaints."""

    subjects: tuple[Subject, ...]
    mta_hosts: tuple[str, ...]
    domains: Mapping[str, tuple[IpAddress, ...]] = field(default_factory=dict)
    hostnames: Mapping[str, tuple[IpAddress, ...]] = field(default_factory=dict)
    report_domains: tuple[str, ...] = ()


def setting_of(fleet: Fleet | None, senders: Sequence[Sender], keys: Keys) -> Setting:
    """Raises InputError for a name that is none."""
    known = {(_name(domain), selector.lower()): key for (domain, selector), key in keys.items()}
    names = [name for sender in senders for name in (_name(sender.domain), _name(sender.hostname))]
    brands = [brand for tenant in fleet.tenants for brand in tenant.brand_domains] if fleet else []
    forbidden = frozenset(name for brand in brands for name in (brand, listed_organisation(brand)))
    hosts = fleet.mta_hosts if fleet else ()
    return Setting(
        keys=known,
        reports=dict(_report_domains(hosts, senders)),
        reads={host.name: host.base.reports for host in hosts if host.base},
        organisations=frozenset(map(listed_organisation, names)),
        brands=forbidden,
        hostnames=frozenset(_name(sender.hostname) for sender in senders),
        domains=frozenset(_name(sender.domain) for sender in senders),
    )


def units_of(
    senders: Iterable[Sender], setting: Setting, chosen: Iterable[Sender] | None = None
) -> tuple[Unit, ...]:
    """Every part that holds one of `chosen` (default: all), in the order of the senders; then domains of reports of their hosts."""
    given = list(senders)
    parts = list(_joined(given))
    if chosen is not None:
        wanted = {sender.address for sender in chosen}
        parts = [part for part in parts if any(sender.address in wanted for sender in part)]
    units = [_unit(part, setting) for part in parts]
    own = {name for unit in units for name in unit.domains}
    hosts = {sender.mta_host for part in parts for sender in part}
    alone = tuple(
        domain
        for domain, report in setting.reports.items()
        if domain not in own and hosts & set(report.mta_hosts)
    )
    return (*units, *(Unit((), setting.reports[name].mta_hosts, report_domains=(name,)) for name in alone))


def senders_of(fleet: Fleet) -> tuple[SendingIp, ...]:
    """Without those that were given up."""
    return tuple(ip for ip in fleet.ips if ip.initial_state is not IpState.ABANDONED)


def _name(text: str) -> str:
    return parse_domain("name", text)


def _unit(part: Sequence[Sender], setting: Setting) -> Unit:
    subjects = []
    domains: dict[str, tuple[IpAddress, ...]] = {}
    hostnames: dict[str, tuple[IpAddress, ...]] = {}
    for sender in part:
        domain, hostname, selector = _name(sender.domain), _name(sender.hostname), sender.dkim_selector
        key = setting.keys.get((domain, selector))
        subjects.append(Subject(domain, sender.address, hostname, selector, public_key=key))
        for name, of in ((domain, domains), (hostname, hostnames)):
            of[name] = (*of.get(name, ()), sender.address)
    return Unit(tuple(subjects), tuple(dict.fromkeys(sender.mta_host for sender in part)), domains, hostnames)


def _joined(senders: Sequence[Sender]) -> Iterator[list[Sender]]:
    """Senders that share a domain or host name, directly or through others."""
    by_name: dict[str, list[int]] = {}
    for number, sender in enumerate(senders):
        for name in {_name(sender.domain), _name(sender.hostname)}:
            by_name.setdefault(name, []).append(number)
    seen: set[int] = set()
    for first in range(len(senders)):
        if first in seen:
            continue
        part, todo = [], [first]
        seen.add(first)
        while todo:
            number = todo.pop()
            part.append(number)
            for name in (_name(senders[number].domain), _name(senders[number].hostname)):
                fresh = [other for other in by_name[name] if other not in seen]
                seen.update(fresh)
                todo += fresh
        yield [senders[number] for number in sorted(part)]


def _report_domains(
    hosts: Iterable[MtaHost], senders: Sequence[Sender]
) -> Iterator[tuple[str, ReportDomain]]:
    of_domain: dict[str, list[MtaHost]] = {}
    for host in hosts:
        for address in host.base.reports if host.base else ():
            named = of_domain.setdefault(_name(address.rpartition("@")[2]), [])
            if host not in named:
                named.append(host)
    for domain, named in of_domain.items():
        listening = [name for host in named for name in _listening(host, senders)]
        yield domain, ReportDomain(tuple(dict.fromkeys(listening)), tuple(host.name for host in named))


def _listening(host: MtaHost, senders: Iterable[Sender]) -> Iterator[str]:
    """Host names whose own address takes mail on port 25; of `0.0.0.0` the first one."""
    own = [sender for sender in senders if sender.mta_host == host.name]
    for listener in host.base.listeners if host.base else ():
        address, _, port = listener.rpartition(":")
        if port != SMTP_PORT:
            continue
        if address == "0.0.0.0":  # noqa: S104 (compared, not bound)
            yield from [_name(sender.hostname) for sender in own if sender.address.version == 4][:1]
        for sender in own:
            bound = getattr(sender, "bind_address", None) or sender.address
            if address in (str(bound), str(sender.address)):
                yield _name(sender.hostname)
