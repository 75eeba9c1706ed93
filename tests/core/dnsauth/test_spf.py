"""SPF for one sending IP, as a receiver evaluates it."""

from ipaddress import ip_address

import pytest

from email_engine.dns_answers import Unknown
from email_engine.dnsauth.model import DnsStatus, Gravity, Lookup
from email_engine.dnsauth.spf_host import SpfResult, check_host
from tests.dns_zone import DOMAIN, HOST, IP, Zone, good_records

TIMEOUT = Unknown("timeout")


def evaluate(zone: Zone, domain: str = DOMAIN) -> SpfResult:
    """check_host with answers fetched as it asks for them."""
    answers = {}
    for _ in range(30):
        lookup = Lookup(answers)
        result = check_host(lookup, IP, domain, HOST)
        if result is not None:
            return result
        answers |= zone.resolve_many(lookup.missing)
    raise AssertionError("never done")


def chain(length: int) -> dict[tuple[str, str], list[str] | Unknown]:
    """spf0 includes spf1 includes ... ; the last one lets the IP in."""
    records: dict[tuple[str, str], list[str] | Unknown] = {
        (f"spf{n}.example", "TXT"): [f"v=spf1 include:spf{n + 1}.example -all"] for n in range(length)
    }
    return records | {(f"spf{length}.example", "TXT"): [f"v=spf1 ip4:{IP} -all"]}


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1 ip4:198.51.100.7 -all", "pass"),
        ("V=SPF1 ip4:198.51.100.0/24 -all", "pass"),
        ("v=spf1 ip4:192.0.2.1 -all", "fail"),
        ("v=spf1 ip4:192.0.2.1 ~all", "softfail"),
        ("v=spf1 ip4:192.0.2.1", "neutral"),
        ("v=spf1", "neutral"),
        ("v=spf10 ip4:198.51.100.7", "none"),
        ("v=spf1 a:mail7.aurora-mail.example -all", "pass"),
        ("v=spf1 mx -all", "pass"),
        ("v=spf1 exists:%{ir}.spf.example -all", "pass"),
        ("v=spf1 include:ok.example -all", "pass"),
        ("v=spf1 include:none.example -all", "permerror"),
        ("v=spf1 redirect=ok.example", "pass"),
        ("v=spf1 ip4:198.51.100.7 moo -all", "permerror"),
        ("v=spf1 ip4:198.51.100.777 -all", "permerror"),
        ("v=spf1 unknown=modifier ip4:198.51.100.7 -all", "pass"),
        ("v=spf1 a:x1.example a:x2.example a:x3.example ip4:198.51.100.7 -all", "permerror"),
        ("v=spf1 a:x1.example a:x2.example ip4:198.51.100.7 -all", "pass"),
        ("v=spf1 include:slow.example -all", "temperror"),
        ("v=spf1 ptr -all", "pass"),
    ],
)
def test_check_host_gives_the_result_of_rfc_7208(record: str, result: str) -> None:
    zone = Zone(
        good_records()
        | {
            (DOMAIN, "TXT"): [record],
            ("ok.example", "TXT"): ["v=spf1 ip4:198.51.100.7 -all"],
            ("7.100.51.198.spf.example", "A"): ["127.0.0.2"],
            ("slow.example", "TXT"): TIMEOUT,
            (IP.reverse_pointer, "PTR"): [f"mx1.{DOMAIN}"],
            (f"mx1.{DOMAIN}", "A"): [str(IP)],
        }
    )
    assert evaluate(zone).result == result


@pytest.mark.parametrize(("length", "result"), [(10, "pass"), (11, "permerror")])
def test_ten_look_up_terms_are_the_limit_over_all_includes(length: int, result: str) -> None:
    done = evaluate(Zone(chain(length)), "spf0.example")
    assert done.result == result
    assert done.terms >= 10


def test_two_records_are_a_permanent_error() -> None:
    zone = Zone({(DOMAIN, "TXT"): ["v=spf1 -all", "v=spf1 ip4:198.51.100.7 -all"]})
    assert evaluate(zone).result == "permerror"


