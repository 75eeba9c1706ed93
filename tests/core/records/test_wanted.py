"""What a fleet needs in DNS, before anybody asks what stands there."""

from collections.abc import Iterable
from ipaddress import ip_address

import pytest

from email_engine.dnsauth.dkim import BadKey, key_record
from email_engine.errors import InputError
from email_engine.fleet.model import MtaBase
from email_engine.fleet.read import read_fleet
from email_engine.paths import CONFIG
from email_engine.records.model import TTL, Choices, DnsRecord, Purpose, RecordState
from email_engine.records.wanted import records_of
from tests.dkim_keys import spki
from tests.fleet_senders import fleet, keys_of, only, planned

Row = tuple[str, str, str]


def rows(records: Iterable[DnsRecord]) -> set[Row]:
    return {(record.name, record.rdtype, record.value) for record in records}


def base(*listeners: str, bounces: tuple[str, ...] = ("bounce@reports.aurora-mail.example",)) -> MtaBase:
    return MtaBase("ops@example.com", listeners or ("10.0.0.5:2525",), bounce_addresses=bounces)


def test_one_ip_needs_an_address_a_ptr_two_spf_records_a_key_a_policy_and_an_mx() -> None:
    choices = Choices(mx=("mx.hoster.example",), rua="dmarc@news7.aurora-mail.example")
    found = records_of([planned()], keys_of(), choices=choices)
    assert rows(found) == {
        ("mail7.aurora-mail.example", "A", "198.51.100.7"),
        ("7.100.51.198.in-addr.arpa", "PTR", "mail7.aurora-mail.example"),
        ("news7.aurora-mail.example", "TXT", "v=spf1 ip4:198.51.100.7 -all"),
        ("mail7.aurora-mail.example", "TXT", "v=spf1 a -all"),
        ("s1._domainkey.news7.aurora-mail.example", "TXT", key_record(spki())),
        (
            "_dmarc.news7.aurora-mail.example",
            "TXT",
            "v=DMARC1; p=none; rua=mailto:dmarc@news7.aurora-mail.example",
        ),
        ("news7.aurora-mail.example", "MX", "10 mx.hoster.example"),
    }
    assert {record.ttl for record in found} == {TTL}
    assert {record.state for record in found} == {RecordState.PUBLISH}


def test_an_ipv6_address_has_aaaa_a_nibble_ptr_and_ip6() -> None:
    found = records_of([planned(address=ip_address("2001:db8::7"))])
    assert only(found, Purpose.ADDRESS).rdtype == "AAAA"
    assert only(found, Purpose.PTR).name.endswith(".8.b.d.0.1.0.0.2.ip6.arpa")
    assert only(found, Purpose.SPF).value == "v=spf1 ip6:2001:db8::7 -all"


def test_international_names_are_a_labels() -> None:
    found = records_of([planned(domain="Müller.Example", hostname="mäil.müller.example")])
    assert {record.name for record in found if record.rdtype != "PTR"} == {
        "xn--mller-kva.example",
        "xn--mil-qla.xn--mller-kva.example",
        "_dmarc.xn--mller-kva.example",
        "s1._domainkey.xn--mller-kva.example",
    }
    assert only(found, Purpose.PTR).value == "xn--mil-qla.xn--mller-kva.example"


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="one label is no domain"):
        records_of([planned(domain="localhost")])


@pytest.mark.parametrize(
    ("numbers", "value"),
    [
        (range(8, 16), "v=spf1 ip4:198.51.100.8/29 -all"),
        (range(8, 15), "v=spf1 ip4:198.51.100.8/30 ip4:198.51.100.12/31 ip4:198.51.100.14 -all"),
        ([9, 10], "v=spf1 ip4:198.51.100.9 ip4:198.51.100.10 -all"),
    ],
    ids=["a whole network", "a network but one", "neighbours that make no network"],
)
def test_ips_of_one_domain_stand_as_networks_only_where_all_of_it_is_ours(
    numbers: list[int], value: str
) -> None:
    found = records_of([planned(n, domain="news.aurora-mail.example") for n in numbers])
    assert only(found, Purpose.SPF).value == value


