"""`email-engine dns DOMAIN`: mail DNS of one sending domain, and of an IP that sends for it."""

import argparse
from dataclasses import asdict
from typing import Any

from email_engine.adapters.dns_resolver import Resolver, parse_nameserver
from email_engine.commands.output import add_json, emit
from email_engine.commands.sweep import add_resolver
from email_engine.dnsauth.by_hand import parse_subject, with_known_name
from email_engine.dnsauth.model import DnsFinding, DnsStatus, Gravity, Subject
from email_engine.dnsauth.ready import Readiness, judge_readiness
from email_engine.dnsauth.validate import GROUPS, Examination, examine, validity


def configure(parser: argparse.ArgumentParser) -> None:
    """DOMAIN, --ip, --helo, --selector and the resolver."""
    parser.add_argument("domain", metavar="DOMAIN", help="MAIL FROM and DKIM domain")
    parser.add_argument("--ip", help="a sending IP: SPF is evaluated for it, and PTR and HELO are checked")
    parser.add_argument("--helo", metavar="NAME", help="HELO name; default: what the IP's PTR says")
    parser.add_argument("--selector", help="DKIM selector; without it DKIM is not checked")
    add_resolver(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Exit 1 if an error or a warning stands, or an answer is missing."""
    subject = parse_subject(args.domain, args.ip, args.helo, args.selector)
    resolver = Resolver(
        [parse_nameserver(args.resolver, "--resolver")], timeout=args.timeout, tries=args.tries
    )
    subject = with_known_name(subject, resolver.resolve_many)
    seen = examine(subject, resolver.resolve_many)
    ready = judge_readiness(seen.findings)
    emit(args, as_json(subject, seen, ready), render(seen.findings, ready))
    wanting = [f for f in seen.findings if f.status is not DnsStatus.OK and f.severity is not Gravity.INFO]
    return 1 if wanting else 0


def as_json(subject: Subject, seen: Examination, ready: Readiness) -> dict[str, Any]:
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


def render(findings: tuple[DnsFinding, ...], ready: Readiness) -> str:
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
