"""Names and addresses: PTR, forward confirmation, HELO, the domain's own address."""

from email_engine.dns_answers import Found, Unknown
from email_engine.dnsauth.model import MOST_HOSTS, Gravity, Lookup, Report, Subject, record_text
from email_engine.dnsauth.names import addresses, is_host_name, looks_generic, mail_name, may_lead_to, type_of
from email_engine.fleet.model import IpAddress


def check_ptr(lookup: Lookup, subject: Subject) -> Report:
    """Exactly one PTR, the hostname, that resolves back to the IP; and HELO (the hostname) resolves to the IP."""
    if subject.address is None:
        return Report(subject.domain)
    address, report = subject.address, Report(str(subject.address))
    expected = f"exactly one PTR, {subject.hostname or 'a name of your own that leads back'}"
    answer = lookup.ask(address.reverse_pointer, "PTR")
    names = tuple(sorted(answer.records)) if isinstance(answer, Found) else ()
    if isinstance(answer, Unknown):
        report.unknown("ptr.record", answer, address.reverse_pointer, expected)
    elif len(names) == 1 and subject.hostname.lower() in ("", names[0]) and is_host_name(names[0]):
        report.ok("ptr.record", names[0])
    else:
        seen = f"{len(names)} names: {', '.join(names)}" if len(names) > 1 else "".join(names) or "no PTR"
        report.broken("ptr.record", seen, expected, _ptr_remedy(lookup, subject, address))
    for name in names[:MOST_HOSTS]:
        of_name = Report(name)
        _forward(of_name, lookup, subject, name, address)
        report.findings += of_name.findings
    generic = [name for name in names if looks_generic(name, address)]
    if generic:
        remedy = _ptr_remedy(lookup, subject, address, not_these=generic)
        report.broken("ptr.generic", ", ".join(generic), "a name of your own", remedy, Gravity.WARNING)
    if subject.hostname:
        _helo(report, lookup, subject, address)
    return report


def _ptr_remedy(
    lookup: Lookup, subject: Subject, address: IpAddress, not_these: list[str] | None = None
) -> str:
    """The PTR record, and the address of its name where that is missing; never an address for a name that is in use."""
    name = mail_name(lookup, subject, address)
    if not name or name in (not_these or ()):
        return (
            f"give the IP a host name of its own below {subject.domain} that nothing else uses: an address record of that name, "
            f"{address}, and with whoever routes the IP a PTR record at {address.reverse_pointer}"
        )
    ptr = record_text(address.reverse_pointer, "PTR", f"{name}.")
    if address in addresses(lookup.ask(name, type_of(address))):
        return ptr
    return f"{ptr} and {record_text(name, type_of(address), str(address))}"


def _forward(report: Report, lookup: Lookup, subject: Subject, name: str, address: IpAddress) -> None:
    answer = lookup.ask(name, type_of(address))
    expected = f"{name} leads back to {address}"
    if isinstance(answer, Unknown):
        report.unknown("ptr.forward", answer, name, expected)
    elif address in addresses(answer):
        report.ok("ptr.forward", expected)
    else:
        report.broken(
            "ptr.forward",
            f"{name} does not lead back to {address}",
            expected,
            _address_remedy(lookup, subject, name, address),
        )


def _address_remedy(lookup: Lookup, subject: Subject, name: str, address: IpAddress) -> str:
    if may_lead_to(lookup, subject, name):
        return record_text(name, type_of(address), str(address))
    return f"leave {name} as it is; {_ptr_remedy(lookup, subject, address, not_these=[name])}"


def _helo(report: Report, lookup: Lookup, subject: Subject, address: IpAddress) -> None:
    answer = lookup.ask(subject.hostname, type_of(address))
    expected = f"{subject.hostname} resolves to {address}"
    if isinstance(answer, Unknown):
        report.unknown("ptr.helo", answer, subject.hostname, expected)
    elif address in addresses(answer):
        report.ok("ptr.helo", expected)
    else:
        seen = ", ".join(map(str, addresses(answer))) or "no address"
        remedy = _address_remedy(lookup, subject, subject.hostname, address)
        report.broken("ptr.helo", f"{subject.hostname}: {seen}", expected, remedy)


def check_address(lookup: Lookup, subject: Subject) -> Report:
    """The sending domain may have an address of its own: links and some filters ask for it."""
    report = Report(subject.domain)
    answers = [lookup.ask(subject.domain, "A"), lookup.ask(subject.domain, "AAAA")]
    unknown = [answer for answer in answers if isinstance(answer, Unknown)]
    expected = "an A or AAAA record, if the domain has links"
    if any(isinstance(answer, Found) for answer in answers):
        report.ok("address.record", "the domain has an address", Gravity.INFO)
    elif unknown:
        report.unknown("address.record", unknown[0], subject.domain, expected, Gravity.INFO)
    else:
        remedy = (
            f"if the domain has links: the address of the server behind them, as A record at {subject.domain}"
        )
        report.broken("address.record", "no address", expected, remedy, Gravity.INFO)
    return report
