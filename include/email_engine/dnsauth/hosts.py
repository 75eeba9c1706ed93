"""Names and addresses: PTR, forward confirmation, HELO, MX, the domain's own address."""

import re
from ipaddress import ip_address

from email_engine.dns_answers import Answer, Found, Unknown
from email_engine.dnsauth.model import Gravity, Lookup, Report, Subject, record_text
from email_engine.fleet.model import IpAddress

_GENERIC_WORDS = re.compile(
    r"(^|[.-])(dynamic|dyn|dhcp|dial|pool|static|dsl|cable|client|customer|unassigned|ppp)([.-]|\d|$)"
)


def looks_generic(name: str, address: IpAddress) -> bool:
    """Does a PTR name look like a provider's default: the IP's numbers, or words such as `dynamic`?"""
    if _GENERIC_WORDS.search(name):
        return True
    if address.version == 6:
        digits = "".join(address.exploded.split(":"))
        return digits[:12] in name.replace("-", "").replace(".", "")
    octets = str(address).split(".")
    numbers = re.findall(r"\d+", name)
    runs = {tuple(numbers[n : n + 3]) for n in range(len(numbers) - 2)}
    return bool({tuple(octets[:3]), tuple(octets[1:]), tuple(octets[:0:-1]), tuple(octets[2::-1])} & runs)


def check_ptr(lookup: Lookup, subject: Subject) -> Report:
    """Exactly one PTR, the hostname, that resolves back to the IP; and HELO (the hostname) resolves to the IP."""
    if subject.address is None:
        return Report(subject.domain)
    address, report = subject.address, Report(str(subject.address))
    expected = f"exactly one PTR, {subject.hostname}"
    remedy = record_text(address.reverse_pointer, "PTR", f"{subject.hostname}.")
    answer = lookup.ask(address.reverse_pointer, "PTR")
    if isinstance(answer, Unknown):
        report.unknown("ptr.record", answer.reason, expected)
    else:
        names = answer.records if isinstance(answer, Found) else ()
        if len(names) != 1:
            seen = f"{len(names)} names: {', '.join(names)}" if names else "no PTR"
            report.broken("ptr.record", seen, expected, remedy)
        elif names[0] != subject.hostname.lower():
            report.broken("ptr.record", names[0], expected, remedy)
        else:
            report.ok("ptr.record", names[0])
        for name in names:
            of_name = Report(name)
            _forward(of_name, lookup, name, address)
            report.findings += of_name.findings
        generic = [name for name in names if looks_generic(name, address)]
        if generic:
            report.broken("ptr.generic", ", ".join(generic), "a name of your own", remedy, Gravity.WARNING)
    _helo(report, lookup, subject, address)
    return report


def _forward(report: Report, lookup: Lookup, name: str, address: IpAddress) -> None:
    answer = lookup.ask(name, _type_of(address))
    expected = f"{name} leads back to {address}"
    if isinstance(answer, Unknown):
        report.unknown("ptr.forward", f"{answer.reason} at {name}", expected)
    elif address not in _addresses(answer):
        remedy = record_text(name, _type_of(address), str(address))
        report.broken("ptr.forward", f"{name} does not lead back to {address}", expected, remedy)
    else:
        report.ok("ptr.forward", expected)


def _helo(report: Report, lookup: Lookup, subject: Subject, address: IpAddress) -> None:
    answer = lookup.ask(subject.hostname, _type_of(address))
    expected = f"{subject.hostname} resolves to {address}"
    if isinstance(answer, Unknown):
        report.unknown("ptr.helo", f"{answer.reason} at {subject.hostname}", expected)
    elif address not in _addresses(answer):
        seen = ", ".join(map(str, _addresses(answer))) or "no address"
        remedy = record_text(subject.hostname, _type_of(address), str(address))
        report.broken("ptr.helo", f"{subject.hostname}: {seen}", expected, remedy)
    else:
        report.ok("ptr.helo", expected)


def check_mx(lookup: Lookup, subject: Subject) -> Report:
    """Bounces and replies must have somewhere to go: MX, not null (RFC 7505), whose hosts have addresses."""
    report = Report(subject.domain)
    target = subject.hostname or f"mx.{subject.domain}"
    remedy = record_text(subject.domain, "MX", f"10 {target}.")
    answer = lookup.ask(subject.domain, "MX")
    if isinstance(answer, Unknown):
        report.unknown("mx.record", answer.reason, "an MX record")
        return report
    records = answer.records if isinstance(answer, Found) else ()
    hosts = [record.partition(" ")[2] for record in records]
    if not hosts:
        report.broken("mx.record", "no MX", "an MX record", remedy)
    elif any(host in ("", ".") for host in hosts):
        report.broken("mx.record", "a null MX: the domain takes no mail", "an MX record with a host", remedy)
    else:
        report.ok("mx.record", ", ".join(records))
        for host in dict.fromkeys(hosts):
            of_host = Report(host)
            _mx_host(of_host, lookup, host, subject, remedy)
            report.findings += of_host.findings
    return report


def _mx_host(report: Report, lookup: Lookup, host: str, subject: Subject, remedy: str) -> None:
    expected = f"{host} is a name with an address and no alias"
    if _is_address(host):
        report.broken("mx.host", f"{host} is an address", expected, remedy)
        return
    alias = lookup.ask(host, "CNAME")
    if isinstance(alias, Found):
        report.broken("mx.host", f"{host} is an alias (RFC 2181 section 10.3)", expected, remedy)
        return
    answers = [lookup.ask(host, "A"), lookup.ask(host, "AAAA")]
    unknown = [answer.reason for answer in (alias, *answers) if isinstance(answer, Unknown)]
    if any(isinstance(answer, Found) for answer in answers):
        report.ok("mx.host", f"{host} has an address")
    elif unknown:
        report.unknown("mx.host", f"{unknown[0]} at {host}", expected)
    else:
        remedy = record_text(host, "A", str(subject.address or "<address of the mail host>"))
        report.broken("mx.host", f"{host} has no address", expected, remedy)


def check_address(lookup: Lookup, subject: Subject) -> Report:
    """The sending domain should have an address of its own: links and some filters ask for it."""
    report = Report(subject.domain)
    answers = [lookup.ask(subject.domain, "A"), lookup.ask(subject.domain, "AAAA")]
    unknown = [answer.reason for answer in answers if isinstance(answer, Unknown)]
    if any(isinstance(answer, Found) for answer in answers):
        report.ok("address.record", "the domain has an address", Gravity.WARNING)
    elif unknown:
        report.unknown("address.record", unknown[0], "an A or AAAA record", Gravity.WARNING)
    else:
        remedy = record_text(subject.domain, "A", str(subject.address or "<address of your web server>"))
        report.broken("address.record", "no address", "an A or AAAA record", remedy, Gravity.WARNING)
    return report


def _type_of(address: IpAddress) -> str:
    return "A" if address.version == 4 else "AAAA"


def _addresses(answer: Answer) -> tuple[IpAddress, ...]:
    return tuple(ip_address(record) for record in answer.records) if isinstance(answer, Found) else ()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
