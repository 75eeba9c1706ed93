"""Records against what stands in DNS: kept, extended, left to a person, or not known."""

from collections.abc import Iterable
from ipaddress import ip_address

import pytest

from email_engine.dns_answers import Answer, Question, Trouble, Unknown
from email_engine.dnsauth.dkim import key_record
from email_engine.records.model import Choices, DnsRecord, Purpose, RecordState
from email_engine.records.wanted import ask_records, records_of
from tests.dkim_keys import spki
from tests.dns_zone import Zone
from tests.fleet_senders import Table, asked, good_table, keys_of, only, planned

DOMAIN, HOST = planned().domain, planned().hostname
POLICY, SELECTOR = f"_dmarc.{DOMAIN}", f"s1._domainkey.{DOMAIN}"
REVERSE = planned().address.reverse_pointer
SERVFAIL, TIMEOUT = Unknown(Trouble.SERVFAIL), Unknown(Trouble.TIMEOUT)
OURS = "ip4:198.51.100.7"


def states(records: Iterable[DnsRecord]) -> dict[str, str]:
    return {r.purpose: r.state for r in records if r.purpose is not Purpose.BESIDE}


def not_kept(records: Iterable[DnsRecord]) -> dict[str, str]:
    return {purpose: state for purpose, state in states(records).items() if state != "kept"}


def spf(*texts: str, more: Table | None = None) -> DnsRecord:
    table = good_table() | {(DOMAIN, "TXT"): list(texts)} | (more or {})
    return only(asked(table), Purpose.SPF)


def test_what_is_published_is_kept() -> None:
    found = asked(good_table())
    assert not_kept(found) == {}
    assert set(states(found)) == {"address", "ptr", "spf", "helo", "dkim", "dmarc", "mx"}


def test_nothing_published_is_all_to_publish() -> None:
    found = asked({}, choices=Choices(mx=("mx.hoster.example",)))
    assert set(states(found).values()) == {RecordState.PUBLISH}


@pytest.mark.parametrize(
    ("key", "values", "purpose"),
    [
        ((DOMAIN, "TXT"), ["v=spf1 include:spf.hoster.example ~all"], "spf"),
        ((HOST, "TXT"), [f"v=spf1 {OURS} ~all"], "helo"),
        ((POLICY, "TXT"), ["v=DMARC1; p=reject"], "dmarc"),
        ((HOST, "A"), ["192.0.2.9", "198.51.100.7"], "address"),
        ((SELECTOR, "TXT"), [f"p={spki()}"], "dkim"),
        ((DOMAIN, "MX"), ["5 mx.hoster.example"], "mx"),
    ],
    ids=["SPF by include", "HELO by address", "a stricter policy", "further addresses", "a key in other words", "another MX"],
)  # fmt: skip
def test_other_words_that_serve_as_well_are_kept(
    key: tuple[str, str], values: list[str], purpose: str
) -> None:
    more: Table = {
        ("spf.hoster.example", "TXT"): ["v=spf1 ip4:198.51.100.0/24 -all"],
        ("mx.hoster.example", "A"): ["203.0.113.5"],
    }
    found = asked(good_table() | {key: values} | more)
    assert not_kept(found) == {}
    standing = {r.value for r in found if (r.name, r.rdtype) == key}
    assert standing == set(values)


def test_a_policy_from_above_rules_and_nothing_weaker_is_published() -> None:
    table = good_table() | {("_dmarc.aurora-mail.example", "TXT"): ["v=DMARC1; p=reject"]}
    del table[POLICY, "TXT"]
    assert not [r for r in asked(table) if r.purpose is Purpose.DMARC]


def test_a_policy_that_is_none_is_replaced_and_two_are_left_to_a_person() -> None:
    bad = ["v=DMARC1; p=quarantined"]
    record = only(asked(good_table() | {(POLICY, "TXT"): list(bad)}), Purpose.DMARC)
    assert (record.state, record.value, record.replaces) == ("publish", "v=DMARC1; p=none", tuple(bad))
    record = only(
        asked(good_table() | {(POLICY, "TXT"): ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}), Purpose.DMARC
    )
    assert (record.state, record.value) == ("by hand", "")


def test_the_authorisation_for_reports_of_a_kept_policy_is_asked_for() -> None:
    other = planned(8, domain="n.borealis-mail.example", hostname="m.borealis-mail.example")
    table = good_table(planned(), other) | {
        (POLICY, "TXT"): ["v=DMARC1; p=none; rua=mailto:d@borealis-mail.example"]
    }
    place = f"{DOMAIN}._report._dmarc.borealis-mail.example"
    assert only(asked(table, planned(), other), Purpose.REPORT).name == place
    table[place, "TXT"] = ["v=DMARC1;"]
    assert only(asked(table, planned(), other), Purpose.REPORT).state is RecordState.KEPT
    table[place, "TXT"] = TIMEOUT
    assert only(asked(table, planned(), other), Purpose.REPORT).state is RecordState.UNKNOWN


