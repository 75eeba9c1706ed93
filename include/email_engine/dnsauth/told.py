"""What is found about one domain, as JSON and as text."""

from dataclasses import asdict
from typing import Any

from email_engine.dnsauth.model import DnsFinding, DnsStatus, Subject
from email_engine.dnsauth.ready import Readiness
from email_engine.dnsauth.validate import GROUPS, Examination, validity


def render_json(subject: Subject, seen: Examination, ready: Readiness) -> dict[str, Any]:
    """`{"domain", "ip", "spf": {"valid", "findings", "record"}, "dkim": {..., "selector"}, "dmarc": {..., "policy"},
    "ptr": {..., "hostname"}, "mx": {..., "records"}, "extras": {"findings"}, "ready": {...}}`; every finding stands once."""
    verdicts = validity(seen.findings)
    groups: dict[str, Any] = {
        group: {"valid": verdicts[group], "findings": [asdict(f) for f in seen.findings if f.group == group]}
        for group in GROUPS
    }
    groups["spf"]["record"] = seen.spf
    groups["dkim"]["selector"] = subject.selector or None
    groups["dmarc"]["policy"] = seen.policy
    groups["ptr"]["hostname"] = subject.hostname or None
    groups["mx"]["records"] = list(seen.mx)
    others = [asdict(f) for f in seen.findings if f.group not in GROUPS]
    return {
        "domain": subject.domain,
        "ip": str(subject.address) if subject.address else None,
        **groups,
        "extras": {"findings": others},
        "ready": asdict(ready),
    }


_VERDICT = {True: "yes", False: "NO", None: "not known"}


def render_text(findings: tuple[DnsFinding, ...], ready: Readiness) -> str:
    """One line a finding, with what to publish below those that are not fine; the readiness last."""
    lines = []
    for finding in findings:
        fine = finding.status is DnsStatus.OK
        mark = "ok" if fine else f"{finding.status.upper()} ({finding.severity})"
        lines.append(f"{mark:18} {finding.check_id:15} {finding.subject}: {finding.observed}")
        if not fine and finding.remedy:
            lines.append(f"{'':18} expected {finding.expected}")
            lines.append(f"{'':18} publish  {finding.remedy}")
    receivers = ", ".join(
        f"{name.capitalize()} {_VERDICT[verdict]}" for name, verdict in ready.receivers.items()
    )
    lines.append(f"{'ready':18} as far as DNS shows: {receivers}")
    if ready.missing:
        lines.append(f"{'':18} missing  {', '.join(ready.missing)}")
    if ready.unknown:
        lines.append(f"{'':18} not known or not asked: {', '.join(ready.unknown)}")
    lines.append(f"{'':18} DNS does not show: {', '.join(ready.not_asked)}")
    return "\n".join(lines)
