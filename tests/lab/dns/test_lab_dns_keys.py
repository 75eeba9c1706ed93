"""DKIM records made from key files verify what the private key signs, and the broken ones do not."""

import base64
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from lab.dns.records import How, SendingDomain, Which, dkim_txt, render_records


def written(path: Path, key: object) -> Path:
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def published(txt: str) -> bytes:
    return base64.b64decode(txt.rpartition("p=")[2])


def test_an_rsa_record_carries_the_spki_of_the_key(tmp_path: Path) -> None:
    private = rsa.generate_private_key(65537, 2048)
    txt = dkim_txt(written(tmp_path / "key.pem", private.public_key()))
    assert txt.startswith("v=DKIM1; k=rsa; p=")
    signature = private.sign(b"message", padding.PKCS1v15(), SHA256())
    load_der_public_key(published(txt)).verify(signature, b"message", padding.PKCS1v15(), SHA256())


def test_a_wrong_record_is_well_formed_but_verifies_nothing(tmp_path: Path) -> None:
    private = rsa.generate_private_key(65537, 2048)
    txt = dkim_txt(written(tmp_path / "key.pem", private.public_key()))
    domain = SendingDomain("d.example", ip_address("198.51.100.1"), "h.example", "s1", txt)
    records = render_records([domain], {("d.example", Which.DKIM): How.WRONG})
    (wrong,) = records["s1._domainkey.d.example", "TXT"]
    signature = private.sign(b"message", padding.PKCS1v15(), SHA256())
    with pytest.raises(InvalidSignature):
        load_der_public_key(published(wrong)).verify(signature, b"message", padding.PKCS1v15(), SHA256())


def test_an_ed25519_record_carries_the_raw_key(tmp_path: Path) -> None:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    txt = dkim_txt(written(tmp_path / "key.pem", public))
    assert txt.startswith("v=DKIM1; k=ed25519; p=")
    assert published(txt) == public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def test_other_keys_are_refused(tmp_path: Path) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(ValueError, match="DKIM knows RSA and Ed25519"):
        dkim_txt(written(tmp_path / "key.pem", public))
