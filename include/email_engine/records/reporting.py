"""DMARC: a policy that stands is kept; a new one says p=none, and reports go only where an operator wants them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from email_engine.dns_answers import Found, NotFound, Question, Unknown
from email_engine.dnsauth.dmarc import PERMISSION, report_hosts, report_permission
from email_engine.dnsauth.model import Lookup, record_text
from email_engine.dnsauth.organisation import (
    dmarc_records,
    is_dmarc,
    listed_organisation,
    organisational_domain,
    walk,
)
from email_engine.records.judged import Judged, together, trouble_note, unanswered
from email_engine.records.model import Choices, DnsRecord, Purpose, RecordState
from email_engine.records.units import Setting, Unit

NO_REPORTS = "no address for reports was given (--rua, in the form DMARC reports), so nobody will report"


def dmarc_records_of(
    unit: Unit, setting: Setting, choices: Choices, judged: Judged | None
) -> Iterator[DnsRecord]:
    """The policy of each domain, unless one from above rules it already; and the authorisation by an external domain that its reports go to."""
    for domain in unit.domains:
        policy = _policy(unit, domain, choices, judged)
        if policy is None:
            continue
        yield policy
        if not policy.stands_in_files:
            continue
        for host in report_hosts(policy.value):
            permitted = _authorisation(domain, host, setting, judged)
            if permitted is not None:
                yield permitted


def _policy(unit: Unit, domain: str, choices: Choices, judged: Judged | None) -> DnsRecord | None:
    name = f"_dmarc.{domain}"
    reports = f"; rua=mailto:{choices.rua}" if choices.rua else ""
    note = "" if choices.rua else NO_REPORTS
    fresh = DnsRecord(
        name, "TXT", f"v=DMARC1; p=none{reports}", Purpose.DMARC, domain, RecordState.PUBLISH, note
    )
    if judged is None:
        return fresh
    subject = next(subject for subject in unit.subjects if subject.domain == domain)
    findings = judged.of([subject], "dmarc.record")
    standing = dmarc_records(judged.answer(name, "TXT"))
    match together(findings):
        case RecordState.UNKNOWN:
            return replace(fresh, state=RecordState.UNKNOWN, note=unanswered(findings))
        case RecordState.KEPT if standing:
            return replace(fresh, state=RecordState.KEPT, value=standing[0], note="")
        case RecordState.KEPT:
            return None
    if len(standing) > 1:
        why = f"{len(standing)} records stand there and none counts: keep the one that is meant and remove the others"
        return replace(fresh, value="", state=RecordState.BY_HAND, note=why, replaces=tuple(standing))
    return replace(fresh, replaces=tuple(standing))


def _authorisation(domain: str, host: str, setting: Setting, judged: Judged | None) -> DnsRecord | None:
    """None where none is needed, or where a foreign domain has given it."""
    name = report_permission(domain, host)
    right = DnsRecord(name, "TXT", PERMISSION, Purpose.REPORT, domain)
    registered = listed_organisation(host)
    ours_to_publish = registered in setting.organisations and not {host, registered} & setting.brands
    lookup = judged.lookup if judged is not None else _as_published(setting, (host, domain))
    theirs, ours = (organisational_domain(lookup, each) for each in (host, domain))
    if theirs == ours and not isinstance(theirs, Unknown):
        return None
    if judged is not None:
        answer = judged.answer(name, "TXT")
        if any(is_dmarc(text) for text in judged.texts(name)):
            return replace(right, state=RecordState.KEPT) if ours_to_publish else None
        trouble = next((each for each in (answer, theirs, ours) if isinstance(each, Unknown)), None)
        if trouble is not None:
            return replace(right, state=RecordState.UNKNOWN, note=trouble_note(trouble, name))
    if ours_to_publish:
        return right
    told = f"whoever runs {host} publishes {record_text(name, 'TXT', PERMISSION)}; until then receivers send it no reports"
    return replace(right, state=RecordState.BY_HAND, note=told)


def _as_published(setting: Setting, names: Iterable[str]) -> Lookup:
    """What the tree walk will find when every sending domain has its policy, and nothing else stands there."""
    policy = Found(("v=DMARC1; p=none",))
    return Lookup(
        {
            Question(f"_dmarc.{name}", "TXT"): policy if name in setting.domains else NotFound()
            for each in names
            for name in walk(each)
        }
    )
