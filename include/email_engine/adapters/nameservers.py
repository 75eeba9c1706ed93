"""Name servers as people write them, and those through which no block list means anything."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from email_engine.addresses import shown
from email_engine.errors import InputError

DNS_PORT = 53
_TRANSLATED = ip_network("64:ff9b::/96")

PUBLIC_RESOLVERS = tuple(
    ip_network(network)
    for network in (
        "8.8.8.8", "8.8.4.4", "2001:4860:4860::/48",  # Google
        "1.1.1.0/29", "1.0.0.0/29", "2606:4700:4700::/48",  # Cloudflare
        "9.9.9.0/24", "149.112.112.0/24", "2620:fe::/48",  # Quad9
        "208.67.222.0/24", "208.67.220.0/24", "2620:119:35::/48", "2620:119:53::/48",  # OpenDNS
        "4.2.2.0/29", "64.6.64.0/23", "94.140.14.0/23", "76.76.2.0/24", "84.200.69.0/24",
        "169.254.169.253", "169.254.169.254", "168.63.129.16", "fd00:ec2::253",  # defaults of AWS, Google, Azure
    )
)  # fmt: skip


def parse_nameserver(text: str, subject: str = "name server") -> tuple[str, int]:
    """`192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53` or `[2001:db8::53]:5353`; port 53 if none is given."""
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        address, number = str(ip_address(host)), int(port or DNS_PORT)
    except ValueError:
        number = 0
    if not 0 < number < 65536:
        raise InputError(
            subject,
            f"{shown(text)!r}",
            "an IP address, with :port (1 to 65535) if it is not 53",
            "correct the name server",
        )
    return address, number


def refuse_public(subject: str, address: str) -> None:
    """Raises InputError for a public or cloud resolver: no answer of a block list through it means anything."""
    try:
        public = any(_as_ipv4(address) in network for network in PUBLIC_RESOLVERS)
    except ValueError:
        return
    if public:
        raise InputError(
            subject,
            f"{address} is a public or cloud resolver",
            "your own recursive resolver: block lists answer public ones with an error code or with nothing, so that "
            "every IP looks clean",
            "run a recursive resolver (unbound without forwarding) and name its address here",
        )


def _as_ipv4(address: str) -> IPv4Address | IPv6Address:
    """An IPv4 address that is mapped or translated (RFC 6052) into IPv6 as what it is."""
    written = ip_address(address)
    if isinstance(written, IPv6Address):
        translated = IPv4Address(int(written) & 0xFFFFFFFF) if written in _TRANSLATED else None
        return written.ipv4_mapped or translated or written
    return written
