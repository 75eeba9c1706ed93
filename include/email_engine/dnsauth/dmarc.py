"""The DMARC policy record, found by the tree walk of RFC 9989; what older receivers find; and where its reports go."""

import re

from email_engine.dns_answers import Absence, Found, NotFound, Unknown
from email_engine.dnsauth.model import MOST_HOSTS, Gravity, Lookup, Report, Subject, record_text
from email_engine.dnsauth.names import is_ours
from email_engine.dnsauth.organisation import (
    ask_walk,
    dmarc_records,
    is_dmarc,
    listed_organisation,
    organisation,
    organisational_domain,
    parse_dmarc,
    walk,
)

POLICIES = frozenset({"none", "quarantine", "reject"})
REMOVED_TAGS = ("pct", "rf", "ri")
PERMISSION = "v=DMARC1;"
EXPECTED = "a DMARC record with p=none or stricter"
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s,;!]+(![0-9]+[kmgt]?)?")
_MAILTO = re.compile(
    r"mailto:[^\s@,;!]+@([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\.?(?:[?!].*)?", re.IGNORECASE
)


def check_dmarc(lookup: Lookup, subject: Subject) -> Report:
    """A policy that applies to the domain: its own record, else that of its organisational domain, else of its public suffix."""
    report = Report(subject.domain)
    own = subject.domain
    answer = lookup.ask(f"_dmarc.{own}", "TXT")
    records = dmarc_records(answer)
    if isinstance(answer, Unknown):
        report.unknown("dmarc.record", answer, f"_dmarc.{own}", EXPECTED)
    elif len(records) > 1:
        seen = f"{len(records)} records at _dmarc.{own}: none counts"
        remedy = f"keep one record and remove the others: {_remedy(own)}"
        report.broken("dmarc.record", seen, EXPECTED, remedy)
    elif records:
        _judge(report, lookup, subject, own, records[0])
    else:
        _judge_above(report, lookup, subject)
    return report


def policy_in_force(lookup: Lookup, domain: str) -> str | None:
    """none, quarantine or reject, as receivers apply it to the domain; None without a record, or where it is not known."""
    own = dmarc_records(lookup.ask(f"_dmarc.{domain}", "TXT"))
    if own:
        return policy_of(own[0], below=False, exists=True) if len(own) == 1 else None
    walked = ask_walk(lookup, walk(domain))
    ruling = organisation(domain, walked.records)
    if ruling is None or walked.trouble is not None:
        return None
    return policy_of(walked.records[ruling], below=True, exists=_exists(lookup, domain))


def _judge_above(report: Report, lookup: Lookup, subject: Subject) -> None:
    walked = ask_walk(lookup, walk(subject.domain)[1:])
    ruling = organisation(subject.domain, walked.records)
    if walked.trouble is not None:
        name, trouble = walked.trouble
        report.unknown("dmarc.record", trouble, f"_dmarc.{name}", EXPECTED)
    elif ruling is None:
        seen = f"no record up to the top-level domain{_near_miss(lookup, subject.domain)}"
        report.broken("dmarc.record", seen, EXPECTED, _remedy(subject.domain))
    else:
        _judge(report, lookup, subject, ruling, walked.records[ruling])


def _near_miss(lookup: Lookup, domain: str) -> str:
    """What somebody may have taken for the record: a text that is none, or one in the wrong place."""
    answer = lookup.ask(f"_dmarc.{domain}", "TXT")
    if isinstance(answer, Found):
        text = next((t for t in answer.records if "dmarc" in t.lower()), answer.records[0])
        return f"; {text[:80]!r} at _dmarc.{domain} is none: it must begin with 'v=DMARC1;'"
    apex = lookup.ask(domain, "TXT")
    if isinstance(apex, Found) and any(is_dmarc(text) for text in apex.records):
        return f"; one stands at {domain} itself, where nobody looks"
    return ""


def _remedy(domain: str) -> str:
    return record_text(f"_dmarc.{domain}", "TXT", f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}")


