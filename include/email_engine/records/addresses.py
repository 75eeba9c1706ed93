"""Host names and addresses: A, AAAA and PTR, each the other's proof (forward-confirmed reverse DNS)."""

from collections.abc import Iterator

from email_engine.dns_answers import Found
from email_engine.dnsauth.model import DnsStatus, Subject
from email_engine.dnsauth.names import may_lead_to, type_of
from email_engine.records.judged import Judged, together, unanswered
from email_engine.records.model import DnsRecord, Purpose, RecordState
from email_engine.records.units import Unit


def address_records(unit: Unit, judged: Judged | None) -> Iterator[DnsRecord]:
    """The address of each host name; never a further meaning for a name that leads elsewhere already."""
    for subject in unit.subjects:
        assert subject.address is not None  # noqa: S101 (for the type checker)
        rdtype = type_of(subject.address)
        state, note = RecordState.PUBLISH, ""
        if judged is not None:
            findings = judged.of([subject], "ptr.helo")
            state = together(findings)
            standing = [a for a in judged.records(subject.hostname, rdtype) if a != str(subject.address)]
            if state is RecordState.UNKNOWN:
                note = unanswered(findings)
            elif state is RecordState.PUBLISH and standing:
                note = f"{', '.join(standing)} stands there too: remove it unless it is wanted"
                if not may_lead_to(judged.lookup, subject, subject.hostname):
                    state = RecordState.BY_HAND
                    note = next((f.remedy for f in findings if f.status is DnsStatus.BROKEN), note)
        yield DnsRecord(
            subject.hostname, rdtype, str(subject.address), Purpose.ADDRESS, subject.hostname, state, note
        )


def ptr_records(unit: Unit, judged: Judged | None) -> Iterator[DnsRecord]:
    for subject in unit.subjects:
        assert subject.address is not None  # noqa: S101 (for the type checker)
        yield _ptr(subject, subject.address.reverse_pointer, judged)


def _ptr(subject: Subject, name: str, judged: Judged | None) -> DnsRecord:
    right = DnsRecord(name, "PTR", subject.hostname, Purpose.PTR, str(subject.address))
    if judged is None:
        return right
    findings = judged.of([subject], "ptr.record")
    state = together(findings)
    if state is RecordState.UNKNOWN:
        return DnsRecord(name, "PTR", right.value, right.purpose, right.subject, state, unanswered(findings))
    if state is RecordState.KEPT:
        return DnsRecord(name, "PTR", right.value, right.purpose, right.subject, state)
    alias = judged.answer(name, "CNAME")
    if isinstance(alias, Found):
        note = f"{name} is an alias of {alias.records[0]} (RFC 2317): the PTR record belongs there, with whoever runs that zone"
        return DnsRecord(name, "PTR", right.value, right.purpose, right.subject, RecordState.BY_HAND, note)
    wrong = tuple(value for value in judged.records(name, "PTR") if value != subject.hostname)
    note = f"{', '.join(wrong)} stands there: one name is wanted" if wrong else ""
    return DnsRecord(name, "PTR", right.value, right.purpose, right.subject, state, note, wrong)
