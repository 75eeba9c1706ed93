"""What a domain may publish beside: MTA-STS (RFC 8461), TLS-RPT (RFC 8460) and BIMI. Never more than information."""

import re

from email_engine.dns_answers import Found, Unknown
from email_engine.dnsauth.model import Gravity, Lookup, Report, Subject, record_text

_STS = re.compile(r"v=STSv1[ \t]*;[ \t]*id=[A-Za-z0-9]{1,32}[ \t]*(;.*)?")
_TLS_RPT = re.compile(
    r"v=TLSRPTv1[ \t]*;[ \t]*rua=(mailto:[^\s,;@]+@[^\s,;]+|https://[^\s,;]+)([ \t]*,.*)?[ \t]*(;.*)?"
)
_BIMI = re.compile(r"v=BIMI1[ \t]*;.*\bl=(https://[^\s;]+\.svgz?)?[ \t]*(;.*)?", re.IGNORECASE)


def check_extras(lookup: Lookup, subject: Subject) -> Report:
    """One finding each; not to publish one of them is as good as to publish it rightly."""
    domain, report = subject.domain, Report(subject.domain)
    tls_rpt = f"v=TLSRPTv1; rua=mailto:tls@{domain}"
    _look(report, lookup, "extras.mta_sts", f"_mta-sts.{domain}", _STS, "v=STSv1; id=1")
    _look(report, lookup, "extras.tls_rpt", f"_smtp._tls.{domain}", _TLS_RPT, tls_rpt)
    _look(report, lookup, "extras.bimi", f"default._bimi.{domain}", _BIMI, "v=BIMI1; l=;")
    return report


def _look(
    report: Report, lookup: Lookup, check_id: str, name: str, form: re.Pattern[str], example: str
) -> None:
    answer = lookup.ask(name, "TXT")
    version = example.partition(";")[0]
    expected = f"one record such as {example}, or none"
    if isinstance(answer, Unknown):
        report.unknown(check_id, answer, name, expected, Gravity.INFO)
        return
    texts = answer.records if isinstance(answer, Found) else ()
    records = [text for text in texts if text.lower().startswith(version.lower())]
    if not records:
        report.ok(check_id, f"not published at {name}; it is optional", Gravity.INFO)
    elif len(records) == 1 and form.fullmatch(records[0]):
        report.ok(check_id, f"published: {records[0]}", Gravity.INFO)
    else:
        seen = f"{len(records)} records" if len(records) > 1 else f"{records[0]!r} cannot be read"
        remedy = f"remove it, or publish one such as {record_text(name, 'TXT', example)}"
        report.broken(check_id, seen, expected, remedy, Gravity.INFO)
