"""What the DNS world answers to a question. No sockets, no clock.

Zones: every block list, and for the sending domains their top-level domain (so that a DMARC tree walk and a look-up
of an unknown name get NXDOMAIN), the two-label parent, and a reverse zone for each /24 or /64. Anything else: REFUSED.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from lab.dns.lists import BlockList, ListKind
from lab.dns.records import How, Records

LONGEST_CHAIN = 8
TTL = 300
LIST_TTL = 60
RCODES = {ListKind.SERVFAIL: dns.rcode.SERVFAIL, ListKind.REFUSED: dns.rcode.REFUSED}

Content = list[dns.rdata.Rdata] | How


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reply` None: no answer at all. `zone` "" for a name outside every zone."""

    zone: str
    reply: dns.message.Message | None


class Authority:
    """Answers from `records` (of the sending domains) and `lists` (zone to block list; shared, changed by its owner)."""

    def __init__(self, records: Records, lists: dict[str, BlockList]) -> None:
        self._lists = lists
        self._apexes: dict[dns.name.Name, BlockList | None] = {}
        self._contents: dict[dns.name.Name, dict[dns.rdatatype.RdataType, Content]] = {}
        self.load(records)

    def load(self, records: Records) -> None:
        """Takes new records in place of the old. A zone once served stays, even with its last record gone."""
        self._apexes |= {_name(zone): None for zone in _zones_of(name for name, _ in records)}
        self._apexes |= {_name(zone): block_list for zone, block_list in self._lists.items()}
        self._contents = {apex: {} for apex in self._apexes}
        for (owner, kind), values in records.items():
            rdtype = dns.rdatatype.from_text(kind)
            content = values if isinstance(values, How) else [_rdata(rdtype, value) for value in values]
            self._contents.setdefault(_name(owner), {})[rdtype] = content
        for name in list(self._contents):  # empty non-terminals exist as well (RFC 8020)
            while name != dns.name.root and (name := name.parent()) not in self._contents:
                self._contents[name] = {}

    def answer(self, query: dns.message.Message) -> Verdict:
        """The reply to a well-formed query, unsigned and not yet truncated."""
        reply = dns.message.make_response(query, recursion_available=True)
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            reply.set_rcode(dns.rcode.NOTIMP)
            return Verdict("", reply)
        question = query.question[0]
        apex = self._apex_of(question.name)
        if apex is None or question.rdclass != dns.rdataclass.IN:
            reply.set_rcode(dns.rcode.REFUSED)
            return Verdict("", reply)
        reply.flags |= dns.flags.AA
        block_list = self._apexes[apex]
        if block_list:
            return Verdict(block_list.zone, _from_list(reply, block_list, question, apex))
        return Verdict(apex.to_text(omit_final_dot=True), self._from_records(reply, question))

    def _apex_of(self, name: dns.name.Name) -> dns.name.Name | None:
        while name != dns.name.root:
            if name in self._apexes:
                return name
            name = name.parent()
        return None

    def _from_records(
        self, reply: dns.message.Message, question: dns.rrset.RRset
    ) -> dns.message.Message | None:
        name = question.name
        for _ in range(LONGEST_CHAIN):
            apex = self._apex_of(name)
            if apex is None or self._apexes[apex] is not None:
                return reply  # the chain leaves our zones: the asker follows it
            content = self._contents.get(name)
            if content is None:
                reply.set_rcode(dns.rcode.NXDOMAIN)
                return _negative(reply, apex)
            found = content.get(question.rdtype)
            alias = content.get(dns.rdatatype.CNAME)
            if found is None and alias is None:
                if name == apex and question.rdtype in (dns.rdatatype.SOA, dns.rdatatype.NS):
                    found = [_apex_rdata(apex, question.rdtype)]
                else:
                    return _negative(reply, apex)
            chosen = alias if found is None else found
            if chosen is How.TIMEOUT:
                return None
            if isinstance(chosen, How):
                return _failed(reply, dns.rcode.SERVFAIL)
            assert chosen is not None  # noqa: S101 (for the type checker)
            reply.answer.append(dns.rrset.from_rdata_list(name, TTL, chosen))
            if found is not None:
                return reply
            name = chosen[0].target  # type: ignore[attr-defined]
        return _failed(reply, dns.rcode.SERVFAIL)


