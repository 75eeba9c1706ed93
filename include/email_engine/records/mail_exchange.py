"""MX: where late bounces and complaint reports come. Never a null MX: a domain that sends gets bounces."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from email_engine.dns_answers import Found, Unknown
from email_engine.dnsauth.model import DnsStatus, Gravity, Lookup, Subject
from email_engine.dnsauth.mx import check_mx, mx_records
from email_engine.dnsauth.organisation import listed_organisation
from email_engine.records.judged import Judged, unanswered
from email_engine.records.model import Choices, DnsRecord, Purpose, RecordState
from email_engine.records.units import Setting, Unit


def mx_records_of(
    unit: Unit, setting: Setting, choices: Choices, judged: Judged | None
) -> Iterator[DnsRecord]:
    """Of each sending domain, and of the domains of `bounce_addresses` and `complaint_addresses`.

    The host is one whose own listener takes that domain's mail on port 25, as the fleet file says, else one that the operator
    named; else it is to be decided."""
    for domain in (*unit.domains, *unit.report_domains):
        if domain in setting.brands:
            continue
        hosts, note = _hosts(domain, unit, setting, choices)
        wanted = [
            DnsRecord(
                domain, "MX", f"{preference} {host}", Purpose.MX, domain, note=_address_note(host, setting)
            )
            for preference, host in hosts
        ] or [DnsRecord(domain, "MX", "", Purpose.MX, domain, RecordState.UNDECIDED, note)]
        if judged is None:
            yield from wanted
        else:
            for record in _judged(domain, wanted, judged.lookup, setting):
                yield _never_to_an_alias(record, judged.lookup)


def _address_note(host: str, setting: Setting) -> str:
    """Of a host in the fleet's own zones that is none of its host names."""
    ours = listed_organisation(host) in setting.organisations
    return (
        f"{host} needs an address record, which the fleet file does not know"
        if ours and host not in setting.hostnames
        else ""
    )


def _hosts(domain: str, unit: Unit, setting: Setting, choices: Choices) -> tuple[list[tuple[int, str]], str]:
    """Preference and name of each, and why there is none."""
    report = setting.reports.get(domain)
    if report is not None and report.hosts:
        return [(10, host) for host in report.hosts], ""
    if choices.mx:
        return [(10 * number, host) for number, host in enumerate(choices.mx, 1)], ""
    named = ", ".join(report.mta_hosts if report else unit.mta_hosts)
    if report is not None:
        return (
            [],
            f"{named} reads what comes to it, and no listener of it on port 25 has an address of the fleet: name the host that takes it (--mx, in the form Bounce host)",
        )
    read = [address for host in unit.mta_hosts for address in setting.reads.get(host, ())]
    seen = f"{named} reads {', '.join(read)} alone" if read else f"no bounce_addresses are known of {named}"
    return [], f"{seen}: name the host that takes bounces of this domain (--mx, in the form Bounce host)"


def _judged(domain: str, wanted: list[DnsRecord], lookup: Lookup, setting: Setting) -> Iterator[DnsRecord]:
    findings = [
        finding
        for finding in check_mx(lookup, Subject(domain, None)).findings
        if finding.group == "mx" and finding.severity is Gravity.ERROR
    ]
    statuses = {finding.status for finding in findings}
    answer = lookup.ask(domain, "MX")
    standing = mx_records(answer)
    if DnsStatus.BROKEN in statuses:
        ours = [value for value in standing if value.partition(" ")[2] in setting.hostnames]
        if ours and not wanted[0].value:  # right, and waits for the address of its host
            wanted = [replace(wanted[0], value=value, note="", state=RecordState.PUBLISH) for value in ours]
        broken = f"in DNS now: {next(finding.observed for finding in findings if finding.status is DnsStatus.BROKEN)}"
        for record in wanted:
            note = f"{broken}; {record.note}" if record.note else broken
            gone = tuple(value for value in standing if value != record.value)
            state = _standing_state(record, standing, setting, lookup)
            yield replace(record, note=note, replaces=gone, state=state)
    elif DnsStatus.UNKNOWN in statuses or isinstance(answer, Unknown):
        for record in wanted:
            yield replace(record, state=RecordState.UNKNOWN, note=unanswered(findings))
    elif standing:
        for value in standing:
            yield DnsRecord(domain, "MX", value, Purpose.MX, domain, RecordState.KEPT)
    else:
        yield from _implicit(domain, wanted)


def _standing_state(
    record: DnsRecord, standing: Sequence[str], setting: Setting, lookup: Lookup
) -> RecordState:
    """A right MX whose host has no address yet: that is another record of the fleet; what else is wrong with the host is a matter for
    a person."""
    null = any(not value.partition(" ")[2] for value in standing)
    if record.value not in standing or null:
        return record.state
    host = record.value.partition(" ")[2]
    waits = host in setting.hostnames and not isinstance(lookup.ask(host, "CNAME"), Found)
    return RecordState.KEPT if waits else RecordState.BY_HAND


def _never_to_an_alias(record: DnsRecord, lookup: Lookup) -> DnsRecord:
    host = record.value.partition(" ")[2]
    if record.state is not RecordState.PUBLISH or not isinstance(lookup.ask(host, "CNAME"), Found):
        return record
    note = f"{host} is an alias, and an MX record must not lead to one (RFC 2181 section 10.3): give it its own address, or name another host"
    return replace(record, state=RecordState.BY_HAND, note=note)


def _implicit(domain: str, wanted: list[DnsRecord]) -> Iterator[DnsRecord]:
    """No MX, but an address of the domain's own, which takes its mail (RFC 5321 section 5.1): as good as dnsauth says, and no record to keep."""
    for record in wanted:
        if record.value:
            yield replace(record, note="mail goes to the domain's own address until then", state=record.state)
