"""Many questions under way at once over a few sockets: matched, timed, asked again, over TCP where an answer is cut.

Each server has sockets of its own, connected to it, with ports that the kernel chose; an ID is random and counts for one socket, and a
reply counts only with the question that it was asked (RFC 5452)."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from secrets import randbelow

from email_engine.adapters.dns_wire import Asked, Sign, asked, read_reply
from email_engine.dns_answers import Answer, Question, Trouble, Unknown

SOCKETS = 4
"""For each server: more ports to guess for whoever would forge an answer."""

RECEIVE_BUFFER = 1 << 20
BACK_OFF, LONGEST_PAUSE = 0.1, 2.0
_SILENCE = Unknown(Trouble.TIMEOUT)
_TICK = 0.02
_LARGEST = 65_535
_AGAIN = frozenset({Trouble.TIMEOUT, Trouble.SERVFAIL, Trouble.UNREACHABLE, Trouble.MALFORMED})


@dataclass(frozen=True, slots=True)
class Manners:
    """`timeout`: seconds for one try at one server. `lifetime`: seconds for one question in all. `tries`: rounds over the servers.
    `in_flight`: questions under way at once."""

    timeout: float
    lifetime: float
    tries: int
    in_flight: int


class _Server:
    def __init__(self, address: str, port: int) -> None:
        self.address, self.port = address, port
        self.edns = True
        self.doors = [_Door(self) for _ in range(SOCKETS)]
        self.turns = cycle(self.doors)


class _Door:
    """One socket, and what is waited for behind it by ID."""

    def __init__(self, server: _Server) -> None:
        self.server = server
        self.waiting: dict[int, _Course] = {}
        self._socket: socket.socket | None = None

    def opened(self, loop: asyncio.AbstractEventLoop, read: "Callable[[_Door], None]") -> socket.socket:
        """The socket, opened when it is first needed. Raises OSError where its family or route does not exist."""
        if self._socket is None:
            family = socket.AF_INET6 if ":" in self.server.address else socket.AF_INET
            made = socket.socket(family, socket.SOCK_DGRAM)
            try:
                made.setblocking(False)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
                made.connect((self.server.address, self.server.port))
            except OSError:
                made.close()
                raise
            loop.add_reader(made.fileno(), read, self)
            self._socket = made
        return self._socket

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._socket is not None:
            loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def free_number(self) -> int:
        while (number := int.from_bytes(os.urandom(2), "big")) in self.waiting:
            pass
        return number


@dataclass(slots=True)
class _Course:
    """One question on its way. `turn`: tries so far, over all servers. `refused`: servers that will not answer it."""

    asked: Asked
    end: float
    turn: int = 0
    last: Unknown = _SILENCE
    refused: set[int] = field(default_factory=set)
    edns: bool = True
    door: "_Door | None" = None
    number: int = 0
    due: float = 0.0


class Exchange:
    """One batch of distinct questions at these servers, in their order. Use it once."""

    def __init__(self, nameservers: Sequence[tuple[str, int]], manners: Manners) -> None:
        self._manners = manners
        self._addresses = nameservers
        self._servers: list[_Server] = []
        self._answers: dict[Question, Answer] = {}
        self._under_way = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, questions: Sequence[Question]) -> dict[Question, Answer]:
        """An answer for each question."""
        self._loop = asyncio.get_running_loop()
        self._questions: Iterator[Question] = iter(questions)
        self._done = self._loop.create_future()
        try:
            self._servers = [_Server(address, port) for address, port in self._addresses]
            self._timer = self._loop.call_later(_TICK, self._look_at_the_clock)
            self._fill()
            await self._done
        finally:
            self._close()
        return self._answers

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        for server in self._servers:
            for door in server.doors:
                door.close(self._loop)

    def _fill(self) -> None:
        """Sends as many questions as may be under way."""
        while self._under_way < self._manners.in_flight:
            question = next(self._questions, None)
            if question is None:
                break
            section = asked(question)
            if section is None:
                self._answers[question] = Unknown(Trouble.BAD_NAME)
                continue
            self._under_way += 1
            self._send(_Course(section, time.monotonic() + self._manners.lifetime))
        if not self._under_way and not self._done.done():
            self._done.set_result(None)

    def _send(self, course: _Course) -> None:
        place = course.turn % len(self._servers)
        server = self._servers[place]
        if place in course.refused:
            self._missed(course, course.last)
            return
        door = next(server.turns)
        course.edns = course.edns and server.edns
        course.door, course.number = door, door.free_number()
        door.waiting[course.number] = course
        course.due = min(time.monotonic() + self._manners.timeout, course.end)
        try:
            door.opened(self._loop, self._read).send(course.asked.octets(course.number, course.edns))
        except BlockingIOError:
            pass  # a full buffer is a lost packet
        except OSError:
            self._forget(course)
            self._loop.call_soon(self._missed, course, Unknown(Trouble.UNREACHABLE))

    def _forget(self, course: _Course) -> None:
        if course.door is not None and course.door.waiting.get(course.number) is course:
            del course.door.waiting[course.number]
        course.door = None

    def _read(self, door: _Door) -> None:
        opened = door.opened(self._loop, self._read)
        while True:
            try:
                reply = opened.recv(_LARGEST)
            except BlockingIOError:
                break
            except OSError:  # nobody listens there: what was sent is lost
                for course in list(door.waiting.values()):
                    self._forget(course)
                    self._missed(course, Unknown(Trouble.UNREACHABLE))
                break
            if len(reply) < 2:
                continue
            course_of = door.waiting.get((reply[0] << 8) | reply[1])
            if course_of is not None:
                self._take(course_of, read_reply(reply, course_of.asked, course_of.edns), door.server)
        self._fill()

    def _take(self, course: _Course, said: Answer | Sign, server: _Server) -> None:
        if said is Sign.NOT_OURS:
            return
        self._forget(course)
        if isinstance(said, Unknown):
            self._missed(course, said)
        elif said is Sign.NO_EDNS:
            server.edns = course.edns = False
            self._send(course)
        elif said is Sign.TRUNCATED:
            task = self._loop.create_task(self._over_tcp(course, server))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif not isinstance(said, Sign):
            self._finish(course, said)

    def _missed(self, course: _Course, why: Unknown) -> None:
        """One try brought nothing: the next server, or all of them once more after a pause, or the end."""
        course.last = why
        if why.reason not in _AGAIN:
            course.refused.add(course.turn % len(self._servers))
        course.turn += 1
        rounds, place = divmod(course.turn, len(self._servers))
        left = course.end - time.monotonic()
        if len(course.refused) == len(self._servers) or rounds >= self._manners.tries or left <= 0:
            self._finish(course, why)
        elif place:
            self._send(course)
        else:
            pause = min(BACK_OFF * 2 ** (rounds - 1), LONGEST_PAUSE) * (0.5 + randbelow(1000) / 1000)
            self._loop.call_later(min(pause, left), self._send, course)

    def _finish(self, course: _Course, answer: Answer) -> None:
        self._answers[course.asked.question] = answer
        self._under_way -= 1
        if not self._under_way:
            self._loop.call_soon(self._fill)

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        doors = (door for server in self._servers for door in server.doors)
        for course in [one for door in doors for one in door.waiting.values() if one.due <= now]:
            self._forget(course)
            self._missed(course, _SILENCE)
        self._fill()
        self._timer = self._loop.call_later(_TICK, self._look_at_the_clock)

    async def _over_tcp(self, course: _Course, server: _Server) -> None:
        try:
            async with asyncio.timeout(min(self._manners.timeout, max(course.end - time.monotonic(), 0.001))):
                said = await _ask_over_tcp(course, server)
        except TimeoutError:
            said = _SILENCE
        except (OSError, EOFError):
            said = Unknown(Trouble.UNREACHABLE)
        if said in (Sign.NOT_OURS, Sign.TRUNCATED):
            said = Unknown(Trouble.MALFORMED)
        self._take(course, said, server)
        self._fill()


async def _ask_over_tcp(course: _Course, server: _Server) -> Answer | Sign:
    """One connection for one question (RFC 7766)."""
    reader, writer = await asyncio.open_connection(server.address, server.port)
    try:
        number = int.from_bytes(os.urandom(2), "big")
        query = course.asked.octets(number, course.edns)
        writer.write(struct.pack("!H", len(query)) + query)
        await writer.drain()
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        reply = await reader.readexactly(length)
    finally:
        writer.close()
    if len(reply) < 2 or int.from_bytes(reply[:2], "big") != number:
        return Sign.NOT_OURS
    return read_reply(reply, course.asked, course.edns)
