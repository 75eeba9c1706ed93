"""YAML for octoDNS, loaded by octoDNS."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from octodns.provider.yaml import YamlProvider
from octodns.zone import Zone as OctoZone

from email_engine.records.model import Choices, DnsRecord, Keys, Purpose, RecordState
from email_engine.records.octodns import octodns_data, render_octodns
from email_engine.records.wanted import records_of
from email_engine.records.zones import Zone, by_zone
from tests.dkim_keys import spki
from tests.fleet_senders import Planned, keys_of, planned
from tests.zone_checks import fleets

ZONE = Zone("aurora-mail.example")


def loaded(zone: Zone, text: str, folder: Path) -> dict[tuple[str, str], list[str]]:
    """(name, type) to values, as octoDNS reads the file: strictly, with its order of keys."""
    (folder / f"{zone.name}.yaml").write_text(text)
    provider = YamlProvider("engine", str(folder), default_ttl=1, enforce_order=True, escaped_semicolons=True)
    made = OctoZone(f"{zone.name}.", [])
    provider.populate(made)
    return {
        (record.fqdn.rstrip("."), record._type): sorted(map(_plain, getattr(record, "values", None) or [record.value]))
        for record in made.records
    }  # fmt: skip


def _plain(value: object) -> str:
    if hasattr(value, "exchange"):
        return f"{value.preference} {value.exchange}".rstrip(".")
    return str(value).replace("\\;", ";").rstrip(".")


def standing(records: tuple[DnsRecord, ...]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if record.stands_in_files:
            found.setdefault((record.name, record.rdtype), []).append(record.value)
    return {key: sorted(values) for key, values in found.items()}


@given(made=fleets())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_octodns_reads_what_was_meant(tmp_path: Path, made: tuple[list[Planned], Keys]) -> None:
    senders, keys = made
    choices = Choices(mx=("mx1.hoster.test", "mx2.hoster.test"), rua="dmarc@aurora-mail.example")
    for zone, records in by_zone(records_of(senders, keys, choices=choices), {}).items():
        assert loaded(zone, render_octodns(zone, records), tmp_path) == standing(records)


def test_octodns_reads_100_ips_in_its_own_order(tmp_path: Path) -> None:
    senders = [planned(n) for n in range(1, 101)]
    found = records_of(senders, {key: spki(4096) for key in keys_of(*senders)})
    for zone, records in by_zone(found, {}).items():
        assert loaded(zone, render_octodns(zone, records), tmp_path) == standing(records)


def test_names_at_the_top_are_empty_and_semicolons_escaped() -> None:
    rows = records_of(
        [planned(domain=ZONE.name)],
        keys_of(planned(domain=ZONE.name)),
        choices=Choices(mx=("mx.hoster.test",)),
    )
    data = octodns_data(ZONE, [row for row in rows if row.rdtype != "PTR"])
    assert data[""][0] == {
        "ttl": 3600,
        "type": "MX",
        "value": {"exchange": "mx.hoster.test.", "preference": 10},
    }
    assert data["_dmarc"][0]["value"] == "v=DMARC1\\; p=none"


def test_what_stands_beside_stays_in_the_set_of_records() -> None:
    own = DnsRecord(ZONE.name, "TXT", "v=spf1 -all", Purpose.SPF, ZONE.name)
    other = DnsRecord(ZONE.name, "TXT", "site=a;b", Purpose.BESIDE, ZONE.name, RecordState.KEPT)
    assert octodns_data(ZONE, [own, other])[""][0]["values"] == ["v=spf1 -all", "site=a\\;b"]


@pytest.mark.parametrize("value", ["é", "a\\b", 'a "word"'])
def test_what_octodns_does_not_take_is_told(value: str) -> None:
    record = DnsRecord(ZONE.name, "TXT", value, Purpose.BESIDE, ZONE.name, RecordState.KEPT)
    assert octodns_data(ZONE, [record]) == {}
    assert f"octoDNS cannot hold {value!r} and would remove it" in render_octodns(ZONE, [record])


def test_comments_are_one_line_each(tmp_path: Path) -> None:
    record = DnsRecord(
        ZONE.name, "MX", "", Purpose.MX, ZONE.name, RecordState.UNDECIDED, "who knows\nmail: {type: A}"
    )
    assert loaded(ZONE, render_octodns(ZONE, [record]), tmp_path) == {}
