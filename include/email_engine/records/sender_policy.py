"""SPF: what stands there is kept and extended; what is broken is a matter for a person."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from spftrace import SpfPermError, parse

from email_engine.dns_answers import Unknown
from email_engine.dnsauth.model import DnsFinding, DnsStatus, Gravity, Subject
from email_engine.dnsauth.spf_host import check_host
from email_engine.dnsauth.spf_record import (
    HELO_RECORD,
    LONGEST,
    LONGEST_MENDED,
    extended,
    is_spf,
    let_in,
    mended,
    new_record,
    spf_remedy,
    strangers,
)
from email_engine.fleet.model import IpAddress
from email_engine.records.judged import Judged, together, trouble_note, unanswered
from email_engine.records.model import DnsRecord, Purpose, RecordState
from email_engine.records.units import Unit


def spf_records(unit: Unit, judged: Judged | None) -> Iterator[DnsRecord]:
    """Of each domain for the MAIL FROM of mail, and of each host name for bounces, whose MAIL FROM is empty (RFC 7208
    section 2.4). A host name that is a sending domain too has the one record for both."""
    for domain, addresses in unit.domains.items():
        also = unit.hostnames.get(domain, ())
        every = tuple(dict.fromkeys((*addresses, *also)))
        own = [subject for subject in unit.subjects if subject.domain == domain]
        named = [subject for subject in unit.subjects if subject.hostname == domain]
        yield _long(_of_domain(domain, every, own, named, judged))
    for hostname in unit.hostnames:
        if hostname not in unit.domains:
            named = [subject for subject in unit.subjects if subject.hostname == hostname]
            yield _of_hostname(hostname, unit.hostnames[hostname], named, judged)


def _of_domain(
    domain: str,
    addresses: Sequence[IpAddress],
    own: Sequence[Subject],
    named: Sequence[Subject],
    judged: Judged | None,
) -> DnsRecord:
    fresh = DnsRecord(domain, "TXT", new_record(addresses), Purpose.SPF, domain)
    if judged is None:
        return fresh
    findings = judged.of(own, "spf.record", "spf.result")
    findings += [f for f in judged.of(own, "spf.all") if f.severity is Gravity.ERROR]
    findings += judged.of([s for s in named if s not in own], "spf.helo")
    return _extended(fresh, addresses, own[0], findings, judged)


def _of_hostname(
    hostname: str, addresses: Sequence[IpAddress], named: Sequence[Subject], judged: Judged | None
) -> DnsRecord:
    fresh = DnsRecord(hostname, "TXT", HELO_RECORD, Purpose.HELO, hostname)
    if judged is None:
        return fresh
    answer = judged.answer(hostname, "TXT")
    if isinstance(answer, Unknown):
        return replace(fresh, state=RecordState.UNKNOWN, note=trouble_note(answer, hostname))
    if [text for text in judged.texts(hostname) if is_spf(text)] == [HELO_RECORD]:
        return replace(fresh, state=RecordState.KEPT)
    subject = replace(named[0], domain=hostname)
    return _extended(fresh, addresses, subject, judged.of(named, "spf.helo"), judged)


def _extended(
    fresh: DnsRecord,
    addresses: Sequence[IpAddress],
    subject: Subject,
    findings: Sequence[DnsFinding],
    judged: Judged,
) -> DnsRecord:
    standing = sorted(text for text in judged.texts(fresh.name) if is_spf(text))
    state = together(findings)
    if state is RecordState.UNKNOWN:
        return replace(fresh, state=state, note=unanswered(findings))
    if state is RecordState.KEPT and len(standing) == 1:
        return replace(fresh, state=state, value=standing[0])
    if not standing:
        return fresh
    trouble = next((f for f in findings if f.status is DnsStatus.UNKNOWN), None)
    if trouble is not None:
        return replace(fresh, state=RecordState.UNKNOWN, note=unanswered(findings))
    broken = _what_is_broken(standing, subject, addresses[0], judged)
    if broken:
        advice = spf_remedy(judged.lookup, subject, standing)
        note = f"{broken}; look at what it is for, then keep one record, such as {advice}"
        return replace(fresh, value="", state=RecordState.BY_HAND, note=note, replaces=tuple(standing))
    return _from_one(fresh, addresses, subject, standing[0], judged)


def _what_is_broken(standing: Sequence[str], subject: Subject, address: IpAddress, judged: Judged) -> str:
    if len(standing) > 1:
        return f"{len(standing)} SPF records stand there: receivers take none of them"
    try:
        parse(standing[0])
    except (SpfPermError, ValueError) as mistake:
        return f"the record that stands there cannot be read ({mistake})"
    helo = subject.hostname or subject.domain
    result = check_host(judged.lookup, address, subject.domain, helo)
    if result is not None and result.result == "permerror":
        return f"the record that stands there cannot be evaluated ({result.why})"
    return ""


def _from_one(
    fresh: DnsRecord, addresses: Sequence[IpAddress], subject: Subject, record: str, judged: Judged
) -> DnsRecord:
    lookup = judged.lookup
    guests = strangers(lookup, subject.domain, subject.hostname or subject.domain)
    open_to_all = guests is not None and let_in(guests) is not None
    base = mended(lookup, replace(subject, address=addresses[0]), [record]) if open_to_all else record
    value = extended(lookup, subject, base, addresses) if base else None
    if value is None:
        return replace(fresh, state=RecordState.UNKNOWN, note="not all answers are there yet")
    if not value:
        note = f"no record could be proved that keeps {record!r} and lets {', '.join(map(str, addresses))} in; write one by hand"
        return replace(fresh, value="", state=RecordState.BY_HAND, note=note, replaces=(record,))
    note = "what stands there lets everybody send" if open_to_all else "extends the record that stands there"
    return replace(fresh, value=value, note=note, replaces=(record,))


def _long(record: DnsRecord) -> DnsRecord:
    size = len(record.value)
    if size <= LONGEST or record.state is RecordState.KEPT:
        return record
    if size > LONGEST_MENDED:
        note = f"{size} octets are too many for one record: give the IPs domains of their own, or split them into records that it includes"
        return replace(record, value="", state=RecordState.BY_HAND, note=note, replaces=())
    note = f"{size} octets; above {LONGEST} some answers no longer fit into UDP"
    return replace(record, note=f"{record.note}; {note}" if record.note else note)
