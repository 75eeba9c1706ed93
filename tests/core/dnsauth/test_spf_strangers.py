"""Everybody may send? Strangers are asked, and what is told to publish is proved first."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from email_engine.dns_answers import Unknown
from email_engine.dnsauth.model import DnsStatus, Lookup, Subject, printable, record_text
from email_engine.dnsauth.spf_host import check_host
from email_engine.dnsauth.spf_record import ASK_WITH_IP, FOREIGN_4, FOREIGN_6, mended
from tests.dns_zone import DOMAIN, IP, SUBJECT, Zone, good_records

Records = dict[tuple[str, str], list[str] | Unknown]
OTHERS: Records = {
    ("open.example", "TXT"): ["v=spf1 +all"],
    ("half.example", "TXT"): ["v=spf1 ip4:0.0.0.0/1 -all"],
    ("esp.example", "TXT"): ["v=spf1 ip4:203.0.113.0/24 ~all"],
    ("slow.example", "TXT"): Unknown("timeout"),
}


def settled(records: list[str], subject: Subject = SUBJECT, others: Records = OTHERS) -> str:
    """The record to publish, when all answers are there."""
    zone, answers = Zone(good_records() | others), {}
    for _ in range(20):
        lookup = Lookup(answers)
        value = mended(lookup, subject, records)
        if not lookup.missing:
            return value
        answers |= zone.resolve_many(lookup.missing)
    raise AssertionError("never done")


@pytest.mark.parametrize(
    ("records", "value"),
    [
        ([], "v=spf1 ip4:198.51.100.7 -all"),
        (["v=spf1 include:esp.example -all"], "v=spf1 include:esp.example ip4:198.51.100.7 -all"),
        (["v=spf1 include:esp.example ~all"], "v=spf1 include:esp.example ip4:198.51.100.7 ~all"),
        (["v=spf1 include:esp.example include:open.example ?all"], "v=spf1 include:esp.example ip4:198.51.100.7 -all"),
        (["v=spf1 a/0 mx/1 -all"], "v=spf1 ip4:198.51.100.7 -all"),
        (["v=spf1 include:half.example include:esp.example"], "v=spf1 include:esp.example ip4:198.51.100.7 -all"),
        (["v=spf1 redirect=esp.example"], "v=spf1 ip4:198.51.100.7 redirect=esp.example"),
        (["v=spf1 redirect=open.example"], "v=spf1 ip4:198.51.100.7 -all"),
        (["v=spf1 redirect=open.example -all"], "v=spf1 ip4:198.51.100.7 -all"),
        (["v=spf1 ip4:1.2.3 nonsense include:esp.example \u2013all"], "v=spf1 include:esp.example ip4:198.51.100.7 -all"),
        (["v=spf1 -ip4:198.51.100.0/24 include:esp.example -all"], "v=spf1 ip4:198.51.100.7 -ip4:198.51.100.0/24 include:esp.example -all"),
        (["v=spf1 include:gone.example -all"], "v=spf1 ip4:198.51.100.7 -all"),
        (["v=spf1 a -all", "v=spf1 a include:esp.example ~all"], "v=spf1 a include:esp.example ip4:198.51.100.7 -all"),
        (["v=spf1 ip4:198.51.100.7 +all"], "v=spf1 ip4:198.51.100.7 -all"),
        (["v=spf1 " + "ip4:203.0.113.1 " * 1000 + "-all"], "v=spf1 ip4:198.51.100.7 -all"),
    ],
    ids=[
        "none", "an include stays", "~all stays", "an open include goes", "everything goes", "half of all goes", "redirect stays",
        "an open redirect goes", "redirect beside all", "what cannot be read goes", "first where it is refused later",
        "what makes it an error goes", "two become one", "its own +all", "too long to mend",
    ],
)  # fmt: skip
def test_the_record_to_publish_lets_the_ip_in_and_nobody_else(records: list[str], value: str) -> None:
    assert settled(records) == value
    zone, answers = Zone(good_records() | OTHERS), {}
    for _ in range(20):
        lookup = Lookup(answers)
        results = [check_host(lookup, a, DOMAIN, DOMAIN, value) for a in (IP, *FOREIGN_4, *FOREIGN_6)]
        if not lookup.missing:
            break
        answers |= zone.resolve_many(lookup.missing)
    ours, *theirs = results
    assert ours is not None
    assert ours.result == "pass"
    assert {result.result for result in theirs if result} <= {"fail", "softfail"}


def test_a_silent_include_is_kept() -> None:
    assert (
        settled(["v=spf1 include:slow.example -all"]) == "v=spf1 ip4:198.51.100.7 include:slow.example -all"
    )


def test_without_an_ip_no_sender_is_made_up() -> None:
    alone = replace(SUBJECT, address=None)
    assert settled([], alone) == ""
    assert settled(["v=spf1 +all"], alone) == ""
    assert settled(["v=spf1 include:esp.example +all"], alone) == "v=spf1 include:esp.example -all"
    finding = Zone(good_records() | {(DOMAIN, "TXT"): []}).findings(alone)["spf.record"]
    assert finding.remedy == ASK_WITH_IP


def test_a_network_that_holds_one_stranger_by_chance_lets_not_everybody_in() -> None:
    one = f"v=spf1 ip4:{IP} ip4:{FOREIGN_4[2]}/16 -all"
    finding = Zone(good_records() | {(DOMAIN, "TXT"): [one]}).findings()["spf.all"]
    assert (finding.status, finding.severity) == (DnsStatus.BROKEN, "warning")


def test_strangers_live_apart() -> None:
    assert {int(address) >> 30 for address in FOREIGN_4} == {0, 1, 2, 3}
    assert len({int(address) >> 112 for address in FOREIGN_6}) == 2
    assert ip_address("192.0.2.1") not in FOREIGN_4


def test_a_record_is_cut_by_octets_and_its_quotes_are_escaped() -> None:
    assert record_text("a.example", "TXT", "ü" * 200) == f'a.example. TXT "{"ü" * 127}" "{"ü" * 73}"'
    assert record_text("a.example", "TXT", 'a"b\\c') == 'a.example. TXT "a\\"b\\\\c"'
    assert record_text("a.example", "TXT", "") == 'a.example. TXT ""'


def test_what_a_terminal_would_obey_is_replaced() -> None:
    assert printable("a\u202eb\x1b[2Jc\td") == "a\ufffdb\ufffd[2Jc\ufffdd"
    assert printable("plain ü") == "plain ü"
