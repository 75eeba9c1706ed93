"""SPF (RFC 7208), evaluated as a receiver does: check_host for each sending IP, for MAIL FROM and for HELO."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from spftrace import BaseResolver, Evaluator, Limits, SpfPermError, parse

from email_engine.dns_answers import Found, NotFound, Unknown
from email_engine.dnsauth.model import NOT_ASKED, Gravity, Lookup, Report, Subject, record_text
from email_engine.fleet.model import IpAddress

_TRANSIENT = {"timeout": "TIMEOUT"}
WIDEST_IP4 = 16
_LOOP: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("spf_loop", default=None)


@dataclass(frozen=True, slots=True)
class SpfResult:
    """`result`: pass, fail, softfail, neutral, none, permerror or temperror; `why` in words; the counters of RFC 7208
    section 4.6.4 (at most 10 terms, 2 void look-ups)."""

    result: str
    why: str
    terms: int
    voids: int


class _Missing(Exception):
    pass


class _Known(BaseResolver):
    """spftrace's port on answers that are known already."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup

    async def _lookup(self, name: str, rtype: str) -> tuple[str, list[str]]:
        match self.lookup.ask(name, rtype):
            case Found(records=records):
                return "NOERROR", [_exchange(r) for r in records] if rtype == "MX" else list(records)
            case NotFound(absence=absence):
                return ("NXDOMAIN" if absence == "nxdomain" else "NOERROR"), []
            case Unknown() as answer if answer is NOT_ASKED:
                raise _Missing
            case Unknown(reason=reason):
                return _TRANSIENT.get(reason, "SERVFAIL"), []


def _exchange(record: str) -> str:
    return record.partition(" ")[2]


def check_host(lookup: Lookup, address: IpAddress, domain: str, helo: str) -> SpfResult | None:
    """check_host() for `postmaster@domain` (RFC 7208 section 4); None while answers are missing from `lookup`."""
    evaluator = Evaluator(_Known(lookup), Limits(max_queries=None, time_limit=3600.0), receiver="unknown")
    try:
        done = _without_waiting(lambda: evaluator.evaluate(str(address), f"postmaster@{domain}", helo))
    except _Missing:
        return None
    exits = [e.data.get("reason", "") for e in done.trace.events if e.kind == "exit"]
    return SpfResult(done.result, exits[-1] if exits else "", done.dns_terms_used, done.void_lookups_used)


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


def is_spf(text: str) -> bool:
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def check_spf(lookup: Lookup, subject: Subject) -> Report:
    """The record of the domain, its evaluation for the IP, and what reaches too far."""
    report = Report(subject.domain)
    answer = lookup.ask(subject.domain, "TXT")
    if isinstance(answer, Unknown):
        report.unknown("spf.record", answer.reason, "one v=spf1 record")
        return report
    texts = answer.records if isinstance(answer, Found) else ()
    records = [text for text in texts if is_spf(text)]
    if len(records) != 1:
        seen = f"{len(records)} SPF records" if records else "no SPF record"
        advice = record_text(subject.domain, "TXT", _wanted(subject))
        remedy = (
            f"publish exactly: {advice}"
            if not records
            else f"keep one record and remove the others: {advice}"
        )
        report.broken("spf.record", seen, "exactly one v=spf1 record", remedy)
        return report
    report.ok("spf.record", records[0])
    if subject.address is not None:
        _judge_ip(report, lookup, subject, subject.address, records[0])
    _look_for_gaps(report, lookup, subject, records[0])
    return report


def _judge_ip(report: Report, lookup: Lookup, subject: Subject, address: IpAddress, record: str) -> None:
    result = check_host(lookup, address, subject.domain, subject.hostname or subject.domain)
    expected = f"pass for {address}"
    if result is None:
        report.unknown("spf.result", NOT_ASKED.reason, expected)
        return
    counters = f"{result.terms} of 10 look-up terms, {result.voids} of 2 void"
    seen = f"{result.result} for {address} ({counters})" + (f": {result.why}" if result.why else "")
    match result.result:
        case "pass":
            report.ok("spf.result", seen)
        case "temperror":
            report.unknown("spf.result", result.why or "temporary error", expected)
        case "permerror":
            remedy = f"mend the record, or publish the plain one: {record_text(subject.domain, 'TXT', _wanted(subject))}"
            report.broken("spf.result", seen, expected, remedy)
        case _:
            report.broken(
                "spf.result", seen, expected, record_text(subject.domain, "TXT", _with_ip(record, address))
            )


