"""Whatever stands in DNS: who publishes what is told has nothing left to publish, and the domain is ready."""

from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from email_engine.dns_answers import Trouble, Unknown
from email_engine.dnsauth.model import Subject
from email_engine.dnsauth.ready import judge_readiness
from email_engine.dnsauth.validate import examine, validity
from email_engine.records.model import Choices, DnsRecord, Keys, RecordState
from email_engine.records.wanted import ask_records, records_of
from tests.dkim_keys import KEYS, spki
from tests.dns_zone import Zone
from tests.fleet_senders import Planned, Table, good_table, keys_of, planned
from tests.zone_checks import fleets

SENDER = planned()
CHOICES = Choices(mx=(SENDER.hostname,), rua=f"dmarc@{SENDER.domain}")
ODD: dict[str, list[str]] = {
    "A": ["203.0.113.80"],
    "PTR": ["ip-7.hoster.example", SENDER.hostname],
    "MX": ["0 ", "10 mx.hoster.example", "10 gone.example", f"20 {SENDER.hostname}"],
    "TXT": [
        "v=spf1 -all", "v=spf1 +all", "v=spf1 mx include:wide.example ?all", "v=spf1 ptr ~all", "v=spf1", "v=spf1 redirect=wide.example",
        "v=spf1 a include:gone.example -all", "v=spf2", "v=DMARC1; p=none", "v=DMARC1; p=odd", "v=DMARC1; p=reject; rua=mailto:x@else.example",
        "v=DKIM1; p=", f"v=DKIM1; p={KEYS['ed25519']}", f"v=DKIM1; p={spki(2048, 2)}", "site=1",
    ],
}  # fmt: skip
AROUND: Table = {
    ("wide.example", "TXT"): ["v=spf1 ip4:198.51.100.0/24 -all"],
    ("mx.hoster.example", "A"): ["203.0.113.5"],
}


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """At each name nothing, what is right, or up to two things that are odd."""
    table: Table = dict(AROUND)
    for key, right in good_table().items():
        values = draw(
            st.sampled_from([[], right, Unknown(Trouble.SERVFAIL)])
            | st.lists(st.sampled_from([*ODD[key[1]], *right]), max_size=2, unique=True)  # type: ignore[misc]
        )
        if values:
            table[key] = values
    for name in draw(st.lists(st.sampled_from(sorted({name for name, _ in good_table()})), max_size=1)):
        table[name, "CNAME"] = ["else.example"]
    return table


def published(table: Table, records: Iterable[DnsRecord]) -> Table:
    """The table after its owner did as told."""
    after = dict(table)
    for record in records:
        if not record.stands_in_files:
            continue
        standing = after.get((record.name, record.rdtype), [])
        assert isinstance(standing, list)
        kept = [value for value in standing if value not in (*record.replaces, record.value)]
        after[record.name, record.rdtype] = [*kept, record.value]
    return after


@given(tables())
@settings(max_examples=50, deadline=None)
@example(dict(AROUND))
@example(
    AROUND
    | {
        (SENDER.hostname, "A"): [str(SENDER.address)],
        (SENDER.hostname, "TXT"): ["v=spf1 a -all"],
        (SENDER.hostname, "CNAME"): ["else.example"],
    }
)
def test_after_publishing_nothing_is_left_to_publish(table: Table) -> None:
    first = ask_records([SENDER], keys_of(), Zone(table).resolve_many, CHOICES)
    again = ask_records([SENDER], keys_of(), Zone(published(table, first)).resolve_many, CHOICES)
    assert [record for record in again if record.state is RecordState.PUBLISH] == []
    if all(record.stands_in_files for record in first):
        assert {record.state for record in again} == {RecordState.KEPT}
    if {record.state for record in again} == {RecordState.KEPT}:
        subject = Subject(SENDER.domain, SENDER.address, SENDER.hostname, "s1", public_key=spki())
        seen = examine(subject, Zone(published(table, first)).resolve_many)
        assert judge_readiness(seen.findings).valid is True
        assert set(validity(seen.findings).values()) == {True}


@given(tables())
@settings(max_examples=30, deadline=None)
def test_nobody_publishes_a_second_spf_record_or_one_that_lets_everybody_in(table: Table) -> None:
    found = ask_records([SENDER], keys_of(), Zone(table).resolve_many, CHOICES)
    after = published(table, found)
    if any(record.purpose == "spf" and record.state is RecordState.PUBLISH for record in found):
        texts = after[SENDER.domain, "TXT"]
        assert isinstance(texts, list)
        (spf,) = [text for text in texts if text.startswith("v=spf1")]
        assert "+all" not in spf


@given(made=fleets())
@settings(max_examples=15, deadline=None)
def test_any_fleet_that_publishes_all_is_ready(made: tuple[list[Planned], Keys]) -> None:
    senders, keys = made
    keys = {(sender.domain, sender.dkim_selector): spki() for sender in senders} | dict(keys)
    choices = Choices(mx=("mx.hoster.example",))
    found = records_of(senders, keys, choices=choices)
    table = published(AROUND, found)
    again = ask_records(senders, keys, Zone(table).resolve_many, choices)
    assert {record.state for record in again} == {RecordState.KEPT}
    assert {(r.name, r.rdtype, r.value) for r in again} == {(r.name, r.rdtype, r.value) for r in found}


@pytest.mark.parametrize("trouble", list(Trouble), ids=str)
def test_no_trouble_makes_a_record_missing(trouble: Trouble) -> None:
    for key in good_table():
        found = ask_records(
            [SENDER], keys_of(), Zone(good_table() | {key: Unknown(trouble)}).resolve_many, CHOICES
        )
        assert {record.state for record in found} <= {RecordState.KEPT, RecordState.UNKNOWN}
        assert RecordState.UNKNOWN in {record.state for record in found}
