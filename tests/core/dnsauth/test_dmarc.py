"""DMARC by the tree walk of RFC 9989."""

import pytest

from email_engine.dns_answers import Unknown
from email_engine.dnsauth.model import DnsStatus, Gravity
from email_engine.dnsauth.organisation import is_dmarc, walk
from tests.dns_zone import DOMAIN, Zone, good_records

OWN, ORG, TLD = f"_dmarc.{DOMAIN}", "_dmarc.aurora-mail.example", "_dmarc.example"
GOOD = "v=DMARC1; p=reject; rua=mailto:dmarc@aurora.example"


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("example.com", ("example.com", "com")),
        ("a.mail.example.com", ("a.mail.example.com", "mail.example.com", "example.com", "com")),
        (
            "a.b.c.d.e.f.g.h.i.j.k.example.com",
            (
                "a.b.c.d.e.f.g.h.i.j.k.example.com", "g.h.i.j.k.example.com", "h.i.j.k.example.com", "i.j.k.example.com",
                "j.k.example.com", "k.example.com", "example.com", "com",
            ),
        ),
    ],
    ids=["organisation", "below it", "long names are cut to seven labels"],
)  # fmt: skip
def test_the_walk_asks_at_most_eight_names(domain: str, names: tuple[str, ...]) -> None:
    assert walk(domain) == names
    assert len(names) <= 8


@pytest.mark.parametrize(
    ("text", "yes"),
    [("v=DMARC1; p=none", True), ("v = DMARC1;p=none", True), ("v=DMARC1", True), ("v=dmarc1; p=none", False),
     ("p=none; v=DMARC1", False), ("v=DMARC10; p=none", False)],
)  # fmt: skip
def test_the_version_comes_first_in_this_case(text: str, yes: bool) -> None:
    assert is_dmarc(text) is yes


@pytest.mark.parametrize(
    ("records", "status", "observed"),
    [
        ({OWN: [GOOD]}, DnsStatus.OK, f"p=reject at {OWN}"),
        ({OWN: [], ORG: [GOOD]}, DnsStatus.OK, f"p=reject at {ORG}"),
        ({OWN: []}, DnsStatus.BROKEN, "no record up to"),
        ({OWN: ["v=spf1 -all"], ORG: [GOOD]}, DnsStatus.OK, ORG),
        ({OWN: [GOOD, GOOD], ORG: [GOOD]}, DnsStatus.BROKEN, "2 records"),
        ({OWN: [], ORG: [GOOD, GOOD]}, DnsStatus.BROKEN, "no record up to"),
        ({OWN: ["v=DMARC1; rua=mailto:a@b.example"]}, DnsStatus.OK, "p=none"),
        ({OWN: ["v=DMARC1; p=quarantined"]}, DnsStatus.BROKEN, "p=quarantined"),
        ({OWN: ["v=DMARC1; p=quarantined; rua=mailto:a@b.example"]}, DnsStatus.OK, "p=none"),
        ({OWN: Unknown("timeout"), ORG: [GOOD]}, DnsStatus.UNKNOWN, "timeout"),
        ({OWN: [], ORG: Unknown("servfail")}, DnsStatus.UNKNOWN, "servfail"),
        ({OWN: [GOOD], ORG: Unknown("servfail")}, DnsStatus.OK, OWN),
        ({OWN: [], ORG: [GOOD], TLD: ["v=DMARC1; p=none; psd=y; rua=mailto:a@b.example"]}, DnsStatus.OK, ORG),
        ({OWN: [], TLD: ["v=DMARC1; p=none; psd=y; rua=mailto:a@b.example"]}, DnsStatus.OK, TLD),
        ({OWN: [], ORG: [GOOD + "; psd=n"], TLD: [GOOD]}, DnsStatus.OK, ORG),
        ({OWN: [], ORG: [GOOD], TLD: [GOOD]}, DnsStatus.OK, TLD),
    ],
    ids=[
        "own", "organisation's", "none", "another TXT at the name", "two of its own", "two above", "no p but rua", "no such policy",
        "no such policy but rua", "no answer", "no answer above", "own record needs no other", "below a public suffix",
        "the suffix's own", "psd=n", "fewest labels",
    ],
)  # fmt: skip
def test_the_policy_that_applies(
    records: dict[str, list[str] | Unknown], status: DnsStatus, observed: str
) -> None:
    zone = Zone(good_records() | {(name, "TXT"): values for name, values in records.items()})
    finding = zone.findings()["dmarc.record"]
    assert finding.status is status
    assert observed in finding.observed
    if status is DnsStatus.BROKEN:
        assert f'{OWN}. TXT "v=DMARC1; p=none; rua=mailto:' in finding.remedy


@pytest.mark.parametrize(
    ("record", "check_id", "severity"),
    [
        ("v=DMARC1; p=none; pct=50; rua=mailto:a@b.example", "dmarc.tags", Gravity.INFO),
        ("v=DMARC1; p=none", "dmarc.rua", Gravity.INFO),
        ("v=DMARC1; p=maybe; rua=mailto:a@b.example", "dmarc.policy", Gravity.WARNING),
    ],
    ids=["removed tag", "no reports", "unknown policy"],
)
def test_small_things_are_told_without_breaking_it(record: str, check_id: str, severity: Gravity) -> None:
    found = Zone(good_records() | {(OWN, "TXT"): [record]}).findings()
    assert (found[check_id].status, found[check_id].severity) == (DnsStatus.BROKEN, severity)
    assert found["dmarc.record"].status is DnsStatus.OK
