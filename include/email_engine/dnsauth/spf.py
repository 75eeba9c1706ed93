"""SPF (RFC 7208), evaluated as a receiver does: check_host for each sending IP, for MAIL FROM and for HELO."""

from dataclasses import replace

from spftrace import SpfPermError, Term, parse

from email_engine.dns_answers import Found, Unknown
from email_engine.dnsauth.model import NOT_ASKED, Gravity, Lookup, Report, Subject, record_text
from email_engine.dnsauth.names import is_ours
from email_engine.dnsauth.spf_host import SpfResult, check_host
from email_engine.dnsauth.spf_record import HELO_RECORD, LONGEST, is_spf, let_in, spf_remedy, strangers
from email_engine.fleet.model import IpAddress

WIDEST_IP4 = 16
WIDEST_IP6 = 32


def check_spf(lookup: Lookup, subject: Subject) -> Report:
    """The record of the domain, its evaluation for the IP and for strangers, and what reaches too far."""
    report = Report(subject.domain)
    answer = lookup.ask(subject.domain, "TXT")
    if isinstance(answer, Unknown):
        report.unknown("spf.record", answer, subject.domain, "one v=spf1 record")
        return report
    texts = answer.records if isinstance(answer, Found) else ()
    records = sorted(text for text in texts if is_spf(text))
    if len(records) != 1:
        advice = spf_remedy(lookup, subject, records)
        remedy = f"keep one record and remove the others: {advice}" if records else advice
        report.broken("spf.record", _count(texts, len(records)), "exactly one v=spf1 record", remedy)
        return report
    report.ok("spf.record", records[0])
    if subject.address is not None:
        _judge_ip(report, lookup, subject, subject.address, records[0])
    _judge_strangers(report, lookup, subject, records[0])
    _judge_style(report, lookup, subject, records[0])
    return report


def _count(texts: tuple[str, ...], records: int) -> str:
    if records:
        return f"{records} SPF records: receivers take none of them (permerror)"
    near = next((text for text in texts if "v=spf1" in text.lower()), "")
    return f"no SPF record; {near[:80]!r} is none: it must begin with 'v=spf1 '" if near else "no SPF record"


def _judge_ip(report: Report, lookup: Lookup, subject: Subject, address: IpAddress, record: str) -> None:
    result = check_host(lookup, address, subject.domain, subject.hostname or subject.domain)
    expected = f"pass for {address}"
    if result is None:
        report.unknown("spf.result", NOT_ASKED, subject.domain, expected)
    elif result.unknown:
        name, trouble = result.unknown
        report.unknown("spf.result", trouble, name, expected)
    elif result.result == "pass":
        report.ok("spf.result", _told(result, str(address)))
    else:
        remedy = spf_remedy(lookup, subject, [record])
        report.broken("spf.result", _told(result, str(address)), expected, remedy)


def _told(result: SpfResult, whom: str) -> str:
    counters = f"{result.terms} of 10 look-up terms, {result.voids} of 2 void"
    return f"{result.result} for {whom} ({counters})" + (f": {result.why}" if result.why else "")


def _judge_strangers(report: Report, lookup: Lookup, subject: Subject, record: str) -> None:
    """May everybody send? What strangers get is asked, not read from the record."""
    guests = strangers(lookup, subject.domain, subject.hostname or subject.domain)
    expected = "-all or ~all for strangers: not everybody may send"
    if guests is None:
        report.unknown("spf.all", NOT_ASKED, subject.domain, expected, Gravity.WARNING)
        return
    results = [result for family in guests for result in family]
    if everybody := let_in(guests):
        seen = f"strangers pass: {_by(everybody)}"
        report.broken("spf.all", seen, expected, spf_remedy(lookup, subject, [record]))
    elif wrong := next((r for r in results if r.result == "permerror" and not r.unknown), None):
        _tell_permerror(report, lookup, subject, record, wrong)
    elif trouble := next((r.unknown for r in results if r.unknown), None):
        # An IP that passes does so whatever comes after the term that names it.
        gravity = Gravity.ERROR if subject.address is None else Gravity.WARNING
        report.unknown("spf.all", trouble[1], trouble[0], expected, gravity)
    elif loose := next((r for r in results if r.result in ("pass", "neutral")), None):
        remedy = spf_remedy(lookup, subject, [record])
        report.broken(
            "spf.all", f"strangers get {loose.result}: {_by(loose)}", expected, remedy, Gravity.WARNING
        )
    else:
        report.ok("spf.all", f"not everybody may send: strangers get {results[0].result}")


