"""PTR, forward confirmation, HELO, MX, the domain's address; and the verdicts of all checks together."""

from ipaddress import ip_address

import pytest

from email_engine.dns_answers import Unknown
from email_engine.dnsauth.model import DnsFinding, DnsStatus, Gravity, Subject, record_text
from email_engine.dnsauth.names import looks_generic
from email_engine.dnsauth.validate import validate, validity
from tests.dns_zone import DOMAIN, HOST, IP, SUBJECT, Zone, good_records

PTR = IP.reverse_pointer
TIMEOUT = Unknown("timeout")


@pytest.mark.parametrize(
    ("records", "check_id", "status", "remedy"),
    [
        ({}, "ptr.record", DnsStatus.OK, ""),
        ({}, "ptr.forward", DnsStatus.OK, ""),
        ({}, "ptr.helo", DnsStatus.OK, ""),
        ({}, "mx.host", DnsStatus.OK, ""),
        ({(PTR, "PTR"): []}, "ptr.record", DnsStatus.BROKEN, f"7.100.51.198.in-addr.arpa. PTR {HOST}."),
        ({(PTR, "PTR"): TIMEOUT}, "ptr.record", DnsStatus.UNKNOWN, "nothing yet"),
        ({(PTR, "PTR"): [HOST, "other.example"]}, "ptr.record", DnsStatus.BROKEN, "PTR mail7"),
        ({(PTR, "PTR"): ["other.example"]}, "ptr.record", DnsStatus.BROKEN, "PTR mail7"),
        ({(PTR, "PTR"): ["other.example"]}, "ptr.forward", DnsStatus.BROKEN, "leave other.example as it is"),
        (
            {(PTR, "PTR"): ["ip-198-51-100-7.static.hoster.example"]},
            "ptr.generic",
            DnsStatus.BROKEN,
            "PTR mail7",
        ),
        ({(HOST, "A"): ["192.0.2.1"]}, "ptr.forward", DnsStatus.BROKEN, f"{HOST}. A 198.51.100.7"),
        ({(HOST, "A"): ["192.0.2.1"]}, "ptr.helo", DnsStatus.BROKEN, f"{HOST}. A 198.51.100.7"),
        ({(HOST, "A"): []}, "ptr.helo", DnsStatus.BROKEN, f"{HOST}. A 198.51.100.7"),
        ({(HOST, "A"): TIMEOUT}, "ptr.helo", DnsStatus.UNKNOWN, "nothing yet"),
        ({(HOST, "A"): ["192.0.2.1", str(IP)]}, "ptr.helo", DnsStatus.OK, ""),
        ({(DOMAIN, "MX"): []}, "mx.record", DnsStatus.OK, ""),
        ({(DOMAIN, "MX"): []}, "mx.implicit", DnsStatus.BROKEN, f"{DOMAIN}. MX 10 {HOST}."),
        ({(DOMAIN, "MX"): [], (DOMAIN, "A"): []}, "mx.record", DnsStatus.BROKEN, f"{DOMAIN}. MX 10 {HOST}."),
        ({(DOMAIN, "MX"): [], (DOMAIN, "A"): TIMEOUT}, "mx.record", DnsStatus.UNKNOWN, "nothing yet"),
        ({(DOMAIN, "MX"): ["0 ."]}, "mx.record", DnsStatus.BROKEN, f"{DOMAIN}. MX 10 {HOST}."),
        ({(DOMAIN, "MX"): ["0 "]}, "mx.record", DnsStatus.BROKEN, f"{DOMAIN}. MX 10 {HOST}."),
        ({(DOMAIN, "MX"): TIMEOUT}, "mx.record", DnsStatus.UNKNOWN, "nothing yet"),
        ({(DOMAIN, "MX"): ["10 198.51.100.7"]}, "mx.host", DnsStatus.BROKEN, "MX 10"),
        ({(DOMAIN, "MX"): ["10 gone.example"]}, "mx.host", DnsStatus.BROKEN, f"{DOMAIN}. MX 10 {HOST}."),
        (
            {("alias.example", "CNAME"): [HOST], (DOMAIN, "MX"): ["10 alias.example"]},
            "mx.host",
            DnsStatus.BROKEN,
            "MX 10",
        ),
        ({(HOST, "A"): TIMEOUT}, "mx.host", DnsStatus.UNKNOWN, "nothing yet"),
        ({(DOMAIN, "A"): []}, "address.record", DnsStatus.BROKEN, "the server behind them"),
        ({(DOMAIN, "A"): TIMEOUT}, "address.record", DnsStatus.UNKNOWN, "nothing yet"),
    ],
)
def test_what_is_found_comes_with_the_record_to_publish(
    records: dict[tuple[str, str], list[str] | Unknown], check_id: str, status: DnsStatus, remedy: str
) -> None:
    finding = Zone(good_records() | records).findings()[check_id]
    assert finding.status is status
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    ("name", "generic"),
    [
        ("mail7.aurora-mail.example", False),
        ("ip-198-51-100-7.hoster.example", True),
        ("7.100.51.198.rev.hoster.example", True),
        ("h51-100-7.hoster.example", True),
        ("dynamic-7.hoster.example", True),
        ("pool7.hoster.example", True),
        ("mta.liverpool.example", False),
        ("mta1.customer.brand.example", False),
        ("static.brand.example", False),
        ("static-77.isp.example", True),
        ("77.static.isp.example", True),
        ("dynamic.isp.example", True),
        ("host77-adsl.isp.example", True),
        ("pool1-mta3.brand.example", False),
        ("ns3124567.ip-198-51-100.eu", True),
        ("vps-1a2b3c4d.vps.ovh.net", True),
        ("ec2-198-51-100-7.compute-1.amazonaws.com", True),
        ("198-051-100-007.isp.example", True),
        ("100-51-198.isp.example", True),
        ("dhcp.example", False),
        ("mx100.aurora-mail.example", False),
    ],
)
def test_a_providers_default_name_is_known(name: str, generic: bool) -> None:
    assert looks_generic(name, IP) is generic


