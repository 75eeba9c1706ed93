"""DNS over UDP and TCP on loopback (RFC 1035, RFC 7766), wire format by dnspython.

Rendered replies are kept by the query's octets after the ID, until the world changes: a sweep asks the same test
points over and over.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from lab.dns.authority import Authority

MOST_KEPT = 100_000
RECEIVE_BUFFER = 4 << 20
CLASSIC_LIMIT = 512
TCP_LIMIT = 65_535
IDLE = 10.0
TRIES = 20


@dataclass(slots=True)
class Manners:
    """How the server behaves as a whole, whatever is asked. `delay` in seconds, `loss_rate` 0..1 (UDP)."""

    silent: bool = False
    delay: float = 0.0
    loss_rate: float = 0.0
    truncate: bool = False
    seen: Counter[str] = field(default_factory=Counter)


class Responder:
    """Query octets to reply octets."""

    def __init__(self, authority: Authority, manners: Manners) -> None:
        self._authority = authority
        self._manners = manners
        self._kept: dict[tuple[bytes, bool], tuple[str, bytes | None]] = {}

    def forget(self) -> None:
        """To be called after every change of the world."""
        self._kept.clear()

    def respond(self, query: bytes, over_tcp: bool) -> bytes | None:
        """None: say nothing."""
        if len(query) < 12 or query[2] & 0x80:
            return None
        key = (query[2:], over_tcp)
        if key not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = self._render(query, over_tcp)
        zone, body = self._kept[key]
        self._manners.seen[zone or "(elsewhere)"] += 1
        return None if body is None or self._manners.silent else query[:2] + body

    def _render(self, octets: bytes, over_tcp: bool) -> tuple[str, bytes | None]:
        try:
            query = dns.message.from_wire(octets)
        except (dns.exception.DNSException, ValueError):
            return "", struct.pack("!HHHHH", dns.flags.QR | dns.rcode.FORMERR, 0, 0, 0, 0)
        verdict = self._authority.answer(query)
        if verdict.reply is None:
            return verdict.zone, None
        limit = TCP_LIMIT if over_tcp else max(query.payload if query.edns >= 0 else 0, CLASSIC_LIMIT)
        if not over_tcp and self._manners.truncate:
            return verdict.zone, _truncated(verdict.reply)[2:]
        try:
            return verdict.zone, verdict.reply.to_wire(max_size=limit)[2:]
        except dns.exception.TooBig:
            return verdict.zone, _truncated(verdict.reply)[2:]


class Server:
    """The two sockets on one port."""

    def __init__(self, responder: Responder, manners: Manners) -> None:
        self._responder = responder
        self._manners = manners
        self._datagrams: asyncio.DatagramTransport | None = None
        self._streams: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listens; gives the port, which UDP and TCP share. Raises OSError if it is taken; of port 0 any that is free for both."""
        for _ in range(TRIES if port == 0 else 0):
            with contextlib.suppress(OSError):
                return await self._listen(host, 0)
        return await self._listen(host, port)

    async def _listen(self, host: str, port: int) -> int:
        self._streams = await asyncio.start_server(self._converse, host, port)
        port = self._streams.sockets[0].getsockname()[1]
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        try:
            listener.bind((host, port))
        except OSError:
            listener.close()
            self._streams.close()
            raise
        listener.setblocking(False)
        self._datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self._reply_later), sock=listener
        )
        return int(port)

    async def stop(self) -> None:
        if self._datagrams:
            self._datagrams.close()
        if self._streams:
            self._streams.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await self._streams.wait_closed()

    def _reply_later(self, query: bytes, send: Callable[[bytes], None]) -> None:
        if self._manners.loss_rate and random.random() < self._manners.loss_rate:
            return
        reply = self._responder.respond(query, over_tcp=False)
        if reply is None:
            return
        if self._manners.delay:
            asyncio.get_running_loop().call_later(self._manners.delay, send, reply)
        else:
            send(reply)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast(asyncio.Task[None], asyncio.current_task())
        self._connections.add(task)
        try:
            while True:
                async with asyncio.timeout(IDLE):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    query = await reader.readexactly(length)
                reply = self._responder.respond(query, over_tcp=True)
                await asyncio.sleep(self._manners.delay)
                if reply is not None:
                    writer.write(struct.pack("!H", len(reply)) + reply)
                    await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, reply: Callable[[bytes, Callable[[bytes], None]], None]) -> None:
        self._reply = reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._reply(data, lambda reply: self._send(reply, addr))

    def _send(self, reply: bytes, addr: tuple[str, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(reply, addr)


def _truncated(reply: dns.message.Message) -> bytes:
    """The question and TC alone: ask again over TCP (RFC 2181 section 9)."""
    reply.answer.clear()
    reply.authority.clear()
    reply.flags |= dns.flags.TC
    return reply.to_wire()
