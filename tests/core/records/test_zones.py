"""Where the zone of a name begins."""

import pytest

from email_engine.dns_answers import Trouble, Unknown
from email_engine.records.model import DnsRecord, Purpose
from email_engine.records.zones import Zone, asked_zones, by_zone, network_of, zone_of
from tests.dns_zone import Zone as Table

SOA = ["ns.x. host.x. 1 2 3 4 5"]
SIX = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("s1._domainkey.news.aurora.example", "aurora.example"),
        ("news.aurora.co.uk", "aurora.co.uk"),
        ("xn--mail.xn--fsqu00a.xn--0zwm56d", "xn--fsqu00a.xn--0zwm56d"),
        ("co.uk", "co.uk"),
        ("7.100.51.198.in-addr.arpa", "100.51.198.in-addr.arpa"),
        (SIX, "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)
def test_without_asking_it_is_the_registered_name_or_the_usual_reverse_zone(name: str, zone: str) -> None:
    assert zone_of(name) == Zone(zone)


def zone(name: str, *apexes: str, **more: object) -> Zone:
    records = {(apex, "SOA"): SOA for apex in apexes} | more.get("table", {})  # type: ignore[attr-defined]
    return asked_zones([name], Table(records).resolve_many)[name]


@pytest.mark.parametrize(
    ("name", "apexes", "found"),
    [
        ("a.news.aurora.example", ("news.aurora.example", "aurora.example"), "news.aurora.example"),
        ("a.news.aurora.example", ("aurora.example",), "aurora.example"),
        ("a.news.aurora.example", ("example",), "aurora.example"),
        ("s1._domainkey.a.example", ("_domainkey.a.example", "a.example"), "_domainkey.a.example"),
        ("7.100.51.198.in-addr.arpa", ("51.198.in-addr.arpa",), "51.198.in-addr.arpa"),
        ("7.100.51.198.in-addr.arpa", ("7.100.51.198.in-addr.arpa",), "7.100.51.198.in-addr.arpa"),
        (SIX, ("8.b.d.0.1.0.0.2.ip6.arpa",), "8.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)
def test_the_nearest_soa_begins_the_zone(name: str, apexes: tuple[str, ...], found: str) -> None:
    assert zone(name, *apexes) == Zone(found)


def test_the_soa_behind_an_alias_begins_no_zone() -> None:
    table = {("www.aurora.example", "CNAME"): ["hoster.example"]}
    assert zone("www.aurora.example", "www.aurora.example", "aurora.example", table=table) == Zone(
        "aurora.example"
    )


def test_a_zone_whose_beginning_was_not_answered_is_a_guess() -> None:
    table = {("news.aurora.example", "SOA"): Unknown(Trouble.SERVFAIL)}
    found = zone("a.news.aurora.example", "aurora.example", table=table)
    assert found.name == "aurora.example"
    assert "news.aurora.example was not answered (servfail)" in found.trouble


def test_records_go_to_their_zones_and_one_guess_marks_the_zone() -> None:
    a, b = (DnsRecord(f"{n}.aurora.example", "A", "192.0.2.1", Purpose.ADDRESS, n) for n in "ab")
    found = by_zone([a, b], {b.name: Zone("aurora.example", "a guess")})
    assert found == {Zone("aurora.example", "a guess"): (a, b)}


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("100.51.198.in-addr.arpa", "198.51.100.0/24"),
        ("51.198.in-addr.arpa", "198.51.0.0/16"),
        ("8.b.d.0.1.0.0.2.ip6.arpa", "2001:db8::/32"),
        ("aurora.example", ""),
    ],
)
def test_a_reverse_zone_has_a_network(name: str, network: str) -> None:
    assert network_of(name) == network