def test_a_record_too_long_for_receivers_is_told_or_left_to_a_person() -> None:
    numbers = range(1, 255, 2)
    found = records_of([planned(n, domain="news.aurora-mail.example") for n in numbers])
    assert "some answers no longer fit" in only(found, Purpose.SPF).note
    more = [
        planned(n, domain="news.aurora-mail.example", address=ip_address(f"203.0.113.{n}")) for n in numbers
    ]
    record = only(records_of([planned(n, domain=more[0].domain) for n in numbers] + more), Purpose.SPF)
    assert (record.value, record.state) == ("", RecordState.BY_HAND)


def test_a_host_name_that_sends_itself_has_one_spf_record_for_both() -> None:
    found = records_of([planned(7, hostname="mx.aurora.example"), planned(8, domain="mx.aurora.example")])
    texts = [
        record.value for record in found if record.name == "mx.aurora.example" and record.rdtype == "TXT"
    ]
    assert texts == ["v=spf1 ip4:198.51.100.7 ip4:198.51.100.8 -all"]


def test_a_name_that_dns_cannot_hold_is_left_to_a_person() -> None:
    domain = ".".join(["a" * 61, "b" * 61, "c" * 61, "d" * 53, "example"])
    records = records_of([planned(domain=domain)], keys_of(planned(domain=domain)))
    assert {r.purpose for r in records if r.state is RecordState.BY_HAND} == {Purpose.DKIM, Purpose.DMARC}
    assert "253 are allowed" in only(records, Purpose.DMARC).note


def test_a_key_that_is_not_made_is_a_line_without_a_value() -> None:
    record = only(records_of([planned()]), Purpose.DKIM)
    assert (record.value, record.state, record.note) == ("", RecordState.UNDECIDED, "key not made yet")
    assert not record.stands_in_files


def test_a_key_of_another_selector_is_published_too() -> None:
    found = records_of([planned()], {(planned().domain, "s2"): spki(2048, 2)})
    names = {record.name: record.state for record in found if record.purpose is Purpose.DKIM}
    assert names == {
        "s1._domainkey.news7.aurora-mail.example": RecordState.UNDECIDED,
        "s2._domainkey.news7.aurora-mail.example": RecordState.PUBLISH,
    }


def test_a_key_that_is_none_is_refused() -> None:
    with pytest.raises(BadKey, match="no RSA key"):
        records_of([planned()], {(planned().domain, "s1"): "aGVsbG8="})


def test_without_an_address_for_reports_the_policy_says_none_and_the_note_says_so() -> None:
    record = only(records_of([planned()]), Purpose.DMARC)
    assert record.value == "v=DMARC1; p=none"
    assert "--rua" in record.note


def test_external_reports_need_an_authorisation_which_the_fleet_publishes_in_its_own_zones() -> None:
    other = planned(8, domain="news.borealis-mail.example", hostname="mail.borealis-mail.example")
    found = records_of([planned(), other], choices=Choices(rua="dmarc@news.borealis-mail.example"))
    record = only(found, Purpose.REPORT)
    assert record.name == "news7.aurora-mail.example._report._dmarc.news.borealis-mail.example"
    assert (record.value, record.state) == ("v=DMARC1;", RecordState.PUBLISH)


@pytest.mark.parametrize("host", ["reports.example", "aurora.example"], ids=["a foreign domain", "the brand"])
def test_the_authorisation_by_a_domain_that_is_not_the_fleets_is_told(host: str) -> None:
    found = records_of(
        fleet(planned(), planned(8, domain="tx.aurora.example"), brands=("aurora.example",)),
        choices=Choices(rua=f"dmarc@{host}"),
    )
    record = next(r for r in found if r.purpose is Purpose.REPORT and r.subject == planned().domain)
    assert record.state is RecordState.BY_HAND
    assert f'publishes news7.aurora-mail.example._report._dmarc.{host}. TXT "v=DMARC1;"' in record.note


