"""`email-engine dns DOMAIN`: mail DNS of one sending domain, and of an IP that sends for it."""

import argparse

from email_engine.commands.output import add_json, emit
from email_engine.commands.resolver import add_resolver, resolver_of
from email_engine.dnsauth.by_hand import parse_subject, remembering, with_known_name
from email_engine.dnsauth.model import DnsStatus, Gravity
from email_engine.dnsauth.ready import judge_readiness
from email_engine.dnsauth.told import render_json, render_text
from email_engine.dnsauth.validate import examine


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
    ask = remembering(resolver_of(args).resolve_many)
    subject = with_known_name(subject, ask)
    seen = examine(subject, ask)
    ready = judge_readiness(seen.findings)
    emit(args, render_json(subject, seen, ready), render_text(seen.findings, ready))
    wanting = [f for f in seen.findings if f.status is not DnsStatus.OK and f.severity is not Gravity.INFO]
    return 1 if wanting else 0