def _tell_permerror(report: Report, lookup: Lookup, subject: Subject, record: str, wrong: SpfResult) -> None:
    expected = "a record that receivers can evaluate for every address"
    remedy = spf_remedy(lookup, subject, [record])
    if subject.address is None:
        report.broken("spf.result", _told(wrong, "strangers"), expected, remedy)
    else:
        report.broken("spf.limits", _told(wrong, "strangers"), expected, remedy, Gravity.WARNING)


def _by(result: SpfResult) -> str:
    if not result.matched:
        return "no term matches"
    own, innermost = result.matched[0], result.matched[-1]
    through = f", through {own.term}" if own != innermost else ""
    return f"{innermost.term} in {innermost.domain}{through}"


def _judge_style(report: Report, lookup: Lookup, subject: Subject, record: str) -> None:
    """ptr, wide networks, no end, a long record; what stands in the records of others is their matter, and only information."""
    own = [_loose(term) for term in _terms(record)]
    complaints = [f"{said} in {subject.domain}" for said in own if said]
    if not any(term.name in ("all", "redirect") for term in _terms(record)) and _terms(record):
        complaints.append("neither all nor redirect at the end")
    if len(record) > LONGEST:
        complaints.append(f"{len(record)} octets; above {LONGEST} some answers no longer fit")
    others = _complaints_about_others(lookup, subject, record)
    seen = ", ".join([*complaints, *others])
    if complaints:
        kept = [term.raw for term in _terms(record) if not _loose(term)]
        remedy = spf_remedy(lookup, subject, [" ".join(["v=spf1", *kept])])
        report.broken("spf.style", seen, "a short, exact record", remedy, Gravity.WARNING)
    elif others:
        remedy = "nothing of yours: whoever runs that record may narrow it, or you send without the include"
        report.broken("spf.style", seen, "exact records", remedy, Gravity.INFO)


def _terms(record: str) -> list[Term]:
    try:
        return list(parse(record).terms)
    except (SpfPermError, ValueError):
        return []


def _loose(term: Term) -> str:
    if term.name == "ptr":
        return "ptr"
    if term.qualifier != "+":
        return ""
    if term.name == "ip4" and (term.cidr4 or 0) < WIDEST_IP4:
        return f"{term.raw}, wider than /{WIDEST_IP4},"
    if term.name == "ip6" and (term.cidr6 or 0) < WIDEST_IP6:
        return f"{term.raw}, wider than /{WIDEST_IP6},"
    return ""


def _complaints_about_others(lookup: Lookup, subject: Subject, record: str) -> list[str]:
    """Of the records that the evaluation came through; none is asked for this."""
    complaints: list[str] = []
    todo, seen = [record], {subject.domain}
    while todo:
        for term in _terms(todo.pop()):
            name = (term.arg or "").rstrip(".").lower()
            if term.name not in ("include", "redirect") or name in seen:
                continue
            seen.add(name)
            answer = lookup.known(name, "TXT")
            for text in answer.records if isinstance(answer, Found) else ():
                if is_spf(text):
                    todo.append(text)
                    complaints += [f"{said} in {name}" for said in map(_loose, _terms(text)) if said]
    return complaints


def check_helo(lookup: Lookup, subject: Subject) -> Report:
    """Bounces have an empty MAIL FROM: then receivers check `postmaster@helo` (RFC 7208 section 2.4)."""
    report = Report(subject.hostname)
    if subject.address is None or subject.hostname in ("", subject.domain):
        return report
    result = check_host(lookup, subject.address, subject.hostname, subject.hostname)
    expected = f"pass for {subject.address}"
    if result is None:
        report.unknown("spf.helo", NOT_ASKED, subject.hostname, expected, Gravity.WARNING)
    elif result.unknown:
        name, trouble = result.unknown
        report.unknown("spf.helo", trouble, name, expected, Gravity.WARNING)
    elif result.result == "pass":
        report.ok("spf.helo", f"pass for {subject.address}", Gravity.WARNING)
    else:
        gravity = Gravity.ERROR if result.result in {"fail", "permerror"} else Gravity.WARNING
        answer = lookup.known(subject.hostname, "TXT")
        records = [r for r in answer.records if is_spf(r)] if isinstance(answer, Found) else []
        remedy = _helo_remedy(lookup, subject, records)
        report.broken("spf.helo", f"{result.result} {result.why}".strip(), expected, remedy, gravity)
    return report


def _helo_remedy(lookup: Lookup, subject: Subject, records: list[str]) -> str:
    if not is_ours(subject, subject.hostname):
        return f"give the IP a host name of its own below {subject.domain}, with an SPF record that lets the IP in"
    if records:
        return spf_remedy(lookup, replace(subject, domain=subject.hostname), records)
    return record_text(subject.hostname, "TXT", HELO_RECORD)
