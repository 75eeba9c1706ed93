"""The DMARC policy record, found by the tree walk of RFC 9989 (no public suffix list)."""

from collections.abc import Mapping

from email_engine.dns_answers import Answer, Found, Unknown
from email_engine.dnsauth.model import Gravity, Lookup, Report, Subject, record_text

MOST_QUERIES = 8
POLICIES = frozenset({"none", "quarantine", "reject"})
REMOVED_TAGS = ("pct", "rf", "ri")


def walk(domain: str) -> tuple[str, ...]:
    """The names a receiver asks, from the domain up to its top-level domain, at most 8 (RFC 9989 section 4.10).

    >>> walk("news.example.com")
    ('news.example.com', 'example.com', 'com')
    """
    labels = domain.rstrip(".").lower().split(".")
    names = [".".join(labels)]
    rest = labels[-7:] if len(labels) > MOST_QUERIES else labels[1:]
    while rest:
        names.append(".".join(rest))
        rest = rest[1:]
    return tuple(names[:MOST_QUERIES])


def is_dmarc(text: str) -> bool:
    """The first tag is exactly `v=DMARC1`, in this case."""
    return text.split(";")[0].replace(" ", "").replace("\t", "") == "v=DMARC1"


def parse_dmarc(text: str) -> dict[str, str]:
    """Known and unknown tags in lower case; the first of duplicates counts."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        tag, equals, value = part.partition("=")
        if equals:
            tags.setdefault(tag.strip().lower(), value.strip())
    return tags


def check_dmarc(lookup: Lookup, subject: Subject) -> Report:
    """A policy that applies to the domain: its own record, else that of its organisational domain."""
    report = Report(subject.domain)
    expected = "a DMARC record with p=none or stricter"
    value = f"v=DMARC1; p=none; rua=mailto:dmarc@{subject.domain}"
    remedy = record_text(f"_dmarc.{subject.domain}", "TXT", value)
    own, *above = walk(subject.domain)
    answer = lookup.ask(f"_dmarc.{own}", "TXT")
    records = _records(answer)
    if isinstance(answer, Unknown):
        report.unknown("dmarc.record", f"{answer.reason} at _dmarc.{own}", expected)
    elif len(records) > 1:
        report.broken(
            "dmarc.record", f"{len(records)} records at _dmarc.{own}: none counts", expected, remedy
        )
    elif records:
        _judge(report, own, records[0], expected, remedy)
    else:
        answers = {name: lookup.ask(f"_dmarc.{name}", "TXT") for name in above}
        unknown = [(name, a.reason) for name, a in answers.items() if isinstance(a, Unknown)]
        found = {name: texts[0] for name, a in answers.items() if len(texts := _records(a)) == 1}
        ruling = organisation(own, found)
        if unknown:
            report.unknown("dmarc.record", f"{unknown[0][1]} at _dmarc.{unknown[0][0]}", expected)
        elif ruling is None:
            report.broken("dmarc.record", "no record up to the top-level domain", expected, remedy)
        else:
            _judge(report, ruling, found[ruling], expected, remedy)
    return report


def organisation(domain: str, found: Mapping[str, str]) -> str | None:
    """The name above `domain` whose record rules it; `found`: name to record, nearest first (RFC 9989 section 4.10).

    psd=n names the organisational domain; below psd=y the next label is it, and without a record of its own the
    public suffix rules; else the record with the fewest labels counts."""
    last = None
    for name, record in found.items():
        psd = parse_dmarc(record).get("psd", "u").lower()
        if psd == "n":
            return name
        if psd == "y":
            one_below = ".".join(domain.split(".")[-(name.count(".") + 2) :])
            return one_below if one_below in found else name
        last = name
    return last


def _records(answer: Answer) -> list[str]:
    return [text for text in answer.records if is_dmarc(text)] if isinstance(answer, Found) else []


def _judge(report: Report, name: str, record: str, expected: str, remedy: str) -> None:
    tags = parse_dmarc(record)
    policy = tags.get("p", "").lower()
    reports_to = [uri for uri in tags.get("rua", "").split(",") if uri.strip().lower().startswith("mailto:")]
    if policy not in POLICIES and not reports_to:
        seen = f"p={tags['p']}" if "p" in tags else "no p="
        report.broken("dmarc.record", f"{seen} at _dmarc.{name} and no rua: no DMARC", expected, remedy)
        return
    report.ok("dmarc.record", f"p={policy if policy in POLICIES else 'none'} at _dmarc.{name}")
    if policy not in POLICIES:
        seen = f"p={tags.get('p', '')} at _dmarc.{name} counts as none"
        report.broken("dmarc.policy", seen, "p=none, quarantine or reject", remedy, Gravity.WARNING)
    if not reports_to:
        report.broken("dmarc.rua", f"no rua at _dmarc.{name}", "an address for reports", remedy, Gravity.INFO)
    old = [tag for tag in REMOVED_TAGS if tag in tags]
    if old:
        change = f"remove {', '.join(old)} from _dmarc.{name}"
        report.broken(
            "dmarc.tags", f"{', '.join(old)} (gone since RFC 9989)", "no removed tags", change, Gravity.INFO
        )
