"""SSH keys as people paste them: a form's one-line field loses line breaks, copies bring quotes, hosts and comments along.

What can be put right without a guess is; everything else is an InputError that says what was seen and never shows it."""

import base64
import binascii
import io
import re
from collections.abc import Iterator

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from email_engine.errors import InputError

_DASHES = r"[-\u2010-\u2015\u2212]{2,}"
_FRAME = re.compile(
    rf"{_DASHES}\s*BEGIN\s*([A-Z0-9 ]*?)\s*PRIVATE\s*KEY\s*{_DASHES}(.*?)(?:{_DASHES}\s*END[A-Z0-9 ]*{_DASHES}|\Z)",
    re.DOTALL,
)
_ENDED = re.compile(rf"{_DASHES}\s*END")
_MAGIC = b"openssh-key-v1\0"
_INVISIBLE = dict.fromkeys((0xFEFF, 0x200B, 0x200C, 0x200D, 0x2060), None)
_KEEP = "take the key's text from its BEGIN line to its END line"
_MAKE = "make a key with `ssh-keygen -t ed25519 -N '' -f email-engine` and put the text of the file `email-engine` there"
_OTHER = (
    (r"PuTTY-User-Key-File", "a PuTTY .ppk file", "convert it with `puttygen KEY.ppk -O private-openssh -o KEY`"),
    (r"ENCRYPTED", "a key with a passphrase", "take the passphrase off a copy: `ssh-keygen -p -N '' -f KEY`"),
    (r"BEGIN (SSH2 |RSA |DSA |EC )?PUBLIC KEY|^(ssh|ecdsa|sk-)[a-z0-9@.-]+ +AAAA", "a public key",
     "put in the private half: the file of the same name without `.pub`"),
    (r"BEGIN CERTIFICATE|-cert-v0\d@openssh", "a certificate", _MAKE),
    (r"BEGIN PGP", "a PGP key", _MAKE),
    (r"^(SHA256|MD5):", "a key's fingerprint", _KEEP),
    (r"^(~|\.{0,2})/[^\s]+$|^[A-Za-z]:\\", "a path", "put it into the field `private_key_file`"),
    (r"^\*+$", "only asterisks, as forms show a stored secret", "paste the key itself"),
)  # fmt: skip
_HOST_KEY = re.compile(r"(ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)|ssh-rsa)\s+(AAAA[A-Za-z0-9+/=]*)")
_PARTS = {"ssh-ed25519": 2, "ssh-rsa": 3}
_BEST_FIRST = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


def _plain(text: str) -> str:
    """Without what copying adds: byte order marks, CRLF, `\\n` in two characters, quotes around it, non-breaking blanks."""
    text = text.translate(_INVISIBLE).replace("\u00a0", " ")
    text = re.sub(r"\\+r\\+n|\\+[rn]|\r\n?", "\n", text)
    return text.strip(" \t\n\"'`\u2018\u2019\u201c\u201d,;")


def private_key_text(text: str, subject: str) -> str:
    """The key in PEM with its line breaks, whatever became of them. Raises InputError for what is no usable private key."""
    plain = _plain(text)
    found = _FRAME.search(plain)
    if found is None:
        bare = "".join(plain.split())
        if bare.startswith(base64.b64encode(_MAGIC)[:18].decode()):
            found = _FRAME.search(
                f"-----BEGIN OPENSSH PRIVATE KEY-----{bare}-----END OPENSSH PRIVATE KEY-----"
            )
    if found is None:
        _refuse_other(plain, subject)
        raise _unusable(subject, "no BEGIN line of a private key", _MAKE)
    kind, body = " ".join(found.group(1).split()), found.group(2)
    if "ENCRYPTED" in kind or "ENCRYPTED" in body:
        _refuse_other("ENCRYPTED", subject)
    if not _ENDED.search(plain) and "BEGIN" in plain:
        raise _unusable(subject, "a private key without its END line: it was cut off", _KEEP)
    bare = "".join(body.split())
    try:
        data = base64.b64decode(bare, validate=True)
    except (binascii.Error, ValueError):
        raise _unusable(subject, "a private key with characters missing or added inside", _KEEP) from None
    if data.startswith(_MAGIC) and not data.startswith(_MAGIC + b"\0\0\0\x04none"):
        _refuse_other("ENCRYPTED", subject)
    lines = "\n".join(bare[at : at + 64] for at in range(0, len(bare), 64))
    label = f"{kind} PRIVATE KEY".strip()
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def load_private_key(text: str, subject: str) -> paramiko.PKey:
    """Our login key (OpenSSH, PKCS8 or traditional PEM; Ed25519, ECDSA or RSA; no passphrase), repaired where pasting broke it."""
    pem = private_key_text(text, subject).encode()
    load = serialization.load_ssh_private_key if b"OPENSSH" in pem else serialization.load_pem_private_key
    try:
        key = load(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable(subject, "a private key that is damaged or of an unknown kind", _KEEP) from None
    classes: tuple[tuple[type, type[paramiko.PKey]], ...] = (
        (Ed25519PrivateKey, paramiko.Ed25519Key), (EllipticCurvePrivateKey, paramiko.ECDSAKey), (RSAPrivateKey, paramiko.RSAKey),
    )  # fmt: skip
    for kind, made in classes:
        if isinstance(key, kind):
            formed = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            )
            return made.from_private_key(io.StringIO(formed.decode()))
    raise _unusable(subject, "a DSA or other outdated key", _MAKE)


