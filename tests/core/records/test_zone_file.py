"""Master files, read by BIND's own checker and by dnspython."""

from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import dns.zone
import pytest
from hypothesis import HealthCheck, given, settings

from email_engine.errors import InputError
from email_engine.records.model import Choices, DnsRecord, Keys, Purpose, RecordState
from email_engine.records.wanted import records_of
from email_engine.records.zone_file import presentation, render_zone, serial_at
from email_engine.records.zones import Zone, by_zone
from tests.dkim_keys import spki
from tests.fleet_senders import Planned, keys_of, planned
from tests.zone_checks import check_zone, fleets, needs_bind

CHOICES = Choices(mx=("mx.hoster.test",), rua="dmarc@aurora-mail.example")
ZONE = Zone("aurora-mail.example")


def record(value: str, **changes: object) -> DnsRecord:
    made = {
        "name": "a.aurora-mail.example",
        "rdtype": "TXT",
        "purpose": Purpose.SPF,
        "subject": "a",
    } | changes
    return DnsRecord(value=value, **made)  # type: ignore[arg-type]


@needs_bind
@pytest.mark.parametrize("servers", [(), ("ns1.hoster.test", "ns2.hoster.test")], ids=["a part", "whole"])
@given(made=fleets())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bind_loads_the_zones_of_any_fleet(
    tmp_path: Path, servers: tuple[str, ...], made: tuple[list[Planned], Keys]
) -> None:
    senders, keys = made
    zones = by_zone(records_of(senders, keys, choices=CHOICES), {})
    for zone, records in zones.items():
        text = render_zone(zone, records, servers, 2026112900)
        assert check_zone(zone.name, text, tmp_path, whole=bool(servers)) == "OK"


@needs_bind
def test_bind_loads_the_zones_of_1000_ips(tmp_path: Path) -> None:
    senders = [
        planned(1, address=ip_address("198.51.0.0") + n, hostname=f"m{n}.aurora-mail.example", domain=f"d{n}.aurora-mail.example")
        for n in range(1, 1001)
    ]  # fmt: skip
    found = records_of(senders, {(s.domain, "s1"): spki(4096) for s in senders}, choices=CHOICES)
    zones = by_zone(found, {})
    assert [zone.name for zone in zones] == [*(f"{n}.51.198.in-addr.arpa" for n in range(4)), ZONE.name]
    for zone, records in zones.items():
        assert check_zone(zone.name, render_zone(zone, records), tmp_path, whole=False) == "OK"


@needs_bind
def test_the_checker_of_these_tests_refuses_a_wrong_file(tmp_path: Path) -> None:
    text = render_zone(ZONE, [record("198.51.100.300", rdtype="A")])
    assert "bad dotted quad" in check_zone(ZONE.name, text, tmp_path, whole=False)


@pytest.mark.parametrize(
    "value",
    ['quotes " and \\ and ; too', "v=DKIM1; k=rsa; p=" + "A" * 1000, "é" * 200, "tab\there"],
    ids=["signs", "four strings", "other letters", "a tab"],
)
def test_every_text_comes_back_from_the_file_as_it_was(value: str) -> None:
    text = render_zone(ZONE, [record(value)], ["ns.hoster.test"])
    zone = dns.zone.from_text(text, origin=f"{ZONE.name}.", relativize=False)
    (rdata,) = zone.find_rdataset(f"a.{ZONE.name}.", "TXT")
    assert b"".join(rdata.strings).decode() == value
    assert max(map(len, rdata.strings)) <= 255


def test_what_cannot_be_published_is_a_comment_with_its_reason() -> None:
    rows = [
        record("", state=RecordState.UNDECIDED, note="key not made yet"),
        record("v=spf1 -all", state=RecordState.UNKNOWN, note="no answer\nevil. IN A 192.0.2.1"),
        record("v=spf1 -all", replaces=("v=spf1 +all",)),
    ]
    lines = render_zone(ZONE, rows).splitlines()
    assert [line for line in lines if not line.startswith(";")] == [
        "$TTL 3600",
        'a.aurora-mail.example. 3600 IN TXT "v=spf1 -all"',
    ]
    assert "; a.aurora-mail.example. TXT: key not made yet" in lines
    assert "; in place of a.aurora-mail.example. TXT v=spf1 +all" in lines


def test_a_whole_zone_wants_name_servers_outside_of_it_or_with_an_address() -> None:
    with pytest.raises(InputError, match=r"ns1\.aurora-mail\.example lies in zone"):
        render_zone(ZONE, [record("x")], ["ns1.aurora-mail.example"])
    own = record("198.51.100.7", name="ns1.aurora-mail.example", rdtype="A")
    assert "@ 3600 IN NS ns1.aurora-mail.example." in render_zone(ZONE, [own], ["ns1.aurora-mail.example"])


def test_a_zone_that_is_a_guess_says_so() -> None:
    assert "; no SOA: find out before you publish" in render_zone(Zone(ZONE.name, "no SOA"), [record("x")])


def test_a_reverse_zone_names_its_network_and_classless_delegation() -> None:
    ptr = next(r for r in records_of([planned()], keys_of()) if r.rdtype == "PTR")
    text = render_zone(Zone("100.51.198.in-addr.arpa"), [ptr])
    assert "reverse zone of 198.51.100.0/24; if only a part of it is yours" in text
    assert "RFC 2317" in text
    assert presentation(ptr) == "mail7.aurora-mail.example."


@pytest.mark.parametrize(
    ("hour", "minute", "serial"), [(0, 0, 2026112900), (0, 15, 2026112901), (23, 59, 2026112995)]
)
def test_the_serial_grows_every_quarter_of_an_hour(hour: int, minute: int, serial: int) -> None:
    assert serial_at(datetime(2026, 11, 29, hour, minute, tzinfo=UTC)) == serial