def _from_list(
    reply: dns.message.Message, block_list: BlockList, question: dns.rrset.RRset, apex: dns.name.Name
) -> dns.message.Message | None:
    if block_list.kind is ListKind.SILENT:
        return None
    if block_list.kind in RCODES:
        return _failed(reply, RCODES[block_list.kind])
    if question.name == apex:
        if question.rdtype in (dns.rdatatype.SOA, dns.rdatatype.NS):
            rdata = _apex_rdata(apex, question.rdtype)
            reply.answer.append(dns.rrset.from_rdata(apex, LIST_TTL, rdata))
            return reply
        return _negative(reply, apex)
    relative = question.name.relativize(apex).to_text().lower()
    codes, reason = block_list.lookup(relative)
    if not codes:
        reply.set_rcode(dns.rcode.NXDOMAIN)
        return _negative(reply, apex)
    values = {dns.rdatatype.A: codes, dns.rdatatype.TXT: (reason,) if reason else ()}.get(question.rdtype, ())
    if not values:
        return _negative(reply, apex)
    rdatas = [_rdata(question.rdtype, value) for value in values]
    reply.answer.append(dns.rrset.from_rdata_list(question.name, LIST_TTL, rdatas))
    return reply


def _negative(reply: dns.message.Message, apex: dns.name.Name) -> dns.message.Message:
    """NXDOMAIN and NODATA carry the zone's SOA (RFC 2308)."""
    reply.authority.append(_soa(apex))
    return reply


@lru_cache(maxsize=4096)
def _soa(apex: dns.name.Name) -> dns.rrset.RRset:
    return dns.rrset.from_rdata(apex, LIST_TTL, _apex_rdata(apex, dns.rdatatype.SOA))


def _failed(reply: dns.message.Message, rcode: dns.rcode.Rcode) -> dns.message.Message:
    reply.answer.clear()
    reply.flags &= ~dns.flags.AA
    reply.set_rcode(rcode)
    return reply


def _apex_rdata(apex: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.rdata.Rdata:
    if rdtype == dns.rdatatype.NS:
        return _rdata(rdtype, f"ns.{apex}")
    return _rdata(dns.rdatatype.SOA, f"ns.{apex} hostmaster.{apex} 1 3600 600 86400 60")


@lru_cache(maxsize=4096)
def _rdata(rdtype: dns.rdatatype.RdataType, value: str) -> dns.rdata.Rdata:
    """Presentation form to rdata; TXT is plain text, cut into strings of 255 octets (RFC 1035 section 3.3)."""
    if rdtype == dns.rdatatype.TXT:
        escaped = [
            value[start : start + 255].replace("\\", "\\\\").replace('"', '\\"')
            for start in range(0, max(len(value), 1), 255)
        ]
        value = " ".join(f'"{part}"' for part in escaped)
    return dns.rdata.from_text(dns.rdataclass.IN, rdtype, value)


def _name(text: str) -> dns.name.Name:
    return dns.name.from_text(text.lower())


def _zones_of(names: Iterable[str]) -> set[str]:
    zones = set()
    for name in names:
        labels = name.split(".")
        if name.endswith(".in-addr.arpa"):
            zones.add(".".join(labels[1:]))
        elif name.endswith(".ip6.arpa"):
            zones.add(".".join(labels[16:]))
        else:
            zones |= {labels[-1], ".".join(labels[-2:])}
    return zones


def is_record_of(kind: str, value: str) -> bool:
    """Whether the value can be written as that type."""
    try:
        _rdata(dns.rdatatype.from_text(kind), value)
    except (ValueError, dns.exception.DNSException):
        return False
    return True
