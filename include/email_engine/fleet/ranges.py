"""IP ranges and number ranges as people write them.

`.0` and `.255` in ranges: they are good host addresses in a network larger than a /24, but some old filters and
routers drop them, so a range steps over them and never yields one; whoever wants such an address writes it singly.
"""

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from email_engine.fleet.model import IpAddress
from email_engine.plural import excerpt

LARGEST_RANGE = 4096
LARGEST_FLEET = 10_000
"""IPs of a fleet file."""
LARGEST_NUMBER = 999_999
DOCUMENTATION: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("192.0.2.0/24"),
    IPv4Network("198.51.100.0/24"),
    IPv4Network("203.0.113.0/24"),
    IPv6Network("2001:db8::/32"),
)
"""RFC 5737 and RFC 3849: no mail can come from them, so examples and the lab may use them."""

_SHORT = re.compile(r"(\d+\.\d+\.\d+\.)(\d+)\s*-\s*(\d+)")
_NUMBERS = re.compile(r"(\d{1,6})(?:\s*-\s*(\d{1,6}))?")
RANGE_FORMS = "45.123.10.1-50 or 45.123.10.1-45.123.13.200 (or first and count)"


def parse_address(text: str) -> IpAddress:
    """A public address; ValueError says what is wrong with any other."""
    address = _one_address(text)
    if any(address in network for network in DOCUMENTATION):
        return address
    for wrong, what in (
        (address.is_unspecified, "the unspecified address"),
        (address.is_loopback, "a loopback address"),
        (address.is_multicast, "a multicast address"),
        (address.is_link_local, "a link-local address"),
        (not address.is_global, "a private or reserved address"),
    ):
        if wrong:
            raise ValueError(f"{text} is {what}")
    return address


def _one_address(text: str) -> IpAddress:
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(f"{excerpt(text)} is no IP address") from None
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id):
        raise ValueError(f"{text} is a mapped or scoped address")
    return address


def parse_submitter(text: str) -> IpAddress:
    """An address that mail may be handed in from, private or loopback ones too; ValueError says what is wrong."""
    address = _one_address(text)
    for wrong, what in (
        (address.is_unspecified, "the unspecified address, which stands for everybody"),
        (address.is_multicast, "a multicast address"),
        (address == IPv4Address("255.255.255.255"), "the broadcast address"),
    ):
        if wrong:
            raise ValueError(f"{text} is {what}")
    return address


def parse_bind_address(text: str) -> IpAddress:
    """An address that a host may have and send from, private ones too; ValueError says what is wrong."""
    address = parse_submitter(text)
    for wrong, what in (
        (address.is_loopback, "a loopback address, from which no mail leaves the host"),
        (address.is_link_local, "a link-local address"),
        (address.version == 4 and address.is_reserved, "a reserved address"),
    ):
        if wrong:
            raise ValueError(f"{text} is {what}")
    return address


def _addresses_from(
    first: IpAddress, parse: Callable[[str], IpAddress] = parse_address
) -> Iterator[IpAddress]:
    address = first
    while True:
        if address.version == 6 or address.packed[3] not in (0, 255):
            yield parse(str(address))
        address += 1


def count_from(
    first: str, count: int, parse: Callable[[str], IpAddress] = parse_address
) -> tuple[IpAddress, ...]:
    """`count` addresses from `first` on, crossing /24 borders; ValueError as `parse` raises it."""
    addresses = _addresses_from(_endpoint(first, parse), parse)
    return tuple(next(addresses) for _ in range(count))


def parse_range(text: str) -> tuple[IpAddress, ...]:
    """The addresses of `45.123.10.1-50` or `A-B`, both ends included; ValueError says what is wrong."""
    first, last = _ends(text)
    found = []
    for address in _addresses_from(first):
        if int(address) > int(last):
            break
        found.append(address)
    return tuple(found)


def count_range(text: str) -> int:
    """How many addresses a range has, .0 and .255 counted too; 0 for one that `parse_range` refuses."""
    try:
        first, last = _ends(text)
    except ValueError:
        return 0
    return int(last) - int(first) + 1


def _ends(text: str) -> tuple[IpAddress, IpAddress]:
    short = _SHORT.fullmatch(text)
    left, right = (short[1] + short[2], short[1] + short[3]) if short else _two(text)
    first, last = _endpoint(left), _endpoint(right)
    if first.version != last.version or int(last) < int(first):
        raise ValueError(f"{last} does not follow {first}")
    many = int(last) - int(first) + 1
    if many > LARGEST_RANGE:
        raise ValueError(f"{many:,} addresses, more than {LARGEST_RANGE}")
    return first, last


def _two(text: str) -> tuple[str, str]:
    left, dash, right = (part.strip() for part in text.partition("-"))
    if not dash:
        raise ValueError(_network(text) or f"{excerpt(text)} is no range")
    return left, right


def _network(text: str) -> str:
    """What is wrong with `2001:db8::/32`; '' for what is no network either."""
    if "/" not in text:
        return ""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return ""
    return f"{excerpt(text)} is no range but a network of {network.num_addresses:,} addresses"


def _endpoint(text: str, parse: Callable[[str], IpAddress] = parse_address) -> IpAddress:
    address = parse(text)
    if isinstance(address, IPv4Address) and address.packed[3] in (0, 255):
        raise ValueError(f"{text} ends in .{address.packed[3]}, which ranges step over")
    return address


def parse_numbers(text: str) -> frozenset[int]:
    """`1-40, 45` as a set; ValueError says what is wrong."""
    numbers: set[int] = set()
    for part in text.split(","):
        match = _NUMBERS.fullmatch(part.strip())
        if not match:
            raise ValueError(f"{excerpt(part.strip())} is no number or range")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= LARGEST_RANGE:
            raise ValueError(f"{excerpt(part.strip())} runs backwards or too far")
        numbers.update(range(first, last + 1))
    return frozenset(numbers)


def deal_in_blocks(count: int, hosts: tuple[str, ...]) -> tuple[str, ...]:
    """The host of each of `count` items: equal blocks in order, the first blocks one longer if it does not divide."""
    size, longer = divmod(count, len(hosts))
    return tuple(host for i, host in enumerate(hosts) for _ in range(size + (i < longer)))