@pytest.mark.parametrize(
    ("standing", "value"),
    [
        ("v=spf1 include:other.example -all", f"v=spf1 include:other.example {OURS} -all"),
        ("v=spf1 ip4:192.0.2.1 ~all", f"v=spf1 ip4:192.0.2.1 {OURS} ~all"),
        ("v=spf1 -ip4:198.51.100.0/24 ~all", f"v=spf1 {OURS} -ip4:198.51.100.0/24 ~all"),
        ("v=spf1 a redirect=other.example", f"v=spf1 a {OURS} redirect=other.example"),
    ],
)
def test_an_spf_record_is_kept_and_extended(standing: str, value: str) -> None:
    record = spf(
        standing,
        more={("other.example", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all"], (DOMAIN, "A"): ["192.0.2.1"]},
    )
    assert (record.state, record.value, record.replaces) == ("publish", value, (standing,))


def chain(length: int) -> Table:
    """`length` look-ups behind include:c1.example."""
    table: Table = {(f"c{length}.example", "TXT"): ["v=spf1 ip4:192.0.2.9 -all"]}
    for n in range(1, length):
        table[f"c{n}.example", "TXT"] = [f"v=spf1 include:c{n + 1}.example -all"]
    return table


def test_a_record_with_9_look_ups_gets_no_further_one() -> None:
    record = spf("v=spf1 include:c1.example -all", more=chain(9))
    assert record.value == f"v=spf1 include:c1.example {OURS} -all"


def test_a_record_beyond_10_look_ups_is_left_to_a_person() -> None:
    record = spf("v=spf1 include:c1.example -all", more=chain(11))
    assert (record.state, record.value) == ("by hand", "")
    assert "cannot be evaluated" in record.note


def test_an_spf_record_that_lets_everybody_in_is_replaced_by_one_that_does_not() -> None:
    record = spf(
        "v=spf1 include:other.example +all", more=chain(1) | {("other.example", "TXT"): ["v=spf1 -all"]}
    )
    assert (record.state, record.value) == ("publish", f"v=spf1 include:other.example {OURS} -all")
    assert record.note == "what stands there lets everybody send"


@pytest.mark.parametrize(
    "texts",
    [("v=spf1 mx -all", "v=spf1 a -all"), ("v=spf1 ip4:300.1.1.1 -all",), ("v=spf1 mx – all",)],
    ids=["two records", "no address", "a dash of a word processor"],
)
def test_a_broken_spf_record_is_not_guessed_at(texts: tuple[str, ...]) -> None:
    record = spf(*texts)
    assert (record.state, record.value, record.replaces) == ("by hand", "", tuple(sorted(texts)))
    assert OURS in record.note
    assert not record.stands_in_files


def test_a_record_that_cannot_be_extended_is_left_to_a_person() -> None:
    """One IP passes before the include that has no record; for all others receivers see an error."""
    several = [planned(n, domain=DOMAIN) for n in (8, 9)]
    table = good_table(*several) | {(DOMAIN, "TXT"): ["v=spf1 ip4:198.51.100.8 include:gone.example -all"]}
    record = only(asked(table, *several), Purpose.SPF)
    assert (record.state, record.value) == ("by hand", "")
    assert "no record could be proved" in record.note


def test_only_addresses_that_are_not_let_in_are_added_and_as_networks() -> None:
    several = [planned(n, domain=DOMAIN) for n in range(4, 10)]
    table = good_table(*several) | {(DOMAIN, "TXT"): ["v=spf1 ip4:198.51.100.9 mx:m.example -all"]}
    record = only(asked(table, *several), Purpose.SPF)
    assert record.value == "v=spf1 ip4:198.51.100.9 mx:m.example ip4:198.51.100.4/30 ip4:198.51.100.8 -all"


def test_an_include_that_is_not_answered_leaves_the_record_alone() -> None:
    record = spf("v=spf1 include:other.example -all", more={("other.example", "TXT"): SERVFAIL})
    assert record.state is RecordState.UNKNOWN
    assert "servfail at other.example" in record.note


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ((DOMAIN, "TXT"), ["site=abc", "v=spf1 a -all", "v=spf1 mx -all"]),
        ((POLICY, "TXT"), ["v=DMARC1; p=none", "v=DMARC1; p=reject"]),
        ((DOMAIN, "MX"), ["10 gone.example"]),
    ],
    ids=["two SPF records", "two policies", "an MX without address"],
)
def test_what_a_person_must_decide_about_stays_until_then(key: tuple[str, str], values: list[str]) -> None:
    """A set of records is replaced as a whole: what is not written is deleted."""
    found = asked(good_table() | {key: values})
    assert sorted(r.value for r in found if (r.name, r.rdtype) == key and r.stands_in_files) == values