@pytest.mark.parametrize(
    ("records", "check_id", "status", "observed", "remedy"),
    [
        ({}, "spf.result", DnsStatus.OK, "pass for 198.51.100.7", ""),
        ({(DOMAIN, "TXT"): []}, "spf.record", DnsStatus.BROKEN, "no SPF record", f'{DOMAIN}. TXT "v=spf1 ip4:198.51.100.7 -all"'),
        ({(DOMAIN, "TXT"): TIMEOUT}, "spf.record", DnsStatus.UNKNOWN, "timeout", "nothing yet"),
        ({(DOMAIN, "TXT"): ["v=spf1 -all", "v=spf1 ~all"]}, "spf.record", DnsStatus.BROKEN, "2 SPF records", "remove the others"),
        ({(DOMAIN, "TXT"): [" v=spf1 -all"]}, "spf.record", DnsStatus.BROKEN, "' v=spf1 -all' is none", f'{DOMAIN}. TXT "v=spf1 ip4:198.51.100.7 -all"'),
        ({(DOMAIN, "TXT"): ["v=spf1 mx:mx.example ip4:192.0.2.1 -all"]}, "spf.result", DnsStatus.BROKEN, "fail for",
         f'{DOMAIN}. TXT "v=spf1 mx:mx.example ip4:192.0.2.1 ip4:198.51.100.7 -all"'),
        ({(DOMAIN, "TXT"): ["v=spf1 include:slow.example -all"], ("slow.example", "TXT"): TIMEOUT}, "spf.result",
         DnsStatus.UNKNOWN, "no answer", "nothing yet"),
        ({(DOMAIN, "TXT"): ["v=spf1 include:gone.example -all"]}, "spf.result", DnsStatus.BROKEN, "permerror", f'{DOMAIN}. TXT "v=spf1 ip4:198.51.100.7 -all"'),
        ({(DOMAIN, "TXT"): ["v=spf1 +all"]}, "spf.all", DnsStatus.BROKEN, "+all in news7", "-all"),
        ({(DOMAIN, "TXT"): ["v=spf1 ip4:198.51.100.7 ?all"]}, "spf.all", DnsStatus.BROKEN, "?all", "-all"),
        ({(DOMAIN, "TXT"): ["v=spf1 ip4:198.51.100.7 include:open.example -all"],
          ("open.example", "TXT"): ["v=spf1 all"]}, "spf.all", DnsStatus.BROKEN, "all in open.example", "-all"),
        ({(DOMAIN, "TXT"): ["v=spf1 ip4:198.51.0.0/15 -all"]}, "spf.style", DnsStatus.BROKEN, "wider than /16", "TXT"),
        ({(DOMAIN, "TXT"): ["v=spf1 ip4:198.51.100.7"]}, "spf.style", DnsStatus.BROKEN, "neither all nor redirect", "TXT"),
        ({(HOST, "TXT"): []}, "spf.helo", DnsStatus.BROKEN, "none", f'{HOST}. TXT "v=spf1 a -all"'),
        ({(HOST, "TXT"): ["v=spf1 -all"]}, "spf.helo", DnsStatus.BROKEN, "fail", f'{HOST}. TXT "v=spf1 ip4:198.51.100.7 -all"'),
        ({(HOST, "TXT"): TIMEOUT}, "spf.helo", DnsStatus.UNKNOWN, "no answer", "nothing yet"),
    ],
    ids=[
        "good", "missing", "no answer", "two records", "leading space", "this IP is not in it", "include does not answer",
        "include without record", "+all", "?all", "all behind an include", "too wide", "no end", "HELO without SPF",
        "HELO fails", "HELO does not answer",
    ],
)  # fmt: skip
def test_what_is_found_comes_with_the_record_to_publish(
    records: dict[tuple[str, str], list[str] | Unknown],
    check_id: str,
    status: DnsStatus,
    observed: str,
    remedy: str,
) -> None:
    finding = Zone(good_records() | records).findings()[check_id]
    assert finding.status is status
    assert observed in finding.observed
    assert remedy in finding.remedy


def test_a_helo_that_fails_is_graver_than_one_without_a_record() -> None:
    missing = Zone(good_records() | {(HOST, "TXT"): []}).findings()["spf.helo"]
    failing = Zone(good_records() | {(HOST, "TXT"): ["v=spf1 -all"]}).findings()["spf.helo"]
    assert (missing.severity, failing.severity) == (Gravity.WARNING, Gravity.ERROR)


def test_an_include_loop_ends() -> None:
    zone = Zone(good_records() | {(DOMAIN, "TXT"): [f"v=spf1 include:{DOMAIN} -all"]})
    assert zone.findings()["spf.result"].status is DnsStatus.BROKEN


def test_ipv6_senders_are_evaluated_too() -> None:
    answers = Zone({("six.example", "TXT"): ["v=spf1 ip6:2001:db8::/32 -all"]}).resolve_many
    lookup = Lookup({})
    assert check_host(lookup, ip_address("2001:db8::25"), "six.example", "six.example") is None
    lookup = Lookup(answers(lookup.missing))
    result = check_host(lookup, ip_address("2001:db8::25"), "six.example", "six.example")
    assert result is not None
    assert result.result == "pass"
