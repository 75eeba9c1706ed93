"""DKIM: one key record a domain and selector, as soon as the key is made."""

from collections.abc import Iterator
from dataclasses import replace

from email_engine.dnsauth.dkim import key_record
from email_engine.dnsauth.model import Subject
from email_engine.records.judged import Judged, together, unanswered
from email_engine.records.model import DnsRecord, Purpose, RecordState
from email_engine.records.units import Setting, Unit

NO_KEY = "key not made yet"


def dkim_records(unit: Unit, setting: Setting, judged: Judged | None) -> Iterator[DnsRecord]:
    """For the selector that signs, and for others of the domain whose keys are known.

    Raises:
        BadKey: a key that verifiers cannot use.
    """
    by_domain = {subject.domain: subject for subject in reversed(unit.subjects)}
    wanted = [(subject.domain, subject.selector) for subject in unit.subjects if subject.selector]
    wanted += [pair for pair in setting.keys if pair[0] in unit.domains]
    for domain, selector in dict.fromkeys(wanted):
        key = setting.keys.get((domain, selector))
        yield _record(replace(by_domain[domain], selector=selector, public_key=key), judged)


def _record(subject: Subject, judged: Judged | None) -> DnsRecord:
    name = f"{subject.selector}._domainkey.{subject.domain}"
    value = key_record(subject.public_key) if subject.public_key is not None else ""
    right = DnsRecord(name, "TXT", value, Purpose.DKIM, subject.domain)
    if not value:
        right = replace(right, state=RecordState.UNDECIDED, note=NO_KEY)
    if judged is None:
        return right
    findings = judged.dkim(subject)
    state = together(findings)
    standing = judged.texts(name)
    if state is RecordState.UNKNOWN:
        return replace(right, state=state, note=unanswered(findings))
    if state is RecordState.KEPT:
        return replace(right, state=state, value=standing[0], note="")
    return replace(right, replaces=tuple(text for text in standing if text != value))
