"""Block-list zones, healthy and sick, as observed in the wild.

Sources: RFC 5782 (names, test points), RFC 6471 (shutdown), Spamhaus' error codes 127.255.255.x, and field reports
of zones that were parked, wildcarded or emptied.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address


class ListKind(StrEnum):
    HEALTHY = "healthy"  # test point listed, 127.0.0.1 not, listings as given
    ZEN = "zen"  # the same; its test point answers .2, .4 and .10 together
    NO_TEST_POINT = "no-test-point"  # listings as given, but 127.0.0.2 is not one of them
    EMPTY = "empty"  # nothing, not even the test point: a list that was switched off (SORBS, 2024)
    WILDCARD = "wildcard"  # everything is listed: an abandoned list
    PARKED = "parked"  # every name answers a web server's address: the domain lapsed
    LOOPBACK = "loopback"  # every name answers 127.0.0.1: a DNS filter in between
    BLOCKED = "blocked"  # 127.255.255.254: public resolver, or generic reverse DNS
    EXCESSIVE = "excessive"  # 127.255.255.255: too many queries
    MISTYPED = "mistyped"  # 127.255.255.252: wrong zone name
    SERVFAIL = "servfail"
    REFUSED = "refused"
    SILENT = "silent"  # never answers


FIXED_ANSWERS = {
    ListKind.WILDCARD: ("127.0.0.2", "This list is closed. Remove it from your configuration."),
    ListKind.PARKED: ("192.0.2.80", None),
    ListKind.LOOPBACK: ("127.0.0.1", None),
    ListKind.BLOCKED: ("127.255.255.254", "Error: open resolver; https://check.spamhaus.org/returnc/pub/"),
    ListKind.EXCESSIVE: (
        "127.255.255.255",
        "Error: excessive queries; https://check.spamhaus.org/returnc/vol/",
    ),
    ListKind.MISTYPED: ("127.255.255.252", "Error: typing error in DNSBL name"),
}
"""Kinds that give every name below the zone the same A and TXT (None: no TXT record)."""

SERVING = frozenset({ListKind.HEALTHY, ListKind.ZEN, ListKind.NO_TEST_POINT})
"""Kinds that answer from their listings."""

TEST_POINTS = ("127.0.0.2", "::ffff:127.0.0.2")


@dataclass(frozen=True, slots=True)
class Listing:
    """Why and since when an address is listed. `codes` are the A records, `reason` the TXT."""

    codes: tuple[str, ...]
    reason: str
    since: datetime


@dataclass(slots=True)
class BlockList:
    """One zone; `listings` by reversed address ("9.100.51.198")."""

    zone: str
    kind: ListKind
    reason: str
    test_codes: tuple[str, ...]
    listings: dict[str, Listing] = field(default_factory=dict)

    def lookup(self, relative: str) -> tuple[tuple[str, ...], str | None]:
        """The A values and the TXT at a name, given relative to the zone; empty if the name does not exist."""
        if self.kind in FIXED_ANSWERS:
            code, text = FIXED_ANSWERS[self.kind]
            return (code,), text
        if self.kind not in SERVING:
            return (), None
        if self.kind is not ListKind.NO_TEST_POINT and relative in _REVERSED_TEST_POINTS:
            return self.codes_of_test_point(), self.reason_for("127.0.0.2")
        listing = self.listings.get(relative)
        return (listing.codes, listing.reason) if listing else ((), None)

    def codes_of_test_point(self) -> tuple[str, ...]:
        if self.test_codes:
            return self.test_codes
        return ("127.0.0.2", "127.0.0.4", "127.0.0.10") if self.kind is ListKind.ZEN else ("127.0.0.2",)

    def reason_for(self, ip: str) -> str:
        return self.reason.replace("{ip}", ip)

    def put(self, ip: Address, codes: tuple[str, ...], since: datetime, reason: str | None = None) -> None:
        self.listings[reversed_address(ip)] = Listing(codes, reason or self.reason_for(str(ip)), since)


def address_of(relative: str) -> str:
    """The other way round."""
    labels = list(reversed(relative.split(".")))
    if len(labels) == 4:
        return ".".join(labels)
    return str(ip_address(":".join("".join(labels[start : start + 4]) for start in range(0, 32, 4))))


def reversed_address(ip: Address) -> str:
    """RFC 5782: octets (IPv4) or nibbles (IPv6) in reverse, without the zone."""
    labels = str(ip).split(".") if ip.version == 4 else list(ip.exploded.replace(":", ""))
    return ".".join(reversed(labels))


_REVERSED_TEST_POINTS = frozenset(reversed_address(ip_address(point)) for point in TEST_POINTS)
