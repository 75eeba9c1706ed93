"""`email-engine dns DOMAIN`: mail DNS of one sending domain, and of an IP that sends for it."""

import argparse
from dataclasses import asdict
from ipaddress import ip_address

from email_engine.adapters.dns_resolver import Resolver
from email_engine.adapters.nameservers import parse_nameserver
from email_engine.commands.output import add_json, emit
from email_engine.commands.sweep import add_resolver
from email_engine.dns_answers import Found, Question
from email_engine.dnsauth.model import DnsFinding, DnsStatus, Gravity, Subject
from email_engine.dnsauth.validate import validate, validity
from email_engine.errors import InputError
from email_engine.fleet.model import IpAddress


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
    resolver = Resolver(
        [parse_nameserver(args.resolver, "--resolver")], timeout=args.timeout, tries=args.tries
    )
    address = _address(args.ip) if args.ip else None
    helo = args.helo or (_name_of(resolver, address) if address else "")
    subject = Subject(_domain(args.domain), address, helo or _domain(args.domain), args.selector or "")
    findings = validate([subject], resolver.resolve_many)[subject]
    verdicts = {group: verdict for group, verdict in validity(findings).items() if verdict is not None}
    emit(
        args,
        {
            "domain": subject.domain,
            "ip": args.ip,
            "valid": verdicts,
            "findings": [asdict(f) for f in findings],
        },
        _render(findings),
    )
    return 1 if any(f.status is not DnsStatus.OK and f.severity is not Gravity.INFO for f in findings) else 0


def _address(text: str) -> IpAddress:
    try:
        return ip_address(text)
    except ValueError:
        raise InputError("--ip", repr(text), "an IP address", "correct it") from None


def _domain(text: str) -> str:
    name = text.rstrip(".").lower()
    if "." not in name or not name.replace(".", "").replace("-", "").replace("_", "").isalnum():
        raise InputError("DOMAIN", repr(text), "a domain name such as news.example.com", "correct it")
    return name


def _name_of(resolver: Resolver, address: IpAddress) -> str:
    question = Question(address.reverse_pointer, "PTR")
    answer = resolver.resolve_many([question])[question]
    return answer.records[0] if isinstance(answer, Found) else ""


def _render(findings: tuple[DnsFinding, ...]) -> str:
    lines = []
    for finding in findings:
        fine = finding.status is DnsStatus.OK
        mark = "ok" if fine else f"{finding.status.upper()} ({finding.severity})"
        lines.append(f"{mark:18} {finding.check_id:15} {finding.subject}: {finding.observed}")
        if not fine and finding.remedy:
            lines.append(f"{'':18} expected {finding.expected}")
            lines.append(f"{'':18} publish  {finding.remedy}")
    return "\n".join(lines)