def test_other_texts_at_a_name_stand_beside() -> None:
    found = asked(good_table() | {(DOMAIN, "TXT"): ["site=abc", "v=spf1 mx -all"]})
    beside = [r.value for r in found if r.purpose is Purpose.BESIDE and r.name == DOMAIN]
    assert beside == ["site=abc"]


def test_answers_of_somebody_else_serve_and_what_is_missing_from_them_is_unknown() -> None:
    zone = Zone(good_table())
    found = ask_records([planned()], keys_of(), zone.resolve_many)
    answers = {question: zone.answer(question) for question in zone.asked}
    assert records_of([planned()], keys_of(), answers) == found
    assert set(states(records_of([planned()], keys_of(), {})).values()) == {RecordState.UNKNOWN}


@pytest.mark.parametrize("trouble", [SERVFAIL, TIMEOUT, Unknown(Trouble.LAME)], ids=str)
def test_what_is_not_answered_is_unknown_and_neither_missing_nor_published(trouble: Unknown) -> None:
    found = asked(dict.fromkeys(good_table(), trouble))
    assert set(states(found).values()) == {RecordState.UNKNOWN}
    assert not [r for r in found if r.stands_in_files]


def test_one_domain_without_answers_leaves_the_others_known() -> None:
    other = planned(8)
    broken = {key: SERVFAIL for key in good_table() if DOMAIN in key[0]}
    found = asked(good_table(planned(), other) | broken, planned(), other)
    assert {r.subject for r in found if r.state is RecordState.UNKNOWN} == {DOMAIN}
    assert {r.subject for r in found if r.state is not RecordState.KEPT} == {DOMAIN}


class Away(Zone):
    def answer(self, question: Question) -> Answer:
        return Unknown(Trouble.UNREACHABLE)


def test_a_resolver_that_is_away_is_asked_one_round() -> None:
    zone = Away({})
    found = ask_records([planned()], keys_of(), zone.resolve_many)
    assert set(states(found).values()) == {RecordState.UNKNOWN}
    assert zone.rounds == 1


def test_a_ptr_that_is_somebody_elses_is_missing_and_named() -> None:
    record = only(asked(good_table() | {(REVERSE, "PTR"): ["ip-7.hoster.example"]}), Purpose.PTR)
    assert (record.state, record.value, record.replaces) == ("publish", HOST, ("ip-7.hoster.example",))


def test_two_ptrs_are_one_too_many() -> None:
    record = only(asked(good_table() | {(REVERSE, "PTR"): [HOST, "other.example"]}), Purpose.PTR)
    assert (record.state, record.replaces) == ("publish", ("other.example",))


def test_a_reverse_name_that_is_an_alias_is_its_owners_matter() -> None:
    table = good_table() | {(REVERSE, "CNAME"): ["7.0-63.100.51.198.in-addr.arpa"]}
    assert only(asked(table), Purpose.PTR).state is RecordState.KEPT
    del table[REVERSE, "PTR"]
    record = only(asked(table), Purpose.PTR)
    assert (record.state, record.value) == ("by hand", HOST)
    assert "RFC 2317" in record.note


def test_a_host_name_in_use_elsewhere_gets_no_second_meaning() -> None:
    site = "www.aurora-mail.example"
    sender = planned(hostname=site)
    record = only(asked(good_table(sender) | {(site, "A"): ["203.0.113.80"]}, sender), Purpose.ADDRESS)
    assert record.state is RecordState.BY_HAND
    assert "leave www.aurora-mail.example as it is" in record.note


def test_an_alias_at_the_name_is_left_to_a_person() -> None:
    table = good_table() | {(DOMAIN, "CNAME"): ["site.hoster.example"]}
    del table[DOMAIN, "TXT"], table[DOMAIN, "MX"]
    found = asked(table, choices=Choices(mx=("mx.hoster.example",)))
    assert not_kept(found) == {"spf": "by hand", "mx": "by hand"}
    assert "alias of site.hoster.example" in only(found, Purpose.SPF).note


def test_a_key_behind_an_alias_is_kept_as_the_alias() -> None:
    found = asked(good_table() | {(SELECTOR, "CNAME"): ["s1.keys.hoster.example"]})
    record = only(found, Purpose.DKIM)
    assert (record.state, record.rdtype, record.value) == ("kept", "CNAME", "s1.keys.hoster.example")


