"""The DKIM key record (RFC 6376 section 3.6.1, RFC 8301, RFC 8463)."""

import base64
import binascii

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
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
ED25519_BYTES = 32


class BadKey(ValueError):
    """The text says what is wrong with a key record."""


def parse_tags(record: str) -> dict[str, str]:
    """`tag=value; ...` with white space around tags, and inside values, taken out (RFC 6376 section 3.2).

    Raises:
        BadKey: a part without `=`, or a tag twice.
    """
    tags: dict[str, str] = {}
    for part in record.split(";"):
        if not part.strip():
            continue
        tag, equals, value = part.partition("=")
        if not equals:
            raise BadKey(f"{part.strip()[:30]!r} is no tag")
        if tag.strip() in tags:
            raise BadKey(f"tag {tag.strip()} twice")
        tags[tag.strip()] = "".join(value.split())
    return tags


def parse_key(record: str) -> tuple[str, int, str]:
    """(kind `rsa` or `ed25519`, bits, the key as base64 of its SPKI or raw form).

    Raises:
        BadKey: revoked, malformed, or not usable for signatures of mail.
    """
    tags = parse_tags(record)
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise BadKey("v=DKIM1 must come first")
    if "p" not in tags:
        raise BadKey("no p=")
    if not tags["p"]:
        raise BadKey("p= is empty: the key is revoked")
    if "h" in tags and "sha256" not in tags["h"].split(":"):
        raise BadKey(f"h={tags['h']} lacks sha256")
    if "s" in tags and not {"*", "email"} & set(tags["s"].split(":")):
        raise BadKey(f"s={tags['s']} is not for mail")
    try:
        key = base64.b64decode(tags["p"], validate=True)
    except (binascii.Error, ValueError):
        raise BadKey("p= is not base64") from None
    kind = tags.get("k", "rsa")
    if kind == "ed25519":
        if len(key) != ED25519_BYTES:
            raise BadKey(f"an Ed25519 key of {len(key)} bytes")
        return kind, 8 * ED25519_BYTES, tags["p"]
    if kind != "rsa":
        raise BadKey(f"k={kind} is unknown")
    try:
        public = load_der_public_key(key)
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("p= is no RSA key") from None
    if not isinstance(public, RSAPublicKey):
        raise BadKey("p= is no RSA key")
    return kind, public.key_size, tags["p"]


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
        report.unknown("dkim.record", answer.reason, "one DKIM key record")
        return report
    records = answer.records if isinstance(answer, Found) else ()
    if len(records) != 1:
        seen = f"{len(records)} records" if records else "no record"
        report.broken("dkim.record", seen, "exactly one DKIM key record", remedy)
        return report
    try:
        kind, bits, key = parse_key(records[0])
    except BadKey as mistake:
        report.broken("dkim.record", str(mistake), "a DKIM key that receivers can use", remedy)
        return report
    report.ok("dkim.record", f"{kind}, {bits} bits")
    if kind == "rsa" and bits < WANTED_BITS:
        gravity = Gravity.ERROR if bits < LEAST_BITS else Gravity.WARNING
        change = f"make a key of {WANTED_BITS} bits, publish it under a new selector, then sign with it"
        report.broken("dkim.size", f"{bits} bits", f"{WANTED_BITS} bits (RFC 8301)", change, gravity)
    if subject.public_key is not None:
        if key == subject.public_key:
            report.ok("dkim.match", "p= is the partner of the signing key")
        else:
            report.broken("dkim.match", "p= belongs to another key", "the partner of the signing key", remedy)
    if "y" in parse_tags(records[0]).get("t", "").split(":"):
        change = "publish the record without t=y"
        report.broken("dkim.testing", "t=y", "no test flag on a domain that sends", change, Gravity.WARNING)
    return report


def _remedy(name: str, subject: Subject) -> str:
    if subject.public_key is None:
        key = f"<public key of {subject.dkim_key_path or 'the signing key'}>"
        return record_text(name, "TXT", f"v=DKIM1; k=rsa; p={key}")
    kind = "ed25519" if len(base64.b64decode(subject.public_key)) == ED25519_BYTES else "rsa"
    return record_text(name, "TXT", f"v=DKIM1; k={kind}; p={subject.public_key}")
