"""The DKIM key record, and its match with the key that signs."""

import base64
import re
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from email_engine.dns_answers import Unknown
from email_engine.dnsauth.dkim import BadKey, parse_key, parse_tags, public_key_of
from email_engine.dnsauth.model import DnsStatus, Gravity
from tests.dkim_keys import KEYS, rsa, spki, weak
from tests.dns_zone import DOMAIN, SUBJECT, Zone, good_records

NAME = f"s1._domainkey.{DOMAIN}"


def ed25519() -> str:
    return base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize(
    ("record", "kind", "bits"),
    [
        (f"v=DKIM1; k=rsa; p={spki()}", "rsa", 2048),
        (f"p={spki()}", "rsa", 2048),
        (f"v=DKIM1;h=sha1:sha256;s=email;t=s;n=note;p= {spki()[:80]} {spki()[80:]};", "rsa", 2048),
        (f"v=DKIM1; k=ed25519; p={ed25519()}", "ed25519", 256),
    ],
    ids=["usual", "defaults", "all tags, folded", "Ed25519"],
)
def test_a_good_record_is_read(record: str, kind: str, bits: int) -> None:
    key = parse_key(record)
    assert (key.kind, key.bits, key.spki) == (kind, bits, True)


@pytest.mark.parametrize(
    ("record", "mistake"),
    [
        (f"v=DKIM2; p={spki()}", "v=DKIM1 must come first"),
        (f"k=rsa; v=DKIM1; p={spki()}", "v=DKIM1 must come first"),
        ("v=DKIM1; k=rsa", "no p="),
        ("v=DKIM1; p=", "revoked"),
        (f"v=DKIM1; h=sha1; p={spki()}", "lacks sha256"),
        (f"v=DKIM1; s=tlsrpt; p={spki()}", "not for mail"),
        ("v=DKIM1; p=***", "not base64"),
        ("v=DKIM1; p=AAAA", "no RSA key"),
        (f"v=DKIM1; k=dsa; p={spki()}", "k=dsa is unknown"),
        ("v=DKIM1; k=ed25519; p=AAAA", "3 bytes"),
        (f"v=DKIM1; p={spki()}; p={spki()}", "tag p twice"),
        ("v=DKIM1; nonsense", "is no tag"),
    ],
    ids=lambda value: value if len(value) < 40 else "",
)
def test_a_bad_record_is_named(record: str, mistake: str) -> None:
    with pytest.raises(BadKey, match=re.escape(mistake)):
        parse_key(record)


def test_white_space_and_a_closing_semicolon_mean_nothing() -> None:
    assert parse_tags(" v = DKIM1 ; p = A B\tC ; ") == {"v": "DKIM1", "p": "ABC"}


@pytest.mark.parametrize(
    ("values", "check_id", "status", "severity", "observed"),
    [
        ([f"v=DKIM1; p={spki()}"], "dkim.record", DnsStatus.OK, Gravity.ERROR, "rsa, 2048 bits"),
        ([], "dkim.record", DnsStatus.BROKEN, Gravity.ERROR, "no record"),
        (["v=DKIM1; p="], "dkim.record", DnsStatus.BROKEN, Gravity.ERROR, "revoked"),
        ([f"p={spki()}", f"p={spki(number=1)}"], "dkim.record", DnsStatus.BROKEN, Gravity.ERROR, "2 records"),
        (Unknown("servfail"), "dkim.record", DnsStatus.UNKNOWN, Gravity.ERROR, "servfail"),
        ([f"v=DKIM1; p={spki(1024)}"], "dkim.size", DnsStatus.BROKEN, Gravity.WARNING, "1024 bits"),
        ([f"v=DKIM1; p={weak(4104)}"], "dkim.size", DnsStatus.BROKEN, Gravity.WARNING, "4104 bits"),
        ([f"v=DKIM1; p={weak(1016)}"], "dkim.size", DnsStatus.BROKEN, Gravity.ERROR, "1016 bits"),
        ([f"v=DKIM1; p={KEYS['pkcs1']}"], "dkim.form", DnsStatus.BROKEN, Gravity.WARNING, "PKCS#1"),
        ([f"v=DKIM1; t=y:s; p={spki()}"], "dkim.testing", DnsStatus.BROKEN, Gravity.WARNING, "t=y"),
    ],
    ids=[
        "good",
        "missing",
        "revoked",
        "two",
        "no answer",
        "short key",
        "long key",
        "shorter than allowed",
        "bare key",
        "testing",
    ],
)
def test_what_the_selector_shows(
    values: list[str] | Unknown, check_id: str, status: DnsStatus, severity: Gravity, observed: str
) -> None:
    finding = Zone(good_records() | {(NAME, "TXT"): values}).findings()[check_id]
    assert (finding.status, finding.severity) == (status, severity)
    assert observed in finding.observed
    assert finding.subject == NAME


def test_the_published_key_must_be_the_partner_of_the_signing_key() -> None:
    zone = Zone(good_records(f"v=DKIM1; p={spki()}"))
    assert zone.findings(replace(SUBJECT, public_key=spki()))["dkim.match"].status is DnsStatus.OK
    other = zone.findings(replace(SUBJECT, public_key=spki(number=1)))["dkim.match"]
    assert other.status is DnsStatus.BROKEN
    published = "".join(part for part in other.remedy.split('"') if part.strip())
    assert spki(number=1) in published
    assert "dkim.match" not in zone.findings(SUBJECT)


def test_without_the_key_the_remedy_names_its_file() -> None:
    remedy = Zone(good_records()).findings()["dkim.record"].remedy
    assert "/etc/pmta/dkim/s1.pem" in remedy


def test_a_key_file_gives_its_public_half() -> None:
    private = rsa(2048, 0).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = rsa(2048, 0).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert public_key_of(private) == public_key_of(public) == spki()
    six = Ed25519PrivateKey.generate()
    raw = base64.b64encode(six.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    assert public_key_of(six.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())) == raw


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----",
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
    ],
    ids=["empty", "garbage", "elliptic curve"],
)
def test_another_file_is_refused_without_showing_it(pem: bytes) -> None:
    with pytest.raises(BadKey) as caught:
        public_key_of(pem)
    assert "SECRET" not in str(caught.value)
