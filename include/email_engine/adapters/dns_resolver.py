"""Asks many DNS questions at once of named resolvers, politely, and never mistakes silence for absence.

No system configuration, no search domains, no cache: every answer comes from the resolvers given here, by UDP with
TCP when an answer is cut. What stays unanswered after all tries is `Unknown`."""

import asyncio
import math
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from email_engine.adapters.dns_exchange import LONGEST_PAUSE, Exchange, Manners
from email_engine.addresses import shown
from email_engine.dns_answers import Answer, Question
from email_engine.errors import InputError

MOST_IN_FLIGHT = 100
"""More overflows the socket buffers even on loopback (measured: facts, blocklists section 5)."""


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
        every = timeout * len(self.nameservers) * tries
        self.lifetime = lifetime if lifetime is not None else every + 2 * LONGEST_PAUSE * tries

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
        manners = Manners(self.timeout, self.lifetime, self.tries, self.in_flight)
        answers = await Exchange(self.nameservers, manners).run(distinct)
        return {question: answers[question] for question in distinct}


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
    if not (timeout > 0 and math.isfinite(timeout)):
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
