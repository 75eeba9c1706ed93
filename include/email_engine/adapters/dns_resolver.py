"""Asks many DNS questions at once of named resolvers, politely, and never mistakes silence for absence.

No system configuration, no search domains, no cache: every answer comes from the resolvers given here, by UDP with
TCP when an answer is cut. What stays unanswered after all tries is `Unknown`."""

import asyncio
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from email_engine.addresses import shown
from email_engine.dns_answers import Absence, Answer, Found, NotFound, Question, Trouble, Unknown
from email_engine.errors import InputError

MOST_IN_FLIGHT = 100
"""More overflows the socket buffers even on loopback (measured: facts, blocklists section 5)."""

DNS_PORT = 53

PUBLIC_RESOLVERS = tuple(
    ip_network(network)
    for network in (
        "8.8.8.8", "8.8.4.4", "2001:4860:4860::/48",  # Google
        "1.1.1.0/29", "1.0.0.0/29", "2606:4700:4700::/48",  # Cloudflare
        "9.9.9.0/24", "149.112.112.0/24", "2620:fe::/48",  # Quad9
        "208.67.222.0/24", "208.67.220.0/24", "2620:119:35::/48", "2620:119:53::/48",  # OpenDNS
        "4.2.2.0/29", "64.6.64.0/23", "94.140.14.0/23", "76.76.2.0/24", "84.200.69.0/24",
        "169.254.169.253", "169.254.169.254", "168.63.129.16", "fd00:ec2::253",  # defaults of AWS, Google, Azure
    )
)  # fmt: skip

_AGAIN = frozenset({Trouble.TIMEOUT, Trouble.SERVFAIL, Trouble.UNREACHABLE, Trouble.MALFORMED})
_BACK_OFF = 0.1


