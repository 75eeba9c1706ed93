"""The DKIM key record (RFC 6376 section 3.6.1, RFC 8301, RFC 8463)."""

import base64
import binascii
import re
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from email_engine.dns_answers import Found, Unknown
from email_engine.dnsauth.model import Gravity, Lookup, Report, Subject, record_text

LEAST_BITS = 1024
WANTED_BITS = 2048
MOST_BITS = 4096
ED25519_BYTES = 32
_BLANKS = " \t\r\n"
_NO_BLANKS = dict.fromkeys(map(ord, _BLANKS))
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class BadKey(ValueError):
    """The text says what is wrong with a key record."""


@dataclass(frozen=True, slots=True)
class DkimKey:
    """What p= holds. `kind` rsa or ed25519; `numbers`: (modulus, exponent), or the 32 bytes as one number; `spki`: an RSA key that
    is wrapped as RFC 6376 wants it."""

    kind: str
    bits: int
    numbers: tuple[int, ...]
    spki: bool = True

    def same_as(self, other: "DkimKey") -> bool:
        """The same key, however it is written."""
        return (self.kind, self.numbers) == (other.kind, other.numbers)


def parse_tags(record: str) -> dict[str, str]:
    """`tag=value; ...` with white space around tags, and inside values, taken out (RFC 6376 section 3.2).

    Raises:
        BadKey: a part without `=`, a name that is none, or a tag twice.
    """
    if "\\;" in record:
        raise BadKey(
            "backslashes before the semicolons, as a zone file needs them but DNS must not hold them"
        )
    tags: dict[str, str] = {}
    for part in record.split(";"):
        if not part.strip(_BLANKS):
            continue
        tag, equals, value = part.partition("=")
        name = tag.strip(_BLANKS)
        if not equals or not _TAG.fullmatch(name):
            raise BadKey(f"{part.strip()[:30]!r} is no tag")
        if name in tags:
            raise BadKey(f"tag {name} twice")
        tags[name] = value.translate(_NO_BLANKS)
    return tags


def parse_key(record: str) -> DkimKey:
    """The key of a record that verifiers can use.

    Raises:
        BadKey: revoked, malformed, or not usable for signatures of mail.
    """
    tags = parse_tags(record)
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise BadKey(
            f"v={tags['v'][:30]}: v=DKIM1 must come first"
            if tags["v"] != "DKIM1"
            else "v=DKIM1 must come first"
        )
    if "p" not in tags:
        raise BadKey("no p= (tags are lower case)" if "P" in tags else "no p=")
    if not tags["p"]:
        raise BadKey("p= is empty: the key is revoked")
    if "h" in tags and "sha256" not in tags["h"].split(":"):
        raise BadKey(f"h={tags['h']} lacks sha256")
    if "s" in tags and not {"*", "email"} & set(tags["s"].split(":")):
        raise BadKey(f"s={tags['s']} is not for mail")
    return _key(tags.get("k", "rsa"), _octets(tags["p"]))


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        if "-----" in text:
            raise BadKey("p= is not base64: it holds the lines around a PEM file") from None
        if '"' in text:
            raise BadKey("p= is not base64: quotes stand inside it") from None
        raise BadKey("p= is not base64") from None


def _key(kind: str, octets: bytes) -> DkimKey:
    if kind == "ed25519":
        if len(octets) != ED25519_BYTES:
            raise BadKey(f"an Ed25519 key of {len(octets)} bytes")
        return DkimKey(kind, 8 * ED25519_BYTES, (int.from_bytes(octets),))
    if kind != "rsa":
        raise BadKey(f"k={kind} is unknown")
    try:
        public = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("p= is no RSA key") from None
    if not isinstance(public, RSAPublicKey):
        raise BadKey("p= is no RSA key")
    numbers = public.public_numbers()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return DkimKey(kind, public.key_size, (numbers.n, numbers.e), spki == octets)


def key_in_use(text: str) -> DkimKey:
    """The key of `Subject.public_key`, as `public_key_of` writes it; raises BadKey where it is none."""
    octets = _octets(text)
    return _key("ed25519" if len(octets) == ED25519_BYTES else "rsa", octets)


def key_record(public_key: str) -> str:
    """The TXT value that publishes a key (base64, as `public_key_of` writes it).

    Raises:
        BadKey: no key that verifiers can use.
    """
    return f"v=DKIM1; k={key_in_use(public_key).kind}; p={public_key}"


