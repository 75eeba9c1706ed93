"""Second opinions where they are right: dkimpy signs and verifies against what we call valid, checkdmarc reads the same zones."""

import base64
import warnings
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dkim
import dns.resolver
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from email_engine.adapters.dns_resolver import Resolver
from email_engine.dns_answers import Absence, Answer, Found, NotFound, Question
from email_engine.dnsauth.dkim import public_key_of
from email_engine.dnsauth.model import DnsStatus, Lookup, Subject
from email_engine.dnsauth.spf_host import SpfResult, check_host
from email_engine.dnsauth.validate import validate
from lab.testing import RunningLab
from tests.dkim_keys import KEYS, ed25519, rsa, spki
from tests.dns_lab import PATIENCE, dns_lab
from tests.integration.test_dns_cases import FOLDER, filled
from tests.zone_server import ZoneAnswers, ZoneServer, zone_server

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import checkdmarc.dmarc
    import checkdmarc.spf
    import checkdmarc.utils

MESSAGE = b"From: news@d.test\r\nTo: you@example.org\r\nSubject: hello\r\nDate: Sun, 01 Nov 2026 08:00:00 +0000\r\n\r\nHello.\r\n"
PEM = rsa(2048, 0).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
SEED = base64.b64encode(ed25519().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
EDWARDS = ed25519().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

RECORDS = {
    "usual": f"v=DKIM1; k=rsa; p={KEYS['rsa2048']}",
    "defaults": f"p={KEYS['rsa2048']}",
    "folded": f"v=DKIM1; h=sha256; s=email; t=s; p={KEYS['rsa2048'][:100]} {KEYS['rsa2048'][100:]}",
    "PKCS#1": f"v=DKIM1; k=rsa; p={KEYS['pkcs1']}",
    "another key": f"v=DKIM1; k=rsa; p={spki(2048, 1)}",
    "revoked": "v=DKIM1; k=rsa; p=",
    "PEM lines": f"v=DKIM1; k=rsa; p=-----BEGIN PUBLIC KEY-----{KEYS['rsa2048']}-----END PUBLIC KEY-----",
    "text without tag": f"v=DKIM1; k=rsa; p={KEYS['rsa2048']}; ~",
    "key twice": f"v=DKIM1; p={KEYS['rsa2048']}; p={KEYS['rsa2048']}",
    "upper case": f"V=DKIM1; K=rsa; P={KEYS['rsa2048']}",
    "cut short": f"v=DKIM1; p={KEYS['rsa2048'][:200]}",
}


def signed(private: bytes, algorithm: bytes = b"rsa-sha256") -> bytes:
    header: bytes = dkim.sign(MESSAGE, b"s1", b"d.test", private, signature_algorithm=algorithm)
    return header + MESSAGE


def verified(message: bytes, record: str) -> bool:
    try:
        return bool(dkim.verify(message, dnsfunc=lambda name, timeout=5: record.encode()))
    except Exception:  # noqa: BLE001 - whatever it stumbles over, the message was not verified
        return False


def valid(record: str, public_key: str) -> bool:
    """Do we call the record good, and the partner of the key in use?"""

    def resolve_many(questions: Any) -> dict[Question, Answer]:
        name = "s1._domainkey.d.test"
        return {q: Found((record,)) if q.name == name else NotFound(Absence.NXDOMAIN) for q in questions}

    subject = Subject("d.test", None, selector="s1", public_key=public_key)
    findings = [
        f for f in validate([subject], resolve_many)[subject] if f.group == "dkim" and f.severity == "error"
    ]
    return {f.status for f in findings} == {DnsStatus.OK} and "dkim.match" in {f.check_id for f in findings}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_what_we_call_valid_verifies_a_real_signature_and_what_we_refuse_does_not(record: str) -> None:
    assert valid(record, public_key_of(PEM)) is verified(signed(PEM), record)


@pytest.mark.parametrize(
    "form", [PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1], ids=["SPKI", "PKCS#1"]
)
def test_the_key_in_use_may_lie_there_in_any_form(form: PublicFormat) -> None:
    public = rsa(2048, 0).public_key().public_bytes(Encoding.PEM, form)
    assert valid(RECORDS["PKCS#1"], public_key_of(public))
    assert valid(RECORDS["usual"], public_key_of(public))
    assert not valid(RECORDS["another key"], public_key_of(public))


def test_ed25519_verifies_as_well() -> None:
    record = f"v=DKIM1; k=ed25519; p={KEYS['ed25519']}"
    assert verified(signed(SEED, b"ed25519-sha256"), record)
    assert valid(record, public_key_of(EDWARDS))
    assert not valid(record, public_key_of(PEM))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with dns_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def ask(port: int) -> dns.resolver.Resolver:
    asker = dns.resolver.Resolver(configure=False)
    asker.nameservers, asker.port = ["127.0.0.1"], port
    asker.timeout, asker.lifetime = PATIENCE["timeout"], PATIENCE["timeout"] * PATIENCE["tries"]
    return asker


def test_a_message_signed_with_the_labs_key_verifies_against_the_labs_dns(lab: RunningLab) -> None:
    domain = "news1.aurora-mail.example"
    pem = (Path(lab.world["state"]) / "keys" / "dkim.pem").read_bytes()
    asker = ask(lab.world["dns"]["port"])

    def txt(name: bytes, timeout: int = 5) -> bytes:
        (record,) = asker.resolve(name.decode(), "TXT")
        return b"".join(record.strings)

    message = dkim.sign(MESSAGE, b"s1", domain.encode(), pem) + MESSAGE
    assert dkim.verify(message, dnsfunc=txt)
    assert not dkim.verify(message.replace(b"Hello.", b"Hallo."), dnsfunc=txt)


@pytest.fixture(scope="module")
def server() -> Iterator[ZoneServer]:
    with zone_server() as running:
        yield running


def documents(name: str) -> list[Any]:
    cases = list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))
    silent = ("SERVFAIL", "REFUSED", "TIMEOUT")
    return [case for case in cases if not any(word in str(case["zones"]) for word in silent)]


