"""DKIM keys in every form that people publish, made anew in each test session; by name, as base64."""

import base64
import secrets
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@cache
def rsa(bits: int = 2048, number: int = 0) -> RSAPrivateKey:
    """Always the same key for the same `bits` and `number`."""
    return generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ed25519() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def spki(bits: int = 2048, number: int = 0) -> str:
    return _base64(
        rsa(bits, number).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def weak(bits: int) -> str:
    """A key that nobody makes any more, by its numbers: nothing is signed with it."""
    modulus = (1 << (bits - 1)) | secrets.randbits(bits - 1) | 1
    numbers = _der(0x02, b"\0" + modulus.to_bytes(bits // 8)) + _der(0x02, (65537).to_bytes(3))
    algorithm = _der(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    return _base64(_der(0x30, algorithm + _der(0x03, b"\0" + _der(0x30, numbers))))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8 or 1)
    length = octets if size < 128 else bytes([0x80 | len(octets)]) + octets
    return bytes([tag]) + length + content


KEYS = {
    "rsa2048": spki(),
    "rsa1024": spki(1024),
    "rsa512": weak(512),
    "pkcs1": _base64(rsa(2048, 0).public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)),
    "ed25519": _base64(ed25519().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
    "ed25519spki": _base64(
        ed25519().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ),
}
