"""Host names of mail servers: which look like a provider's default, and which may be given an address."""

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from email_engine.dns_answers import Answer, Found, NotFound, Unknown
from email_engine.dnsauth.model import Lookup, Subject
from email_engine.dnsauth.organisation import listed_organisation
from email_engine.fleet.model import IpAddress

_GENERIC = frozenset(
    [
        "adsl",
        "broadband",
        "cable",
        "client",
        "clients",
        "cpe",
        "cust",
        "customer",
        "customers",
        "dhcp",
        "dial",
        "dialin",
        "dialup",
        "dip",
        "dsl",
        "dyn",
        "dynamic",
        "fiber",
        "fttx",
        "ftth",
        "generic",
        "pool",
        "pools",
        "ppp",
        "pppoe",
        "rdns",
        "residential",
        "rev",
        "reverse",
        "static",
        "unassigned",
        "unused",
        "unknown",
        "vdsl",
        "wimax",
        "xdsl",
    ]
)
_OWN_AS_WELL = frozenset(
    [
        "cable",
        "client",
        "clients",
        "cust",
        "customer",
        "customers",
        "fiber",
        "generic",
        "pool",
        "pools",
        "rev",
        "reverse",
        "static",
        "unused",
    ]
)
"""Words that people give to hosts of their own too: they count beside a number alone."""
_FILLERS = frozenset(
    ["addr", "host", "hosts", "ip", "ipv", "node", "net", "user", "in", "h", "vps", "vm", "srv", "server"]
)
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_SERIAL = re.compile(
    r"(?:dedi|host|ip|kvm|node|ns|server|srv|vm|vmi|vps)-?\d{4,}|vps-?[0-9a-f]{6,}|ec2-.*|li\d+-\d+"
)
_HOSTERS = (
    "amazonaws.com", "bc.googleusercontent.com", "cloudapp.azure.com", "cloudapp.net", "colocrossing.com", "contaboserver.net",
    "hostwindsdns.com", "hstgr.cloud", "kimsufi.com", "linodeusercontent.com", "members.linode.com",
    "onlinehome-server.info", "poneytelecom.eu", "rev.ovh.net", "startdedicated.com", "stratoserver.net", "vps.ovh.net",
    "vultrusercontent.com", "your-server.de",
)  # fmt: skip
"""Below them hosters name machines that nobody gave a name of its own."""


def is_host_name(text: str) -> bool:
    """Two labels or more of letters, digits, - and _."""
    labels = text.lower().rstrip(".").split(".")
    return len(labels) > 1 and all(LABEL.fullmatch(label) for label in labels)


def is_ours(subject: Subject, name: str) -> bool:
    """A name that the owner of the domain can publish records for: below the domain's organisation, or the HELO name they named."""
    organisation = listed_organisation(subject.domain)
    return (
        name == organisation
        or name.endswith(f".{organisation}")
        or (name == subject.hostname and subject.hostname_is_ours)
    )


def looks_generic(name: str, address: IpAddress) -> bool:
    """Does a PTR name look like a provider's default: the IP's numbers, a serial number, or a label such as `dynamic-7`?"""
    name = name.lower().rstrip(".")
    own = listed_organisation(name)
    labels = name.removesuffix(own).rstrip(".").split(".") if name != own else []
    return (
        any(name.endswith(f".{hoster}") for hoster in _HOSTERS)
        or any(_is_generic(label, numbered=labels[0].replace("-", "").isdigit()) for label in labels)
        or bool(labels and _SERIAL.fullmatch(labels[0]))
        or _holds_address(name, address)
    )


def _is_generic(label: str, *, numbered: bool) -> bool:
    """Nothing but generic words, fillers and numbers: `dsl-pool-12`, not `customer-success`; `numbered`: the host is a number."""
    words = re.findall(r"[a-z]+", label)
    if not numbered and not re.search(r"\d", label) and _GENERIC.intersection(words) <= _OWN_AS_WELL:
        return False
    return bool(_GENERIC.intersection(words)) and all(word in _GENERIC or word in _FILLERS for word in words)


def _holds_address(name: str, address: IpAddress) -> bool:
    if address.version == 6:
        nibbles = address.packed.hex()
        digits = name.replace("-", "").replace(".", "")
        forms = (nibbles[:12], nibbles[::-1][-12:], nibbles[16:])
        return any(form in digits for form in forms) or str(address).replace(":", "-") in name
    octets = tuple(address.packed)
    numbers = [int(number) for number in re.findall(r"\d{1,3}", name)]
    runs = {tuple(numbers[n : n + 3]) for n in range(len(numbers) - 2)}
    wanted = {octets[:3], octets[1:], octets[:0:-1], octets[2::-1]}
    return bool(wanted & runs) or bool(re.search(rf"(?<![0-9a-f]){address.packed.hex()}(?![0-9a-f])", name))


def addresses(answer: Answer) -> tuple[IpAddress, ...]:
    return tuple(ip_address(record) for record in answer.records) if isinstance(answer, Found) else ()


def type_of(address: IpAddress) -> str:
    return "A" if address.version == 4 else "AAAA"


_CLOSED = tuple(
    ip_network(network)
    for network in ("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10")
)  # fmt: skip


def reachable(address: IpAddress) -> bool:
    """May others send to it? Not to this host itself or a private network; documentation addresses may stand for real ones."""
    return not address.is_multicast and not any(address in network for network in _CLOSED)


def may_lead_to(lookup: Lookup, subject: Subject, name: str) -> bool:
    """May the name be given the sending IP? Not where it answers for something else: the domain itself, its organisation, a
    web site's name, a name that shares the site's address, or one of a foreign organisation."""
    organisation = listed_organisation(subject.domain)
    if name in (subject.domain, organisation) or name.split(".")[0] in ("www", "web", "shop", "blog"):
        return False
    own = [lookup.ask(name, rdtype) for rdtype in ("A", "AAAA")]
    if not is_ours(subject, name) or any(isinstance(answer, Unknown) for answer in own):
        return False
    taken = {address for answer in own for address in addresses(answer)}
    if name != subject.hostname or not taken:
        return not taken
    others = [lookup.ask(n, rdtype) for n in (subject.domain, organisation) for rdtype in ("A", "AAAA")]
    site = {address for answer in others for address in addresses(answer)}
    return not taken & site and not any(isinstance(answer, Unknown) for answer in others)


def mail_name(lookup: Lookup, subject: Subject, address: IpAddress) -> str:
    """A host name for the IP: the HELO name, an MX host that leads to it, else a free name below the domain; "" where none is
    known to be free."""
    if subject.hostname and (
        address in addresses(lookup.ask(subject.hostname, type_of(address)))
        or may_lead_to(lookup, subject, subject.hostname)
    ):
        return subject.hostname
    for name in _mail_hosts(lookup, subject):
        if address in addresses(lookup.ask(name, type_of(address))):
            return name
    for name in (f"mail.{subject.domain}", f"mta-{address.packed[-1]}.{subject.domain}"):
        if all(isinstance(lookup.ask(name, rdtype), NotFound) for rdtype in ("A", "AAAA", "CNAME")):
            return name
    return ""


def _mail_hosts(lookup: Lookup, subject: Subject) -> Iterator[str]:
    answer = lookup.ask(subject.domain, "MX")
    for record in answer.records if isinstance(answer, Found) else ():
        host = record.partition(" ")[2].rstrip(".")
        if host:
            yield host
