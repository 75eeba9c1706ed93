"""The records that a well-kept sending domain publishes, and the ways in which each can be broken.

Sources: RFC 7208 (SPF), RFC 6376 and 8463 (DKIM), RFC 9989 (DMARC), RFC 7505 (null MX). Values are in presentation form.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

Address = IPv4Address | IPv6Address
STRANGER = {4: "192.0.2.1", 6: "2001:db8::1"}
"""Documentation addresses: where a wrong record points."""


class Which(StrEnum):
    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    PTR = "ptr"
    MX = "mx"
    HELO = "helo"
    A = "a"


class How(StrEnum):
    MISSING = "missing"
    WRONG = "wrong"
    DUPLICATE = "duplicate"
    SERVFAIL = "servfail"
    TIMEOUT = "timeout"


FAULTS = frozenset({How.SERVFAIL, How.TIMEOUT})
Content = tuple[str, ...] | How
Records = dict[tuple[str, str], Content]
"""(lower-case name without the final dot, type) to its values, or to how the question fails."""


@dataclass(frozen=True, slots=True)
class SendingDomain:
    """`dkim`: the TXT value at the selector."""

    domain: str
    ip: Address
    hostname: str
    selector: str
    dkim: str


def dkim_txt(pem_file: Path) -> str:
    """The DKIM record of a public key file (SPKI PEM). RSA: p= is the SPKI DER; Ed25519: the 32 raw bytes (RFC 8463)."""
    key = load_pem_public_key(pem_file.read_bytes())
    if isinstance(key, RSAPublicKey):
        return (
            f"v=DKIM1; k=rsa; p={_base64(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))}"
        )
    if isinstance(key, Ed25519PublicKey):
        return f"v=DKIM1; k=ed25519; p={_base64(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}"
    raise ValueError(f"{pem_file}: DKIM knows RSA and Ed25519 keys, this is {type(key).__name__}")


def render_records(domains: Iterable[SendingDomain], broken: Mapping[tuple[str, Which], How]) -> Records:
    """Everything that the domains publish. `broken`: (domain, which) to how."""
    records: Records = {}
    for domain in domains:
        for which in Which:
            kind, name, right = _right(domain, which)
            content = _content(right, domain, which, broken.get((domain.domain, which)))
            if content:
                _merge(records, (name, kind), content)
        if domain.hostname != domain.domain:
            _merge(records, (domain.hostname, "TXT"), (_spf(domain),))
    return records


def _right(domain: SendingDomain, which: Which) -> tuple[str, str, str]:
    address = "A" if domain.ip.version == 4 else "AAAA"
    match which:
        case Which.SPF:
            return "TXT", domain.domain, _spf(domain)
        case Which.DKIM:
            return "TXT", f"{domain.selector}._domainkey.{domain.domain}", domain.dkim
        case Which.DMARC:
            return "TXT", f"_dmarc.{domain.domain}", f"v=DMARC1; p=none; rua=mailto:dmarc@{domain.domain}"
        case Which.PTR:
            return "PTR", domain.ip.reverse_pointer, f"{domain.hostname}."
        case Which.MX:
            return "MX", domain.domain, f"10 {domain.hostname}."
        case Which.HELO:
            return address, domain.hostname, str(domain.ip)
        case Which.A:
            return address, domain.domain, str(domain.ip)


def _wrong(domain: SendingDomain, which: Which) -> str:
    """Well-formed where that can be, and useless for this IP."""
    match which:
        case Which.SPF:
            return f"v=spf1 ip{domain.ip.version}:{STRANGER[domain.ip.version]} -all"
        case Which.DKIM:
            return _other_key(domain.dkim)
        case Which.DMARC:
            return "v=DMARC1; p=quarantined"  # no such policy, and no rua to fall back on: counts as no DMARC
        case Which.PTR:
            digits = str(domain.ip).replace(".", "-").replace(":", "-").strip("-")
            return f"ip-{digits}.static.hoster.example."
        case Which.MX:
            return "0 ."  # null MX: bounces have nowhere to go
        case Which.HELO | Which.A:
            return STRANGER[domain.ip.version]


def _content(right: str, domain: SendingDomain, which: Which, how: How | None) -> Content:
    match how:
        case None:
            return (right,)
        case How.MISSING:
            return ()
        case How.WRONG:
            return (_wrong(domain, which),)
        case How.DUPLICATE:
            return (right, _wrong(domain, which) if which is not Which.MX else f"20 {domain.hostname}.")
        case _:
            return how


def _merge(records: Records, key: tuple[str, str], content: Content) -> None:
    """A fault wins over values; equal values collapse (a hostname that is also the domain)."""
    present = records.get(key, ())
    if isinstance(present, How) or isinstance(content, How):
        records[key] = present if isinstance(present, How) else content
    else:
        records[key] = tuple(dict.fromkeys(present + content))


def _spf(domain: SendingDomain) -> str:
    return f"v=spf1 ip{domain.ip.version}:{domain.ip} -all"


def _other_key(record: str) -> str:
    """The record with one bit of the key turned: still well-formed, no longer the partner of the private key."""
    tags, _, key = record.rpartition("p=")
    octets = bytearray(base64.b64decode(key))
    octets[len(octets) // 2] ^= 1
    return f"{tags}p={_base64(bytes(octets))}"


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
