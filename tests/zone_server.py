"""A small recursive resolver on loopback that answers from a table, over UDP and TCP.

`zones`: name to {type: value or list}, or to "SERVFAIL", "TIMEOUT", "REFUSED"; a type's value may be one of these too. A TXT list
is several records; a list inside it the strings of one. MX: [preference, host] each. `*.name` is a wildcard. A name
below which something stands exists."""

import contextlib
import socketserver
import struct
import threading
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

FAULTS = {"SERVFAIL": dns.rcode.SERVFAIL, "REFUSED": dns.rcode.REFUSED}
LONGEST_CHAIN = 12
Zones = dict[str, Any]


class ZoneAnswers:
    """What a zone table answers; remembers what it was asked."""

    def __init__(self, zones: Zones) -> None:
        self.zones = {name.lower().rstrip("."): records for name, records in zones.items()}
        self.asked: list[tuple[str, str]] = []

    def reply(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        self.asked.append(
            (question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype))
        )
        reply = dns.message.make_response(query, recursion_available=True)
        return self._answer(reply, question.name, question.rdtype)

    def _answer(
        self, reply: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
    ) -> dns.message.Message | None:
        for _ in range(LONGEST_CHAIN):
            records = self._at(name)
            values = (
                records if isinstance(records, str) else (records or {}).get(dns.rdatatype.to_text(rdtype))
            )
            if values == "TIMEOUT":
                return None
            if isinstance(values, str) and values in FAULTS:
                reply.answer.clear()
                reply.set_rcode(FAULTS[values])
                return reply
            if values is not None:
                reply.answer.append(dns.rrset.from_rdata_list(name, 60, _rdatas(rdtype, values)))
                return reply
            alias = records.get("CNAME") if isinstance(records, dict) else None
            if alias is None:
                if records is None:
                    reply.set_rcode(dns.rcode.NXDOMAIN)
                reply.authority.append(_soa(name))
                return reply
            reply.answer.append(dns.rrset.from_rdata_list(name, 60, _rdatas(dns.rdatatype.CNAME, alias)))
            name = dns.name.from_text(str(alias).rstrip(".") + ".")
        reply.answer.clear()
        reply.set_rcode(dns.rcode.SERVFAIL)
        return reply

    def _at(self, name: dns.name.Name) -> Any:
        """What stands at the name, else at the wildcard above it (RFC 4592); None where nothing is."""
        text = name.to_text(omit_final_dot=True).lower()
        if text in self.zones:
            return self.zones[text]
        if any(known.endswith(f".{text}") for known in self.zones):
            return {}
        while name != dns.name.root:
            name = name.parent()
            parent = name.to_text(omit_final_dot=True).lower()
            if (wild := self.zones.get(f"*.{parent}")) is not None:
                return wild
            if parent in self.zones:
                return None
        return None


def _rdatas(rdtype: dns.rdatatype.RdataType, values: Any) -> list[dns.rdata.Rdata]:
    several = isinstance(values, list) and (rdtype != dns.rdatatype.MX or isinstance(values[0], list))
    return [_rdata(rdtype, value) for value in (values if several else [values])]


def _rdata(rdtype: dns.rdatatype.RdataType, value: Any) -> dns.rdata.Rdata:
    kind = dns.rdatatype.to_text(rdtype)
    if kind == "TXT":
        strings = value if isinstance(value, list) else _pieces(str(value))
        wire = b"".join(
            bytes([len(part)]) + part for part in (s if isinstance(s, bytes) else s.encode() for s in strings)
        )
        return dns.rdata.from_wire(dns.rdataclass.IN, rdtype, wire, 0, len(wire))
    if kind == "MX":
        preference, host = value
        return dns.rdata.from_text("IN", "MX", f"{preference} {str(host).rstrip('.')}.")
    if kind in ("CNAME", "PTR", "NS"):
        return dns.rdata.from_text("IN", kind, f"{str(value).rstrip('.')}.")
    return dns.rdata.from_text("IN", kind, str(value))


def _pieces(text: str) -> list[bytes]:
    octets = text.encode()
    return [octets[n : n + 255] for n in range(0, max(len(octets), 1), 255)]


def _soa(name: dns.name.Name) -> dns.rrset.RRset:
    zone = name.parent() if name != dns.name.root else name
    return dns.rrset.from_text(zone, 60, "IN", "SOA", "ns.invalid. host.invalid. 1 3600 600 86400 60")


class _Udp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, sock = self.request
        reply = self.server.zone_answers.reply(dns.message.from_wire(data))  # type: ignore[attr-defined]
        if reply is None:
            return
        wire = reply.to_wire(max_size=65535)
        if len(wire) > max(512, dns.message.from_wire(data).payload):
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            wire = reply.to_wire()
        sock.sendto(wire, self.client_address)


class _Tcp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while len(head := self.request.recv(2)) == 2:
            data = self.request.recv(struct.unpack("!H", head)[0])
            reply = self.server.zone_answers.reply(dns.message.from_wire(data))  # type: ignore[attr-defined]
            if reply is None:
                return
            wire = reply.to_wire(max_size=65535)
            self.request.sendall(struct.pack("!H", len(wire)) + wire)


class _ThreadingUdp(socketserver.ThreadingUDPServer):
    daemon_threads = True


class _ThreadingTcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class ZoneServer:
    """Change `answers` to answer from another table."""

    def __init__(self) -> None:
        self._udp, self._tcp = _pair()
        self.port = int(self._udp.server_address[1])
        self._threads = [
            threading.Thread(target=s.serve_forever, args=(0.05,)) for s in (self._udp, self._tcp)
        ]
        self.use(ZoneAnswers({}))

    def use(self, answers: ZoneAnswers) -> ZoneAnswers:
        for server in (self._udp, self._tcp):
            server.zone_answers = answers  # type: ignore[union-attr]
        return answers

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()


def _pair() -> tuple[socketserver.ThreadingUDPServer, socketserver.ThreadingTCPServer]:
    """UDP and TCP on one port."""
    for _ in range(50):
        udp = _ThreadingUdp(("127.0.0.1", 0), _Udp)
        try:
            return udp, _ThreadingTcp(("127.0.0.1", udp.server_address[1]), _Tcp)
        except OSError:
            udp.server_close()
    raise RuntimeError("no port is free for UDP and TCP alike")


@contextlib.contextmanager
def zone_server() -> Iterator[ZoneServer]:
    server = ZoneServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
