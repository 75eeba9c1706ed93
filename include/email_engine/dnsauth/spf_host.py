"""check_host() of RFC 7208 over answers that are known already, by spftrace."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from spftrace import BaseResolver, Evaluator, Event, Limits

from email_engine.dns_answers import Found, NotFound, Trouble, Unknown
from email_engine.dnsauth.model import NOT_ASKED, Lookup
from email_engine.fleet.model import IpAddress

_LOOP: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("spf_loop", default=None)


@dataclass(frozen=True, slots=True)
class Match:
    """A term that matched, as written, and the domain in whose record it stands."""

    term: str
    domain: str


@dataclass(frozen=True, slots=True)
class SpfResult:
    """`result`: pass, fail, softfail, neutral, none, permerror or temperror; `why` in words; the counters of RFC 7208
    section 4.6.4 (at most 10 terms, 2 void look-ups). `matched`: from the term of the record itself to the innermost one of its
    includes, empty where none matched. `trouble`: the first name that was not answered, and the answer."""

    result: str
    why: str
    terms: int
    voids: int
    matched: tuple[Match, ...] = ()
    trouble: tuple[str, Unknown] | None = None

    @property
    def unknown(self) -> tuple[str, Unknown] | None:
        """The trouble, where another result than this could have come without it: a `ptr` without an answer is passed over
        (RFC 7208 section 5.5), which tells nothing about the record."""
        if self.result == "pass":
            return None
        return self.trouble or (
            (self.why, Unknown("temporary error")) if self.result == "temperror" else None
        )


class _Missing(Exception):
    pass


class _Known(BaseResolver):
    """spftrace's port on answers that are known already."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self.trouble: tuple[str, Unknown] | None = None

    async def _lookup(self, name: str, rtype: str) -> tuple[str, list[str]]:
        match self.lookup.ask(name, rtype):
            case Found(records=records):
                return "NOERROR", [_exchange(r) for r in records] if rtype == "MX" else list(records)
            case NotFound(absence=absence):
                return ("NXDOMAIN" if absence == "nxdomain" else "NOERROR"), []
            case Unknown() as answer if answer is NOT_ASKED:
                raise _Missing
            case Unknown() as answer:
                self.trouble = self.trouble or (name, answer)
                return ("TIMEOUT" if answer.reason == Trouble.TIMEOUT else "SERVFAIL"), []


def _exchange(record: str) -> str:
    return record.partition(" ")[2]


def check_host(
    lookup: Lookup, address: IpAddress, domain: str, helo: str, record: str | None = None, sender: str = ""
) -> SpfResult | None:
    """check_host() for `sender`, or `postmaster@domain` (RFC 7208 section 4); None while answers are missing from `lookup`.

    `record` is evaluated in place of the domain's own: so a remedy is proved before it is given."""
    known = _Known(lookup)
    limits = Limits(max_queries=None, time_limit=3600.0)
    evaluator = Evaluator(known, limits, receiver="unknown", policy_override=record)
    try:
        done = _without_waiting(
            lambda: evaluator.evaluate(str(address), sender or f"postmaster@{domain}", helo)
        )
    except _Missing:
        return None
    exits = [e.data.get("reason", "") for e in done.trace.events if e.kind == "exit"]
    return SpfResult(
        done.result,
        exits[-1] if exits else "",
        done.dns_terms_used,
        done.void_lookups_used,
        _matched(done.trace.events) if done.result != "permerror" else (),
        known.trouble,
    )


def _matched(events: list[Event]) -> tuple[Match, ...]:
    """The chain of terms that led to the result, the outermost first: an include matches after what matched inside it."""
    pairs = [
        (event, events[n + 1].data.get("domain", ""))
        for n, event in enumerate(events[:-1])
        if event.kind == "mech_match"
    ]
    chain: list[Match] = []
    for event, domain in reversed(pairs):
        chain.append(Match(event.data["raw"], domain))
        if event.data["mechanism"] != "include":
            break
    ends = [e for e in events if e.kind == "eval_done"]
    return () if ends and ends[-1].data.get("reason") == "default" else tuple(chain)


@contextmanager
def one_loop() -> Iterator[None]:
    """One private event loop for every check_host() inside: making a loop costs more than an evaluation."""
    with closing(asyncio.new_event_loop()) as loop:
        token = _LOOP.set(loop)
        try:
            yield
        finally:
            _LOOP.reset(token)


def _without_waiting(work: Callable[[], Any]) -> Any:
    """spftrace is asynchronous; its answers are at hand here, so a private event loop only carries it through."""
    if (loop := _LOOP.get()) is not None:
        return loop.run_until_complete(work())
    with one_loop():
        return _without_waiting(work)
