"""A DNS record that a sending fleet needs, and what is known of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from email_engine.fleet.model import IpAddress

TTL = 3600
"""Seconds. A mistake is over within the hour, and receivers, who ask with every mail, still find the answer in their caches."""


class Purpose(StrEnum):
    """`helo`: SPF of a host name; `report`: authorisation of an external address for DMARC reports (RFC 9990 section 4); `beside`: something else
    that stands at the same name and type, and is lost where a set of records is replaced."""

    ADDRESS = "address"
    PTR = "ptr"
    SPF = "spf"
    HELO = "helo"
    DKIM = "dkim"
    DMARC = "dmarc"
    REPORT = "report"
    MX = "mx"
    BESIDE = "beside"


class RecordState(StrEnum):
    """`publish`: to be published, as far as anybody asked; `kept`: stands in DNS, or something that serves as well; `by hand`: what
    stands there is not guessed at; `to be decided`: the value is not known yet; `unknown`: no answer, so nothing is published yet."""

    PUBLISH = "publish"
    KEPT = "kept"
    BY_HAND = "by hand"
    UNDECIDED = "to be decided"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """`name`: lower case, A-labels, without the closing dot. `value`: A and AAAA the address, PTR and CNAME the name without closing
    dot, MX `preference host`, TXT its strings joined; "" where it is not known. `subject`: the domain, host name or IP it serves.
    `note`: why not, or what to mind. `replaces`: values at this name that have to go. `ttl` in seconds."""

    name: str
    rdtype: str
    value: str
    purpose: Purpose
    subject: str
    state: RecordState = RecordState.PUBLISH
    note: str = ""
    replaces: tuple[str, ...] = ()
    ttl: int = TTL

    @property
    def stands_in_files(self) -> bool:
        """May a zone file hold it?"""
        return self.state in (RecordState.PUBLISH, RecordState.KEPT) and bool(self.value)


class Sender(Protocol):
    """What a record is made from: `SendingIp` of a fleet file, `IpRecord` of the engine's database, or a plan for new IPs."""

    @property
    def address(self) -> IpAddress: ...
    @property
    def hostname(self) -> str: ...
    @property
    def domain(self) -> str: ...
    @property
    def dkim_selector(self) -> str: ...
    @property
    def mta_host(self) -> str: ...


Keys = Mapping[tuple[str, str], str]
"""(domain, selector) to the public key: base64 of the SPKI of an RSA key, or of the 32 bytes of an Ed25519 key."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What an operator says beside the fleet. `mx`: hosts that take the bounces of sending domains, the preferred first; `rua`: the
    address for DMARC reports, or ""."""

    mx: tuple[str, ...] = ()
    rua: str = ""


def distinct(records: Iterable[DnsRecord]) -> tuple[DnsRecord, ...]:
    """Each name, type and value once, in order; what serves a purpose of its own stands before what only stands beside."""
    found: dict[tuple[str, str, str, str], DnsRecord] = {}
    for record in records:
        key = (record.name, record.rdtype, record.value, "" if record.value else record.purpose)
        known = found.get(key)
        if known is None or (known.purpose is Purpose.BESIDE and record.purpose is not Purpose.BESIDE):
            found[key] = record
    return tuple(found.values())