def test_ipv6_default_names_are_known() -> None:
    address = ip_address("2001:db8:1:2::25")
    assert looks_generic("2001-0db8-0001-0002.hoster.example", address)
    assert not looks_generic("mail.aurora-mail.example", address)


def test_questions_of_all_subjects_travel_together_and_only_once() -> None:
    zone = Zone(good_records())
    others = [
        Subject(
            f"news{n}.aurora-mail.example",
            ip_address(f"198.51.100.{n}"),
            f"mail{n}.aurora-mail.example",
            "s1",
        )
        for n in range(10, 30)
    ]
    found = validate([SUBJECT, *others], zone.resolve_many)
    assert len(found) == 21
    assert len(zone.asked) == len(set(zone.asked))
    assert zone.rounds <= 4


def test_a_silent_resolver_makes_everything_unknown_and_nothing_broken() -> None:
    findings = validate([SUBJECT], lambda questions: dict.fromkeys(questions, TIMEOUT))[SUBJECT]
    assert {finding.status for finding in findings} == {DnsStatus.UNKNOWN}
    assert set(validity(findings).values()) == {None}


def finding(check_id: str, status: DnsStatus, severity: Gravity = Gravity.ERROR) -> DnsFinding:
    return DnsFinding(check_id, "x", status, severity, "", "", "")


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([finding("spf.record", DnsStatus.OK)], True),
        ([finding("spf.record", DnsStatus.OK), finding("spf.helo", DnsStatus.BROKEN, Gravity.WARNING)], True),
        ([finding("spf.record", DnsStatus.OK), finding("spf.result", DnsStatus.UNKNOWN)], None),
        ([finding("spf.record", DnsStatus.UNKNOWN), finding("spf.all", DnsStatus.BROKEN)], False),
        ([finding("ptr.record", DnsStatus.BROKEN)], None),
        ([], None),
    ],
    ids=["good", "warning only", "partly unknown", "broken beats unknown", "another group", "not looked at"],
)
def test_the_verdict_of_a_group(findings: list[DnsFinding], verdict: bool | None) -> None:
    assert validity(findings)["spf"] is verdict


def test_a_long_txt_record_is_written_in_strings_of_255() -> None:
    text = record_text("s1.example", "TXT", "x" * 300)
    assert text == f's1.example. TXT "{"x" * 255}" "{"x" * 45}"'