def test_reports_within_the_organisation_need_no_authorisation_once_it_has_a_policy() -> None:
    """By the tree walk of RFC 9989 a domain with a policy of its own, and none above, is an organisation of its own."""
    choices = Choices(rua="dmarc@aurora-mail.example")
    assert only(records_of([planned()], choices=choices), Purpose.REPORT).state is RecordState.PUBLISH
    above = planned(8, domain="aurora-mail.example")
    found = records_of([planned(), above], choices=choices)
    assert not [record for record in found if record.purpose is Purpose.REPORT]


def test_brand_domains_get_nothing() -> None:
    reads = base("198.51.100.7:25", bounces=("bounce@aurora.example",))
    found = records_of(fleet(planned(), base=reads, brands=("aurora.example",)))
    assert not [record for record in found if record.name.endswith("aurora.example")]


def test_an_mx_nobody_knows_is_to_be_decided_and_says_why() -> None:
    record = only(records_of(fleet(planned())), Purpose.MX)
    assert (record.value, record.state) == ("", RecordState.UNDECIDED)
    assert record.note.startswith("no bounce_addresses are known of mta-1: name the host")


@pytest.mark.parametrize("listener", ["198.51.100.7:25", "0.0.0.0:25"])
def test_the_domain_of_bounce_addresses_leads_to_the_listener_on_port_25(listener: str) -> None:
    found = records_of(fleet(planned(), planned(8), base=base("10.0.0.5:2525", listener)))
    mx = {record.name: record for record in found if record.purpose is Purpose.MX}
    assert mx["reports.aurora-mail.example"].value == "10 mail7.aurora-mail.example"
    assert mx["news7.aurora-mail.example"].state is RecordState.UNDECIDED
    assert "reads bounce@reports.aurora-mail.example alone" in mx["news7.aurora-mail.example"].note


def test_a_sending_domain_that_powermta_reads_bounces_of_leads_there() -> None:
    reads = base("198.51.100.7:25", bounces=("bounce@news7.aurora-mail.example",))
    record = only(records_of(fleet(planned(), base=reads)), Purpose.MX)
    assert (record.name, record.value) == ("news7.aurora-mail.example", "10 mail7.aurora-mail.example")


def test_bounce_addresses_without_a_listener_on_port_25_are_to_be_decided() -> None:
    found = records_of(fleet(planned(), base=base("198.51.100.7:2525")))
    record = next(r for r in found if r.name == "reports.aurora-mail.example")
    assert (record.purpose, record.state) == (Purpose.MX, RecordState.UNDECIDED)
    assert "no listener of it on port 25" in record.note


def test_the_operator_names_two_hosts_in_their_order() -> None:
    found = records_of([planned()], choices=Choices(mx=("a.hoster.example", "mx.aurora-mail.example")))
    records = [record for record in found if record.purpose is Purpose.MX]
    assert [record.value for record in records] == ["10 a.hoster.example", "20 mx.aurora-mail.example"]
    assert [record.note for record in records] == [
        "",
        "mx.aurora-mail.example needs an address record, which the fleet file does not know",
    ]


def test_only_what_was_chosen_and_shares_a_name_with_it() -> None:
    shared = planned(9, domain=planned(7).domain)
    found = records_of([planned(7), planned(8), shared], chosen=[planned(7)])
    assert {record.value for record in found if record.purpose is Purpose.ADDRESS} == {
        "198.51.100.7",
        "198.51.100.9",
    }


def test_the_example_fleet_has_no_null_mx_and_every_name_once_a_type() -> None:
    found = records_of(read_fleet(CONFIG / "fleet.yaml"), choices=Choices(mx=("mx.hoster.example",)))
    assert len(found) == 700
    assert all(record.value for record in found if record.rdtype == "MX")
    assert len({(record.name, record.rdtype) for record in found}) == 700