def _refuse_other(plain: str, subject: str) -> None:
    for pattern, seen, step in _OTHER:
        if re.search(pattern, plain, re.MULTILINE):
            raise _unusable(subject, seen, step)


def _unusable(subject: str, seen: str, step: str) -> InputError:
    return InputError(
        subject, f"the connection's `private_key` holds {seen}", "an OpenSSH or PEM private key without a passphrase", step
    ).because_of(f"connection to {subject}")  # fmt: skip


def parse_host_key(text: str, subject: str) -> tuple[str, bytes]:
    """The pinned host key as (type, blob): `ssh-ed25519 AAAA... [comment]`, a line of known_hosts, or all that ssh-keyscan printed
    (then the best type counts). Raises InputError for what holds no host key, or two of one type."""
    plain = _plain(text)
    if re.search(r"@(revoked|cert-authority)\b", plain):
        raise _no_host_key(subject, "a revoked key or an authority's", "put in the host's own key")
    keys: dict[str, set[bytes]] = {}
    for kind, blob in _host_keys(plain):
        keys.setdefault(kind, set()).add(blob)
    for kind in _BEST_FIRST:
        if len(keys.get(kind, ())) > 1:
            raise _no_host_key(
                subject, f"{len(keys[kind])} different {kind} keys", "leave only the key of this host"
            )
        if kind in keys:
            return kind, next(iter(keys[kind]))
    if "PRIVATE" in plain or "openssh-key-v1" in plain:
        seen = "a private key"
    elif re.search(r"\b(SHA256|MD5):", plain):
        seen = "a fingerprint, not the key"
    elif re.search(r"-cert-v0\d@openssh|ssh-dss|sk-ssh|sk-ecdsa", plain):
        seen = "a key type that is not supported (certificate, DSA or security key)"
    elif re.search(r"(ssh|ecdsa)-[a-z0-9-]+", plain):
        seen = "a damaged SSH public key"
    else:
        seen = "no SSH public key"
    raise _no_host_key(
        subject, seen, "read it on the host itself (`cat /etc/ssh/ssh_host_ed25519_key.pub`) and put that line into the connection"
    )  # fmt: skip


def _host_keys(text: str) -> Iterator[tuple[str, bytes]]:
    """Every whole key in a text; what a lost line break glued behind one is cut off by the lengths inside the key."""
    for found in _HOST_KEY.finditer(text):
        kind, coded = found.group(1), found.group(2).partition("=")[0]
        coded = coded[:-1] if len(coded) % 4 == 1 else coded
        data = base64.b64decode(coded + "=" * (-len(coded) % 4))
        end, parts = 0, []
        for _ in range(_PARTS.get(kind, 3)):
            size = int.from_bytes(data[end : end + 4], "big")
            parts.append(data[end + 4 : end + 4 + size])
            end += 4 + size
        if end > len(data) or parts[0] != kind.encode():
            continue
        try:
            yield kind, paramiko.pkey.PKey.from_type_string(kind, data[:end]).asbytes()
        except (ValueError, IndexError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
            continue


def _no_host_key(subject: str, seen: str, step: str) -> InputError:
    return InputError(
        subject, f"the connection's `host_key` holds {seen}", "one line such as `ssh-ed25519 AAAA...`", step
    ).because_of(f"connection to {subject}")  # fmt: skip