DMARC = [case for case in documents("dmarc.yaml") if "dmarc.policy" in case["want"]]
WRONG = {
    "np for a name that is not there": "it refuses names that are not in DNS",
    "an invalid sp with an address for reports": "RFC 9989 section 4.10.1 rules p=none",
    "an empty p with an address for reports": "RFC 9989 section 4.10.1 rules p=none",
    "p in upper case, last tag without a value": "RFC 9989 section 4.8: what cannot be read is passed over",
}
"""Where checkdmarc, which is there to find mistakes, is stricter than a receiver may be."""


@pytest.mark.parametrize("case", DMARC, ids=[case["title"] for case in DMARC])
def test_checkdmarc_finds_a_policy_where_we_do(case: dict[str, Any], server: ZoneServer) -> None:
    zones, domain = filled(case["zones"]), case["cmd"][1]
    if case["title"] != "np for a name that is not there":
        zones.setdefault(domain, {"A": "203.0.113.1"})
    server.use(ZoneAnswers(zones))
    checkdmarc.utils.DNS_CACHE.clear()
    found = checkdmarc.dmarc.check_dmarc(domain, resolver=ask(server.port), ignore_unrelated_records=True)
    agreed = found["valid"] is (case["want"]["dmarc.policy"] is not None)
    assert agreed is (case["title"] not in WRONG)


SPF = {
    "v=spf1 -all": (0, 0),
    "v=spf1 a mx -all": (2, 0),
    "v=spf1 a:gone.o.test include:inner.o.test -all": (4, 1),
    "v=spf1 include:inner.o.test include:inner.o.test ~all": (6, 0),
    "v=spf1 redirect=inner.o.test": (3, 0),
    "v=spf1 a:gone.o.test mx:lost.o.test -all": (2, 2),
}
SPF_ZONES = {
    "inner.o.test": {"TXT": "v=spf1 a:m.o.test mx:o.test ip4:203.0.113.1 -all"},
    "m.o.test": {"A": "203.0.113.9", "AAAA": "2001:db8::9"},
}


@pytest.mark.parametrize(("record", "counters"), SPF.items())
def test_checkdmarc_counts_the_same_look_ups(
    record: str, counters: tuple[int, int], server: ZoneServer
) -> None:
    own = {"TXT": record, "A": "203.0.113.8", "AAAA": "2001:db8::8", "MX": [[10, "m.o.test"]]}
    server.use(ZoneAnswers(SPF_ZONES | {"o.test": own}))
    checkdmarc.utils.DNS_CACHE.clear()
    theirs = checkdmarc.spf.check_spf("o.test", resolver=ask(server.port))
    assert (theirs["dns_lookups"], theirs["void_dns_lookups"]) == counters
    ours = evaluate(server.port, "o.test")
    assert (ours.terms, ours.voids) == counters


def evaluate(port: int, domain: str) -> SpfResult:
    """For a stranger, whom no term stops before the end."""
    resolver = Resolver([("127.0.0.1", port)], **PATIENCE)
    known: dict[Question, Answer] = {}
    for _ in range(20):
        lookup = Lookup(known)
        if (done := check_host(lookup, ip_address("198.51.100.200"), domain, domain)) is not None:
            return done
        known |= resolver.resolve_many(lookup.missing)
    raise AssertionError("never done")