def public_key_of(pem: bytes) -> str:
    """What p= must be for a PEM file with a private or public key (RSA: SPKI; Ed25519: the raw bytes), as base64.

    Raises:
        BadKey: neither; the text holds nothing of the file.
    """
    try:
        key = (
            load_pem_private_key(pem, None).public_key()
            if b"PRIVATE KEY" in pem
            else load_pem_public_key(pem)
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey("no PEM key without passphrase") from None
    if isinstance(key, Ed25519PublicKey):
        return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    if isinstance(key, RSAPublicKey):
        return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    raise BadKey("neither RSA nor Ed25519")


def check_dkim(lookup: Lookup, subject: Subject) -> Report:
    """Exactly one usable key at the selector, of proper size, and the partner of the key that signs."""
    name = f"{subject.selector}._domainkey.{subject.domain}"
    report = Report(name)
    answer = lookup.ask(name, "TXT")
    remedy = _remedy(name, subject)
    if isinstance(answer, Unknown):
        report.unknown("dkim.record", answer, name, "one DKIM key record")
        return report
    records = answer.records if isinstance(answer, Found) else ()
    if len(records) != 1:
        seen = (
            f"{len(records)} records: what verifiers do with them is not defined" if records else "no record"
        )
        report.broken("dkim.record", seen, "exactly one DKIM key record", remedy)
        return report
    try:
        key = parse_key(records[0])
    except BadKey as mistake:
        report.broken("dkim.record", str(mistake), "a DKIM key that receivers can use", remedy)
        return report
    report.ok("dkim.record", f"{key.kind}, {key.bits} bits")
    _judge_form(report, name, key, records[0])
    if subject.public_key is not None:
        if key.same_as(key_in_use(subject.public_key)):
            report.ok("dkim.match", "p= is the partner of the signing key")
        else:
            report.broken("dkim.match", "p= belongs to another key", "the partner of the signing key", remedy)
    if "y" in parse_tags(records[0]).get("t", "").split(":"):
        change = record_text(name, "TXT", _rewritten(records[0], "t"))
        report.broken("dkim.testing", "t=y", "no test flag on a domain that sends", change, Gravity.WARNING)
    return report


def _judge_form(report: Report, name: str, key: DkimKey, record: str) -> None:
    if key.kind != "rsa":
        return
    change = f"make a key of {WANTED_BITS} bits, publish it under a new selector, then sign with it"
    if key.bits < WANTED_BITS:
        gravity = Gravity.ERROR if key.bits < LEAST_BITS else Gravity.WARNING
        report.broken("dkim.size", f"{key.bits} bits", f"{WANTED_BITS} bits (RFC 8301)", change, gravity)
    elif key.bits > MOST_BITS:
        expected = f"{WANTED_BITS} to {MOST_BITS} bits: not every verifier takes more"
        report.broken("dkim.size", f"{key.bits} bits", expected, change, Gravity.WARNING)
    if not key.spki:
        wrapped = record_text(name, "TXT", _rewritten(record, "p", _spki(key)))
        seen = "p= is a bare RSA key (PKCS#1), or has octets that do not belong to it"
        report.broken("dkim.form", seen, "p= as SPKI (RFC 6376 section 3.6.1)", wrapped, Gravity.WARNING)


def _spki(key: DkimKey) -> str:
    modulus, exponent = key.numbers
    public = RSAPublicNumbers(exponent, modulus).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _rewritten(record: str, tag: str, value: str = "") -> str:
    """The record with another value for a tag, or without it."""
    tags = parse_tags(record)
    changed = {name: value if name == tag else kept for name, kept in tags.items() if name != tag or value}
    return "; ".join(f"{name}={kept}" for name, kept in changed.items())


def _remedy(name: str, subject: Subject) -> str:
    if subject.public_key is None:
        file = subject.dkim_key_path
        how = f"openssl pkey -pubout -in {file}" if file else "openssl pkey -pubout -in KEYFILE"
        return f"publish the public half of the key that signs, as TXT at {name}: v=DKIM1; k=rsa; p= and what `{how}` prints, in one line and without the lines around it"
    return record_text(name, "TXT", key_record(subject.public_key))