def policy_of(record: str, *, below: bool, exists: bool) -> str | None:
    """none, quarantine or reject, as RFC 9989 section 4.10.1 rules; None where the record is none at all.

    `below`: the record is that of a domain above; `exists`: the domain itself has a name in DNS. An invalid p, sp or np makes the
    record p=none where it has an address for reports, and no record where it has not."""
    tags = {tag: value.lower() for tag, value in parse_dmarc(record).items()}
    valid = tags.get("p") in POLICIES and all(tags[t] in POLICIES for t in ("sp", "np") if t in tags)
    if not valid:
        return "none" if report_addresses(record) else None
    if not below:
        return tags["p"]
    inherited = tags.get("sp", tags["p"])
    return inherited if exists else tags.get("np", inherited)


def report_addresses(record: str) -> tuple[str, ...]:
    """The URIs of rua that can be read."""
    written = (uri.strip() for uri in parse_dmarc(record).get("rua", "").split(","))
    return tuple(
        uri for uri in written if _URI.fullmatch(uri) and (not _is_mailto(uri) or _MAILTO.fullmatch(uri))
    )


def report_hosts(record: str) -> tuple[str, ...]:
    """The domains of the mail addresses of rua, each once, in lower case."""
    found = (_MAILTO.fullmatch(uri) for uri in report_addresses(record))
    return tuple(dict.fromkeys(match.group(1).lower() for match in found if match))[:MOST_HOSTS]


def report_permission(name: str, host: str) -> str:
    """Where `host` says by a TXT record `v=DMARC1;` that it takes reports about `name` (RFC 9990 section 4)."""
    return f"{name}._report._dmarc.{host}"


def _is_mailto(uri: str) -> bool:
    return uri.lower().startswith("mailto:")


def _judge(report: Report, lookup: Lookup, subject: Subject, name: str, record: str) -> None:
    below = name != subject.domain
    policy = policy_of(record, below=below, exists=_exists(lookup, subject.domain))
    faults = _faults(record)
    if policy is None:
        seen = f"{', '.join(faults)} at _dmarc.{name} and no rua: no DMARC"
        report.broken("dmarc.record", seen, EXPECTED, _remedy(name))
        return
    report.ok("dmarc.record", f"p={policy} at _dmarc.{name}")
    if faults:
        seen = f"{', '.join(faults)} at _dmarc.{name}: counts as p=none"
        report.broken(
            "dmarc.policy",
            seen,
            "p, sp and np none, quarantine or reject",
            _corrected(name, record),
            Gravity.WARNING,
        )
    if is_ours(subject, name):
        _judge_reports(report, lookup, name, record)
        _judge_tags(report, name, record)
    _judge_alignment(report, lookup, subject, record)
    _judge_older(report, lookup, subject, policy)


def _exists(lookup: Lookup, domain: str) -> bool:
    """A domain whose name is not in DNS at all (RFC 8020); without an answer it is taken as existing: mail is sent for it."""
    answer = lookup.ask(domain, "A")
    return not (isinstance(answer, NotFound) and answer.absence is Absence.NXDOMAIN)


def _faults(record: str) -> list[str]:
    tags = parse_dmarc(record)
    wrong = [
        f"{tag}={tags[tag]}" for tag in ("p", "sp", "np") if tag in tags and tags[tag].lower() not in POLICIES
    ]
    return wrong if "p" in tags else ["no p=", *wrong]


def _corrected(name: str, record: str) -> str:
    """The record with p=none where p cannot be read, and without an sp or np that cannot."""
    tags = {t: v for t, v in parse_dmarc(record).items() if t not in ("v", *REMOVED_TAGS)}
    tags = {t: v for t, v in tags.items() if t not in ("p", "sp", "np") or v.lower() in POLICIES}
    tags = {"p": "none"} | tags
    value = "; ".join(["v=DMARC1", *(f"{tag}={text}" for tag, text in tags.items())])
    return record_text(f"_dmarc.{name}", "TXT", value)


def _judge_reports(report: Report, lookup: Lookup, name: str, record: str) -> None:
    uris = report_addresses(record)
    if not uris:
        written = parse_dmarc(record).get("rua")
        seen = f"rua={written[:80]} at _dmarc.{name} is no address" if written else f"no rua at _dmarc.{name}"
        remedy = _corrected(name, f"{_without(record, 'rua')}; rua=mailto:dmarc@{name}")
        report.broken("dmarc.rua", seen, "an address for reports", remedy, Gravity.INFO)
        return
    for host in report_hosts(record):
        _judge_external(report, lookup, name, host)