class Resolver:
    """Asks `nameservers` in their order.

    Args:
        nameservers: (address, port), at least one.
        timeout: seconds for one try at one nameserver.
        lifetime: seconds for one question over all its tries; default: enough for all of them.
        tries: how often a question is asked before it is `Unknown` (REFUSED is not asked again).
        in_flight: questions under way at once, 1..100.

    Raises:
        InputError: no nameserver, an address that is none, or a number out of range.
    """

    def __init__(
        self,
        nameservers: Sequence[tuple[str, int]],
        timeout: float = 2.0,
        lifetime: float | None = None,
        tries: int = 3,
        in_flight: int = 64,
    ) -> None:
        _refuse_nonsense(nameservers, timeout, tries, in_flight)
        self.nameservers = tuple((str(ip_address(a)), int(p)) for a, p in nameservers)
        self.timeout = timeout
        self.tries = tries
        self.in_flight = in_flight
        once = timeout * len(self.nameservers)
        self.lifetime = lifetime if lifetime is not None else once * tries + _BACK_OFF * 2 ** (tries + 1)
        self._once = once

    def __repr__(self) -> str:
        return f"Resolver({', '.join(f'{a}:{p}' for a, p in self.nameservers)})"

    def turned(self) -> "Resolver":
        """The same, asking the last nameserver first: a second opinion where there are several."""
        return Resolver(self.nameservers[::-1], self.timeout, self.lifetime, self.tries, self.in_flight)

    def resolve_many(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        """An answer for each distinct question. Never raises for what DNS does.

        Must not be called from inside a running event loop; `resolve_all` is for that."""
        return asyncio.run(self.resolve_all(questions))

    async def resolve_all(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        distinct = list(dict.fromkeys(questions))
        answers: dict[Question, Answer] = {}
        waiting = iter(distinct)
        asker = self._asker()
        await asyncio.gather(
            *(self._work(asker, waiting, answers) for _ in range(min(self.in_flight, len(distinct))))
        )
        return {question: answers[question] for question in distinct}

    def _asker(self) -> dns.asyncresolver.Resolver:
        asker = dns.asyncresolver.Resolver(configure=False)
        asker.nameservers = [dns.nameserver.Do53Nameserver(a, p) for a, p in self.nameservers]
        asker.timeout = self.timeout
        asker.cache = None
        asker.use_edns(0, 0, 1232)
        return asker

    async def _work(
        self, asker: dns.asyncresolver.Resolver, waiting: Iterator[Question], answers: dict[Question, Answer]
    ) -> None:
        for question in waiting:
            answers[question] = await self._ask(asker, question)

    async def _ask(self, asker: dns.asyncresolver.Resolver, question: Question) -> Answer:
        end = time.monotonic() + self.lifetime
        answer: Answer = Unknown(Trouble.TIMEOUT)
        for attempt in range(self.tries):
            left = end - time.monotonic()
            if left <= 0:
                break
            answer = await _ask_once(asker, question, min(self._once, left))
            if not isinstance(answer, Unknown) or answer.reason not in _AGAIN:
                break
            if attempt + 1 < self.tries:
                await asyncio.sleep(_BACK_OFF * 2**attempt * (0.5 + secrets.randbelow(1000) / 1000))
        return answer


def _refuse_nonsense(
    nameservers: Sequence[tuple[str, int]], timeout: float, tries: int, in_flight: int
) -> None:
    mistakes = [] if nameservers else ["no nameserver"]
    for address, port in nameservers:
        try:
            ip_address(address)
        except ValueError:
            mistakes.append(f"nameserver {shown(address)!r} is not an IP address")
        if not 0 < int(port) < 65536:
            mistakes.append(f"port {port} of {shown(address)}")
    if timeout <= 0:
        mistakes.append(f"timeout {timeout}")
    if tries < 1:
        mistakes.append(f"tries {tries}")
    if not 1 <= in_flight <= MOST_IN_FLIGHT:
        mistakes.append(f"in_flight {in_flight}")
    if mistakes:
        raise InputError(
            "DNS resolver",
            "; ".join(mistakes),
            f"IP addresses with ports, a timeout above 0, tries from 1, in_flight 1 to {MOST_IN_FLIGHT}",
            "correct the DNS connection",
        )


async def _ask_once(asker: dns.asyncresolver.Resolver, question: Question, lifetime: float) -> Answer:
    try:
        name = dns.name.from_text(question.name + ".")
    except (dns.exception.DNSException, UnicodeError):
        return Unknown(Trouble.BAD_NAME)
    try:
        answer = await asker.resolve(
            name, question.rdtype, search=False, raise_on_no_answer=False, lifetime=lifetime
        )
    except dns.resolver.NXDOMAIN:
        return NotFound(Absence.NXDOMAIN)
    except dns.exception.Timeout:
        return Unknown(Trouble.TIMEOUT)
    except dns.resolver.NoNameservers as failure:
        return Unknown(_trouble(failure))
    except dns.exception.DNSException:
        return Unknown(Trouble.MALFORMED)
    except OSError:
        return Unknown(Trouble.UNREACHABLE)
    if answer.rrset is None:
        return NotFound(Absence.NODATA)
    return Found(tuple(_text(rdata, question.rdtype) for rdata in answer.rrset), answer.rrset.ttl)


def _trouble(failure: dns.resolver.NoNameservers) -> Trouble:
    """The last nameserver's complaint. dnspython's own text would show the name, and with it a key."""
    errors = failure.kwargs.get("errors") or ()
    last = errors[-1][3] if errors else None
    if last == "SERVFAIL":
        return Trouble.SERVFAIL
    if last == "REFUSED":
        return Trouble.REFUSED
    return Trouble.UNREACHABLE if isinstance(last, OSError | EOFError) else Trouble.MALFORMED


_CONTROL = dict.fromkeys((*range(9), *range(10, 0x20), *range(0x7F, 0xA0)), "\ufffd")
"""Control characters but the tab: no record means them, databases refuse some of them, and terminals obey others."""


def _text(rdata: Any, rdtype: str) -> str:
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


def parse_nameserver(text: str, subject: str = "name server") -> tuple[str, int]:
    """`192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53` or `[2001:db8::53]:5353`; port 53 if none is given."""
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        return str(ip_address(host)), int(port or DNS_PORT)
    except ValueError:
        raise InputError(
            subject,
            f"{shown(text)!r}",
            "an IP address, with :port if it is not 53",
            "correct the name server",
        ) from None


def refuse_public(subject: str, address: str) -> None:
    """Raises InputError for a public or cloud resolver: no answer of a block list through it means anything."""
    try:
        public = any(ip_address(address) in network for network in PUBLIC_RESOLVERS)
    except ValueError:
        return
    if public:
        raise InputError(
            subject,
            f"{address} is a public or cloud resolver",
            "your own recursive resolver: block lists answer public ones with an error code or with nothing, so that "
            "every IP looks clean",
            "run a recursive resolver (unbound without forwarding) and name its address here",
        )