def _look_for_gaps(report: Report, lookup: Lookup, subject: Subject, record: str) -> None:
    """`all` with pass or neutral anywhere reachable, ptr, wide networks, long strings."""
    complaints: list[str] = []
    everybody: list[str] = []
    todo, seen = [(subject.domain, record)], {subject.domain}
    while todo:
        owner, text = todo.pop()
        try:
            parsed = parse(text)
        except SpfPermError:
            continue
        for term in parsed.terms:
            if term.name == "all" and term.qualifier in "+?":
                everybody.append(f"{term.raw} in {owner}")
            elif term.name == "ptr":
                complaints.append(f"ptr in {owner}")
            elif term.name == "ip4" and (term.cidr4 or 0) < WIDEST_IP4:
                complaints.append(f"{term.raw} in {owner} is wider than /{WIDEST_IP4}")
        if owner == subject.domain and not parsed.redirect and all(t.name != "all" for t in parsed.terms):
            complaints.append("neither all nor redirect at the end")
        targets = [t.arg for t in parsed.terms if t.name == "include"]
        targets += [parsed.redirect.arg] if parsed.redirect else []
        for target in targets:
            name = (target or "").rstrip(".").lower()
            if name and "%" not in name and name not in seen:
                seen.add(name)
                answer = lookup.ask(name, "TXT")
                if isinstance(answer, Found):
                    todo += [(name, r) for r in answer.records if is_spf(r)]
    advice = record_text(subject.domain, "TXT", _wanted(subject))
    if everybody:
        remedy = f"end the record with -all and drop what lets everybody in, for example: {advice}"
        report.broken("spf.all", ", ".join(everybody), "-all or ~all: not everybody may send", remedy)
    else:
        report.ok("spf.all", "not everybody may send")
    if complaints:
        report.broken("spf.style", ", ".join(complaints), "a short, exact record", advice, Gravity.WARNING)


def check_helo(lookup: Lookup, subject: Subject) -> Report:
    """Bounces have an empty MAIL FROM: then receivers check `postmaster@helo` (RFC 7208 section 2.4)."""
    report = Report(subject.hostname)
    if subject.address is None or not subject.hostname:
        return report
    result = check_host(lookup, subject.address, subject.hostname, subject.hostname)
    expected = f"pass for {subject.address}"
    remedy = record_text(subject.hostname, "TXT", "v=spf1 a -all")
    if result is None or result.result == "temperror":
        reason = result.why if result else NOT_ASKED.reason
        report.unknown("spf.helo", reason, expected, Gravity.WARNING)
    elif result.result == "pass":
        report.ok("spf.helo", f"pass for {subject.address}", Gravity.WARNING)
    else:
        gravity = Gravity.ERROR if result.result in {"fail", "permerror"} else Gravity.WARNING
        report.broken("spf.helo", f"{result.result} {result.why}".strip(), expected, remedy, gravity)
    return report


def _mechanism(address: IpAddress) -> str:
    return f"ip{address.version}:{address}"


def _wanted(subject: Subject) -> str:
    if subject.address is None:
        return "v=spf1 ip4:<the sending IP> -all"
    return f"v=spf1 {_mechanism(subject.address)} -all"


def _with_ip(record: str, address: IpAddress) -> str:
    """The present record with the IP let in before its first `all`, `redirect` or, at the latest, its end."""
    terms = record.split()
    place = next(
        (
            n
            for n, t in enumerate(terms)
            if t.lower().lstrip("+-~?") == "all" or t.lower().startswith("redirect=")
        ),
        len(terms),
    )
    return " ".join([*terms[:place], _mechanism(address), *terms[place:]])
