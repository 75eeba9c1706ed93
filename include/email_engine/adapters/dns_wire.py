"""One DNS question as octets, and what a reply to it means (RFC 1035, RFC 2308, RFC 6891).

A reply without records, which is nearly every reply of a block list, is read here octet by octet; dnspython reads the others."""

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Any

import dns.exception
import dns.message
import dns.name
import dns.rdatatype

from email_engine.dns_answers import Absence, Answer, Found, NotFound, Question, Trouble, Unknown

PAYLOAD = 1232
"""Octets of UDP that an answer may have (DNS flag day 2020): no fragments."""

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_REPLY, _OPCODE, _CUT, _RECURSE = 0x8000, 0x7800, 0x0200, 0x0100
_OPT = b"\x00" + struct.pack("!HHIH", 41, PAYLOAD, 0, 0)
_IN = b"\x00\x01"
_NOERROR, _FORMERR, _SERVFAIL, _NXDOMAIN, _NOTIMP, _REFUSED = range(6)
_SOA = 6
_LONGEST_NAME = 253
_NO_NAME = NotFound(Absence.NXDOMAIN)
_NO_DATA = NotFound(Absence.NODATA)


class Sign(Enum):
    """A reply that is no answer yet."""

    NOT_OURS = "another question's, or no reply at all: keep waiting"
    TRUNCATED = "ask again over TCP"
    NO_EDNS = "the server does not know EDNS: ask again without (RFC 6891 section 6.2.2)"


@dataclass(slots=True)
class Asked:
    """The question section of one question, in lower case; `at`: where its reply's records begin."""

    question: Question
    section: bytes
    at: int

    def octets(self, number: int, edns: bool) -> bytes:
        """The query with this ID."""
        header = _HEADER.pack(number, _RECURSE, 1, 0, 0, 1 if edns else 0)
        return header + self.section + (_OPT if edns else b"")


def asked(question: Question) -> Asked | None:
    """None: no name of DNS (a label of more than 63 octets, an empty one, 255 octets in all)."""
    name = question.name
    try:
        labels = name.encode("ascii").split(b".")
        if len(name) > _LONGEST_NAME or "\\" in name or not all(0 < len(label) < 64 for label in labels):
            return None
        wire = b"".join([bytes((len(label),)) + label for label in labels]) + b"\x00"
    except UnicodeError:
        return None
    section = wire + struct.pack("!H", dns.rdatatype.from_text(question.rdtype)) + _IN
    return Asked(question, section, _HEADER.size + len(section))


def read_reply(reply: bytes, to: Asked, edns: bool = True) -> Answer | Sign:
    """What `reply` says to the question `to`; its ID has been compared. `edns`: was the question asked with EDNS?

    An empty answer is "no such record" only when the authority section proves it by its SOA: a delegation, or nothing at all, comes
    from a server that does not recurse (RFC 2308 section 2.2)."""
    if len(reply) < _HEADER.size:
        return Sign.NOT_OURS
    _, flags, questions, answers, authorities, _ = _HEADER.unpack_from(reply)
    rcode = flags & 0xF
    if not flags & _REPLY or flags & _OPCODE:
        return Sign.NOT_OURS
    ours = questions == 1 and reply[_HEADER.size : to.at].lower() == to.section
    if not ours and not (questions == 0 and rcode not in (_NOERROR, _NXDOMAIN)):
        return Sign.NOT_OURS
    if flags & _CUT:
        return Sign.TRUNCATED
    if rcode == _NXDOMAIN:
        return _NO_NAME
    if rcode in (_FORMERR, _NOTIMP) and edns:
        return Sign.NO_EDNS
    if rcode != _NOERROR:
        trouble = {_SERVFAIL: Trouble.SERVFAIL, _REFUSED: Trouble.REFUSED}.get(rcode, Trouble.MALFORMED)
        return Unknown(trouble)
    if answers:
        return _of_records(reply, to.question)
    try:
        kinds = _kinds(reply, to.at, authorities)
    except (IndexError, struct.error):
        return Unknown(Trouble.MALFORMED)
    return _NO_DATA if _SOA in kinds else Unknown(Trouble.LAME)


def _kinds(reply: bytes, at: int, count: int) -> set[int]:
    """The types of `count` records that begin at `at`."""
    kinds = set()
    for _ in range(count):
        while (length := reply[at]) and length < 0xC0:
            at += length + 1
        at += 2 if length else 1
        kind, _, _, size = _RECORD.unpack_from(reply, at)
        at += _RECORD.size + size
        kinds.add(kind)
    return kinds


def _of_records(reply: bytes, question: Question) -> Answer:
    try:
        message = dns.message.from_wire(reply, ignore_trailing=True)
        assert isinstance(message, dns.message.QueryMessage)  # noqa: S101 (for the type checker)
        chain = message.resolve_chaining()
    except (dns.exception.DNSException, ValueError):
        return Unknown(Trouble.MALFORMED)
    if chain.answer is not None:
        return Found(tuple(text_of(rdata, question.rdtype) for rdata in chain.answer), chain.answer.ttl)
    proven = any(section.rdtype == dns.rdatatype.SOA for section in message.authority)
    return _NO_DATA if proven else Unknown(Trouble.LAME)


_CONTROL = dict.fromkeys((*range(9), *range(10, 0x20), *range(0x7F, 0xA0)), "\ufffd")
"""Control characters but the tab: no record means them, databases refuse some of them, and terminals obey others."""


def text_of(rdata: Any, rdtype: str) -> str:
    """One record as `Found` shows it."""
    match rdtype:
        case "TXT":
            return b"".join(rdata.strings).decode("utf-8", "replace").translate(_CONTROL)
        case "MX":
            return f"{rdata.preference} {_name(rdata.exchange)}"
        case "PTR" | "CNAME" | "NS":
            return _name(rdata.target)
        case _:
            return str(rdata.to_text())


def _name(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