def test_a_key_that_stands_there_needs_no_file_and_another_one_is_replaced() -> None:
    assert only(asked(good_table(), keys={}), Purpose.DKIM).state is RecordState.KEPT
    other = {(DOMAIN, "s1"): spki(2048, 2)}
    record = only(asked(good_table(), keys=other), Purpose.DKIM)
    assert (record.state, record.value) == ("publish", key_record(other[DOMAIN, "s1"]))
    assert record.replaces == (key_record(spki()),)


@pytest.mark.parametrize(("mx", "state"), [((), "to be decided"), (("mx.hoster.example",), "publish")])
def test_a_null_mx_never_stays_on_a_domain_that_gets_bounces(mx: tuple[str, ...], state: str) -> None:
    record = only(asked(good_table() | {(DOMAIN, "MX"): ["0 "]}, choices=Choices(mx=mx)), Purpose.MX)
    assert (record.state, record.replaces) == (state, ("0 ",))
    assert "null MX" in record.note


def test_a_null_mx_beside_the_right_one_is_not_published_already() -> None:
    values = ["0 ", f"10 {HOST}"]
    for mx in ((HOST,), ()):
        found = asked(good_table() | {(DOMAIN, "MX"): values}, choices=Choices(mx=mx))
        record = only(found, Purpose.MX)
        assert (record.state, record.value, record.replaces) == ("publish", f"10 {HOST}", ("0 ",))


def test_an_mx_whose_host_is_not_there_yet_counts_with_its_address() -> None:
    table = good_table()
    del table[HOST, "A"]
    found = asked(table, choices=Choices(mx=(HOST,)))
    assert not_kept(found) == {"address": "publish"}
    table[DOMAIN, "MX"] = ["10 gone.hoster.example"]
    found = asked(table, choices=Choices(mx=("gone.hoster.example",)))
    assert only(found, Purpose.MX).state is RecordState.BY_HAND


class Wildcards(Zone):
    """With `*.NAME` for what is not there and has nothing below it."""

    def answer(self, question: Question) -> Answer:
        exists = any(n == question.name or n.endswith(f".{question.name}") for n, _ in self.records)
        wild = f"*.{question.name.partition('.')[2]}"
        if not exists and any(n == wild for n, _ in self.records):
            return super().answer(Question(wild, question.rdtype))
        return super().answer(question)


def test_what_a_wildcard_gives_must_be_published_once_a_record_of_its_own_comes() -> None:
    mx = "10 mx.hoster.example"
    table: Table = {
        ("*.aurora-mail.example", "MX"): [mx],
        ("*.aurora-mail.example", "CNAME"): ["site.hoster.example"],
        ("mx.hoster.example", "A"): ["203.0.113.5"],
    }
    found = ask_records([planned()], keys_of(), Wildcards(table).resolve_many)
    record = only(found, Purpose.MX)
    assert (record.value, record.state) == (mx, RecordState.PUBLISH)
    assert "wildcard" in record.note
    assert set(states(found).values()) == {RecordState.PUBLISH}
    published: Table = {(r.name, r.rdtype): [r.value] for r in found}
    again = ask_records([planned()], keys_of(), Wildcards(table | published).resolve_many)
    assert not_kept(again) == {}


def test_a_text_of_a_wildcard_is_extended_and_stays_with_the_wildcard() -> None:
    table: Table = {("*.aurora-mail.example", "TXT"): ["v=spf1 ip4:192.0.2.1 -all"]}
    found = ask_records([planned()], keys_of(), Wildcards(table).resolve_many)
    record = only(found, Purpose.SPF)
    assert (record.value, record.replaces) == (f"v=spf1 ip4:192.0.2.1 {OURS} -all", ())
    assert record.note.startswith("a wildcard gives v=spf1 ip4:192.0.2.1 -all now")


def test_an_mx_to_an_alias_is_left_to_a_person() -> None:
    found = asked(good_table() | {(HOST, "CNAME"): ["else.example"]}, choices=Choices(mx=(HOST,)))
    assert not_kept(found) == {"mx": "by hand"}
    assert "is an alias" in only(found, Purpose.MX).note
    table = good_table() | {(HOST, "CNAME"): ["else.example"]}
    del table[DOMAIN, "MX"]
    assert not_kept(asked(table, choices=Choices(mx=(HOST,)))) == {"mx": "by hand"}


def test_an_ipv6_ip_is_judged_alike() -> None:
    sender = planned(address=ip_address("2001:db8::7"))
    assert not_kept(asked(good_table(sender), sender)) == {}
    assert not_kept(asked({}, sender))