def _without(record: str, tag: str) -> str:
    return ";".join(part for part in record.split(";") if part.partition("=")[0].strip().lower() != tag)


def _judge_external(report: Report, lookup: Lookup, name: str, host: str) -> None:
    """Reports leave the organisation only to where they are welcome (RFC 9990 section 4)."""
    theirs = organisational_domain(lookup, host)
    ours = organisational_domain(lookup, name)
    place = report_permission(name, host)
    expected = f"a TXT record v=DMARC1 at {place}"
    if theirs == ours and not isinstance(theirs, Unknown):
        return
    answer = lookup.ask(place, "TXT")
    if any(is_dmarc(text) for text in (answer.records if isinstance(answer, Found) else ())):
        report.ok("dmarc.report", f"{host} takes reports about {name}", Gravity.WARNING)
    elif trouble := next((a for a in (answer, theirs, ours) if isinstance(a, Unknown)), None):
        report.unknown("dmarc.report", trouble, place, expected, Gravity.WARNING)
    else:
        seen = f"{host} does not say that it takes reports about {name}: receivers send none there"
        remedy = f"whoever runs {host} publishes: {record_text(place, 'TXT', PERMISSION)}"
        report.broken("dmarc.report", seen, expected, remedy, Gravity.WARNING)


def _judge_tags(report: Report, name: str, record: str) -> None:
    tags = parse_dmarc(record)
    old = [tag for tag in REMOVED_TAGS if tag in tags]
    if old:
        seen = f"{', '.join(old)} (gone since RFC 9989)"
        report.broken("dmarc.tags", seen, "no removed tags", _corrected(name, record), Gravity.INFO)
    if tags.get("t", "").lower() == "y":
        seen = f"t=y at _dmarc.{name}: receivers act one step milder than the policy says"
        remedy = f"when the test is over: {_corrected(name, _without(record, 't'))}"
        report.broken("dmarc.testing", seen, "no test flag once the policy is meant", remedy, Gravity.INFO)


def _judge_alignment(report: Report, lookup: Lookup, subject: Subject, record: str) -> None:
    """Which From domains align with a MAIL FROM and a d= at the domain (RFC 9989 section 4.4)."""
    tags = parse_dmarc(record)
    strict = [tag for tag in ("adkim", "aspf") if tags.get(tag, "r").lower() == "s"]
    organisation_of = organisational_domain(lookup, subject.domain)
    if len(strict) == 2:
        report.ok("dmarc.alignment", f"only From at {subject.domain} itself (adkim=s, aspf=s)", Gravity.INFO)
    elif isinstance(organisation_of, Unknown):
        expected = "the organisational domain"
        report.unknown("dmarc.alignment", organisation_of, subject.domain, expected, Gravity.INFO)
    else:
        how = f"; exactly equal for {strict[0]}=s" if strict else ""
        report.ok("dmarc.alignment", f"From at {organisation_of} and all below it{how}", Gravity.INFO)


def _judge_older(report: Report, lookup: Lookup, subject: Subject, policy: str) -> None:
    """Receivers before RFC 9989 look at the domain and at what the public suffix list names, know no np and no walk."""
    expected = f"p={policy} for them as well"
    listed = listed_organisation(subject.domain)
    for name in dict.fromkeys((subject.domain, listed)):
        answer = lookup.ask(f"_dmarc.{name}", "TXT")
        if isinstance(answer, Unknown):
            report.unknown("dmarc.older", answer, f"_dmarc.{name}", expected, Gravity.INFO)
            return
        records = dmarc_records(answer)
        if len(records) == 1:
            older = policy_of(records[0], below=name != subject.domain, exists=True) or "no DMARC"
            seen = f"receivers before RFC 9989 take p={older} from _dmarc.{name}"
            break
    else:
        older, seen = "", f"receivers before RFC 9989 find no record at {subject.domain} and {listed}"
    if older == policy:
        report.ok("dmarc.older", seen, Gravity.INFO)
    else:
        value = f"v=DMARC1; p={policy}; rua=mailto:dmarc@{subject.domain}"
        remedy = f"a record of its own is the same for both: {record_text(f'_dmarc.{subject.domain}', 'TXT', value)}"
        report.broken("dmarc.older", seen, expected, remedy, Gravity.WARNING)
