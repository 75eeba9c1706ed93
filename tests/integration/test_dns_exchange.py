"""Our resolver against servers that lose, forge, refuse to recurse or never heard of EDNS, and against a real rbldnsd."""

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from email_engine.adapters.dns_resolver import Resolver
from email_engine.dns_answers import Absence, Found, NotFound, Question, Trouble, Unknown
from tests.dns_lab import PATIENCE
from tests.rbldnsd import serving

Handler = Callable[[dns.message.Message, bytes], list[bytes]]
NXDOMAIN = NotFound(Absence.NXDOMAIN)
QUESTION = Question("mail.example")


@contextlib.contextmanager
def server(handle: Handler) -> Iterator[tuple[tuple[str, int], list[dns.message.Message]]]:
    """A UDP server that sends what `handle` makes of each query; and the queries, as they come."""
    seen: list[dns.message.Message] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        door.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    octets, client = door.recvfrom(4096)
                    query = dns.message.from_wire(octets)
                    seen.append(query)
                    for reply in handle(query, octets):
                        door.sendto(reply, client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield door.getsockname(), seen
        finally:
            over.set()
            thread.join()


def found(query: dns.message.Message, address: str = "192.0.2.1") -> bytes:
    made = dns.message.make_response(query)
    made.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", address))
    return made.to_wire()


def with_rcode(query: dns.message.Message, code: dns.rcode.Rcode) -> bytes:
    made = dns.message.make_response(query)
    made.set_rcode(code)
    return made.to_wire()


def answer(*nameservers: tuple[str, int]) -> object:
    return Resolver(nameservers, **PATIENCE).resolve_many([QUESTION])[QUESTION]


@pytest.mark.parametrize("code", [dns.rcode.FORMERR, dns.rcode.NOTIMP], ids=["formerr", "notimp"])
def test_a_server_without_edns_is_asked_without(code: dns.rcode.Rcode) -> None:
    def handle(query: dns.message.Message, _: bytes) -> list[bytes]:
        return [found(query) if query.edns < 0 else with_rcode(query, code)]

    with server(handle) as (address, seen):
        questions = [Question(f"mail{n}.example") for n in range(200)]
        answers = Resolver([address], **PATIENCE, in_flight=10).resolve_many(questions)
    assert set(answers.values()) == {Found(("192.0.2.1",), 60)}
    with_edns = sum(query.edns >= 0 for query in seen)
    assert 0 < with_edns <= 10, "once it is known, nobody is asked with EDNS any more"


def test_a_forged_reply_counts_for_nothing() -> None:
    def handle(query: dns.message.Message, octets: bytes) -> list[bytes]:
        other = dns.message.make_query("other.example", "A", id=query.id)
        wrong_number = bytes([octets[0] ^ 1]) + found(query, "192.0.2.66")[1:]
        return [found(other, "192.0.2.66"), wrong_number, b"", b"\x00", octets, found(query)]

    with server(handle) as (address, _):
        assert answer(address) == Found(("192.0.2.1",), 60)


def test_a_server_that_does_not_recurse_is_named_and_the_next_one_asked() -> None:
    def lame(query: dns.message.Message, _: bytes) -> list[bytes]:
        made = dns.message.make_response(query)
        made.flags &= ~dns.flags.RA
        made.authority.append(dns.rrset.from_text("example.", 60, "IN", "NS", "ns.example."))
        return [made.to_wire()]

    with server(lame) as (first, seen), server(lambda query, _: [found(query)]) as (second, _):
        assert answer(first) == Unknown(Trouble.LAME)
        assert len(seen) == 1, "it will not recurse the next time either"
        assert answer(first, second) == Found(("192.0.2.1",), 60)


def test_refused_by_one_and_failed_by_the_other_is_asked_again_where_it_may_help() -> None:
    tries: list[int] = []

    def recovers(query: dns.message.Message, _: bytes) -> list[bytes]:
        tries.append(1)
        return [found(query) if len(tries) > 2 else with_rcode(query, dns.rcode.SERVFAIL)]

    with (
        server(lambda query, _: [with_rcode(query, dns.rcode.REFUSED)]) as (first, refusing),
        server(recovers) as (second, _),
    ):
        assert answer(first, second) == Found(("192.0.2.1",), 60)
    assert len(refusing) == 1


def test_nobody_at_the_port_is_unreachable_and_the_next_one_asked() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()
    assert answer(closed) == Unknown(Trouble.UNREACHABLE)
    with server(lambda query, _: [found(query)]) as (second, _):
        assert answer(closed, second) == Found(("192.0.2.1",), 60)


def test_a_cut_answer_without_tcp_behind_it_is_unknown() -> None:
    def cut(query: dns.message.Message, _: bytes) -> list[bytes]:
        made = dns.message.make_response(query)
        made.flags |= dns.flags.TC
        return [made.to_wire()]

    with server(cut) as (address, _):
        assert answer(address) == Unknown(Trouble.UNREACHABLE)


@pytest.mark.parametrize("loss_rate", [0.01, 0.1])
def test_no_answer_is_wrong_when_packets_are_lost(loss_rate: float, tmp_path: Path) -> None:
    """A real rbldnsd behind a line that loses packets, both ways."""
    dice, listed = random.Random(4), {3, 250, 777}
    first = ip_address("198.18.0.0")
    with (
        serving(tmp_path, {"bl.example": [str(first + n) for n in sorted(listed)]}) as port,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as behind,
    ):
        behind.connect(("127.0.0.1", port))
        behind.settimeout(10)

        def relay(_: dns.message.Message, octets: bytes) -> list[bytes]:
            if dice.random() < loss_rate:
                return []
            behind.send(octets)
            reply = behind.recv(4096)
            return [] if dice.random() < loss_rate else [reply]

        with server(relay) as (address, _):
            names = [(first + n).reverse_pointer.removesuffix(".in-addr.arpa") for n in range(1000)]
            questions = [Question(f"{name}.bl.example") for name in names]
            resolver = Resolver([address], timeout=1, tries=12, in_flight=100)
            answers = resolver.resolve_many(questions)
    wanted = {n: Found(("127.0.0.2",), 60) if n in listed else NXDOMAIN for n in range(1000)}
    assert {n: answers[question] for n, question in enumerate(questions)} == wanted
