"""Query names of DNS block lists (RFC 5782 sections 2.1, 2.4 and 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from email_engine.dns_answers import Question
from email_engine.fleet.model import IpAddress

TEST_LISTED = (ip_address("127.0.0.2"), ip_address("::ffff:7f00:2"))
TEST_NOT_LISTED = (ip_address("127.0.0.1"), ip_address("::ffff:7f00:1"))


def reversed_name(address: IpAddress) -> str:
    """IPv4: the octets backwards; IPv6: the 32 nibbles backwards.

    >>> reversed_name(ip_address("192.0.2.99"))
    '99.2.0.192'
    """
    return address.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


def listing_question(address: IpAddress, zone: str, rdtype: str = "A") -> Question:
    return Question(f"{reversed_name(address)}.{zone}", rdtype)


def domain_question(domain: str, zone: str, rdtype: str = "A") -> Question:
    return Question(f"{domain}.{zone}", rdtype)


@dataclass(frozen=True, slots=True)
class ProbeQuestions:
    """What is asked of a list before it is trusted: one of `listed` must be, none of `not_listed` may be. `random` must not exist: a
    wildcard or parked zone has it."""

    listed: tuple[Question, ...]
    not_listed: tuple[Question, ...]
    random: Question

    def all(self) -> tuple[Question, ...]:
        return (*self.listed, *self.not_listed, self.random)


def probe_questions(
    zone: str, random_label: str, ipv6: bool = False, present: Sequence[str] = (), absent: Sequence[str] = ()
) -> ProbeQuestions:
    """`random_label`: fresh letters and digits for every sweep (`-` and `_` are answered SERVFAIL by some lists). `present`, `absent`:
    the list's own names below its zone, in place of the IPv4 test points.

    Raises:
        ValueError: a label that is not alphanumeric.
    """
    if not random_label.isalnum() or not random_label.isascii():
        raise ValueError(f"probe label {random_label!r} must be letters and digits")
    family = 1 if ipv6 else 0
    own = not ipv6
    return ProbeQuestions(
        tuple(domain_question(name, zone) for name in present if own)
        or (listing_question(TEST_LISTED[family], zone),),
        tuple(domain_question(name, zone) for name in absent if own)
        or (listing_question(TEST_NOT_LISTED[family], zone),),
        Question(f"{random_label}.{zone}"),
    )


def as_asked(address: IpAddress) -> IpAddress:
    """An IPv4 address that is written as IPv6 (`::ffff:192.0.2.12`) as what it is."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def can_be_asked(address: IpAddress, ipv6: bool) -> bool:
    """Lists without the IPv6 flag are asked about IPv4 only."""
    return ipv6 or not isinstance(as_asked(address), IPv6Address)
