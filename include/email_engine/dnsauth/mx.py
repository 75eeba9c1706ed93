"""Where bounces and replies go: MX, the implicit MX, and the null MX that wants none."""

from ipaddress import ip_address

from email_engine.dns_answers import Answer, Found, Unknown
from email_engine.dnsauth.model import MOST_HOSTS, Gravity, Lookup, Report, Subject, record_text
from email_engine.dnsauth.names import addresses, mail_name, reachable, type_of


def check_mx(lookup: Lookup, subject: Subject) -> Report:
    """Bounces and replies must have somewhere to go: an MX that is not null (RFC 7505) with a host that has an address, or at
    least the domain's own address (RFC 5321 section 5.1)."""
    report = Report(subject.domain)
    answer = lookup.ask(subject.domain, "MX")
    if isinstance(answer, Unknown):
        report.unknown("mx.record", answer, subject.domain, "an MX record")
        return report
    records = mx_records(answer)
    hosts = [record.partition(" ")[2].rstrip(".") for record in records]
    if not hosts:
        _implicit(report, lookup, subject)
    elif not all(hosts):
        seen = "a null MX: the domain takes no mail, so bounces are lost"
        report.broken("mx.record", seen, "an MX record with a host", _remedy(lookup, subject))
    else:
        report.ok("mx.record", ", ".join(records))
        _judge_hosts(report, lookup, subject, tuple(dict.fromkeys(hosts)))
    return report


def mx_records(answer: Answer) -> tuple[str, ...]:
    """`preference host` each, the preferred first: servers turn their order with every answer."""
    records = answer.records if isinstance(answer, Found) else ()
    return tuple(sorted(records, key=lambda record: (int(record.partition(" ")[0]), record)))


def _implicit(report: Report, lookup: Lookup, subject: Subject) -> None:
    answers = [lookup.ask(subject.domain, rdtype) for rdtype in ("A", "AAAA")]
    own = [str(address) for answer in answers for address in addresses(answer)]
    unknown = [answer for answer in answers if isinstance(answer, Unknown)]
    if own:
        report.ok("mx.record", f"no MX; mail goes to the domain's own address {', '.join(own)}")
        seen = "no MX: whatever answers at the domain's address must take mail"
        expected = "an MX record"
        report.broken("mx.implicit", seen, expected, _remedy(lookup, subject), Gravity.WARNING)
    elif unknown:
        report.unknown("mx.record", unknown[0], subject.domain, "an MX record or an address")
    else:
        report.broken("mx.record", "no MX and no address", "an MX record", _remedy(lookup, subject))


def _remedy(lookup: Lookup, subject: Subject) -> str:
    """An MX record to a host that leads to the sending IP, with its address where that is missing."""
    if subject.address is None:
        return f"an MX record at {subject.domain} to a host that takes bounces; with --ip it is written out"
    name = mail_name(lookup, subject, subject.address)
    if not name:
        return f"an MX record at {subject.domain} to a host of its own that takes bounces"
    mx = record_text(subject.domain, "MX", f"10 {name}.")
    if subject.address in addresses(lookup.ask(name, type_of(subject.address))):
        return mx
    return f"{mx} and {record_text(name, type_of(subject.address), str(subject.address))}"


def _judge_hosts(report: Report, lookup: Lookup, subject: Subject, hosts: tuple[str, ...]) -> None:
    """One host that takes mail is enough; then the others are only worth a warning."""
    seen = {host: _look_at(lookup, host) for host in hosts[:MOST_HOSTS]}
    good = any(fault == "" for fault in seen.values())
    gravity = Gravity.WARNING if good else Gravity.ERROR
    for host, fault in seen.items():
        of_host = Report(host)
        expected = f"{host} is a name with an address and no alias"
        if fault == "":
            of_host.ok("mx.host", f"{host} has an address")
        elif isinstance(fault, Unknown):
            of_host.unknown("mx.host", fault, host, expected, gravity)
        elif good:
            of_host.broken("mx.host", fault, expected, f"remove the MX record to {host}", gravity)
        else:
            of_host.broken("mx.host", fault, expected, _remedy(lookup, subject), gravity)
        report.findings += of_host.findings


def _look_at(lookup: Lookup, host: str) -> str | Unknown:
    """What is wrong with an MX host; "" if nothing is."""
    if _is_address(host):
        return f"{host} is an address"
    alias = lookup.ask(host, "CNAME")
    answers = [lookup.ask(host, "A"), lookup.ask(host, "AAAA")]
    if isinstance(alias, Found):
        return f"{host} is an alias (RFC 2181 section 10.3)"
    found = [address for answer in answers for address in addresses(answer)]
    if any(reachable(address) for address in found):
        return ""
    unknown = [answer for answer in (alias, *answers) if isinstance(answer, Unknown)]
    if unknown:
        return unknown[0]
    return (
        f"{host} has no address"
        if not found
        else f"{host} has no address that others reach: {', '.join(map(str, found))}"
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
