"""Keys as they come out of a one-line field, a chat, a mail or a Windows editor."""

import base64
from collections.abc import Callable

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from email_engine.adapters.ssh_keys import load_private_key, parse_host_key, private_key_text
from email_engine.errors import InputError

ED25519 = ed25519.Ed25519PrivateKey.generate()
ECDSA = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
OPENSSH, PKCS8, TRADITIONAL = (
    form.PrivateFormat.OpenSSH,
    form.PrivateFormat.PKCS8,
    form.PrivateFormat.TraditionalOpenSSL,
)


def pem(key: object, kind: form.PrivateFormat, passphrase: bytes | None = None) -> str:
    lock = form.BestAvailableEncryption(passphrase) if passphrase else form.NoEncryption()
    return key.private_bytes(form.Encoding.PEM, kind, lock).decode()  # type: ignore[attr-defined]


def public(key: object) -> str:
    return key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).decode()  # type: ignore[attr-defined]


def blob(key: object) -> bytes:
    return base64.b64decode(public(key).split()[1])


KEYS = {
    "openssh ed25519": (ED25519, OPENSSH),
    "openssh ecdsa": (ECDSA, OPENSSH),
    "openssh rsa": (RSA, OPENSSH),
    "pkcs8 ed25519": (ED25519, PKCS8),
    "pkcs8 rsa": (RSA, PKCS8),
    "traditional rsa": (RSA, TRADITIONAL),
    "traditional ec": (ECDSA, TRADITIONAL),
}
PASTED: dict[str, Callable[[str], str]] = {
    "as it is": lambda t: t,
    "line breaks became blanks": lambda t: t.replace("\n", " "),
    "line breaks vanished": lambda t: t.replace("\n", ""),
    "all blanks vanished": lambda t: "".join(t.split()),
    "backslash n": lambda t: t.replace("\n", "\\n"),
    "backslash r n": lambda t: t.replace("\n", "\\r\\n"),
    "escaped twice": lambda t: t.replace("\n", "\\\\n"),
    "CRLF": lambda t: t.replace("\n", "\r\n"),
    "old Mac": lambda t: t.replace("\n", "\r"),
    "no final newline": str.rstrip,
    "indented, as out of YAML": lambda t: "\n".join(f"    {line}" for line in t.splitlines()),
    "blank lines between": lambda t: t.replace("\n", "\n\n"),
    "quoted": lambda t: f'"{t}"',
    "quoted and escaped, as out of JSON": lambda t: "'" + t.replace("\n", "\\n") + "',",
    "typographic quotes": lambda t: f"\u201c{t}\u201d",
    "typographic dashes": lambda t: t.replace("-----", "\u2014\u2014"),
    "byte order mark": lambda t: "\ufeff" + t,
    "non-breaking blanks": lambda t: t.replace("\n", "\u00a0"),
    "words around it": lambda t: f"Here is the key:\n{t}\nregards, Bob",
}


@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED)
@pytest.mark.parametrize(("key", "kind"), KEYS.values(), ids=KEYS)
def test_a_pasted_key_is_put_right(
    key: object, kind: form.PrivateFormat, pasted: Callable[[str], str]
) -> None:
    assert load_private_key(pasted(pem(key, kind)), "mta-1").asbytes() == blob(key)


def test_a_whole_key_stays_the_same_key_text() -> None:
    text = private_key_text(pem(ED25519, OPENSSH).replace("\n", " "), "mta-1")
    assert text.splitlines()[0] == "-----BEGIN OPENSSH PRIVATE KEY-----"
    assert text.splitlines()[-1] == "-----END OPENSSH PRIVATE KEY-----"
    assert max(map(len, text.splitlines())) <= 64
    assert private_key_text(text, "mta-1") == text


def test_an_openssh_body_without_its_frame_is_enough() -> None:
    body = "".join(pem(ED25519, OPENSSH).splitlines()[1:-1])
    assert load_private_key(body, "mta-1").asbytes() == blob(ED25519)


DSA = dsa.generate_private_key(1024)
CUT = pem(ED25519, OPENSSH)[:150]
HOPELESS = {
    "a public key": (public(ED25519) + " bob@laptop", "a public key", "private half"),
    "a PEM public key": (
        RSA.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo).decode(), "a public key",
        "private half"),
    "a PuTTY file": ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPrivate-Lines: 1\nAAAAIHsecretsecret", "PuTTY", "puttygen"),
    "a PuTTY file in one line": ("PuTTY-User-Key-File-2: ssh-rsa Encryption: aes256-cbc Private-Lines: 1 AAAAsecretsecret", "PuTTY", "puttygen"),
    "openssh with passphrase": (pem(ED25519, OPENSSH, b"x"), "passphrase", "ssh-keygen -p"),
    "openssh with passphrase in one line": (pem(RSA, OPENSSH, b"x").replace("\n", ""), "passphrase", "ssh-keygen -p"),
    "pkcs8 with passphrase": (pem(RSA, PKCS8, b"x"), "passphrase", "ssh-keygen -p"),
    "traditional with passphrase": (pem(RSA, TRADITIONAL, b"x").replace("\n", " "), "passphrase", "ssh-keygen -p"),
    "a certificate": ("-----BEGIN CERTIFICATE-----\nMIIBsecretsecret\n-----END CERTIFICATE-----", "certificate", "ssh-keygen"),
    "a PGP key": ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nsecretsecret\n-----END PGP PRIVATE KEY BLOCK-----", "PGP", "ssh-keygen"),
    "a path": ("/home/me/.ssh/secretsecret", "a path", "private_key_file"),
    "a path from home": ("~/.ssh/secretsecret", "a path", "private_key_file"),
    "a fingerprint": ("SHA256:secretsecret", "fingerprint", "BEGIN"),
    "masked": ("***", "asterisks", "paste the key"),
    "cut off": (CUT, "cut off", "END line"),
    "cut off in one line": (CUT.replace("\n", " "), "cut off", "END line"),
    "one character lost": (pem(ED25519, OPENSSH).replace("\n", "")[:60] + pem(ED25519, OPENSSH).replace("\n", "")[61:], "characters missing", "BEGIN"),
    "other letters inside": ("-----BEGIN PRIVATE KEY-----\nMIIB\u00e9\u00e8secretsecret\n-----END PRIVATE KEY-----", "characters missing", "BEGIN"),
    "nothing inside": ("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----", "damaged", "BEGIN"),
    "rubbish inside": ("-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END RSA PRIVATE KEY-----", "damaged", "BEGIN"),
    "an old DSA key": (pem(DSA, PKCS8), "outdated", "ed25519"),
    "a password": ("hunter2secretsecret", "no BEGIN line", "ssh-keygen"),
    "non-ASCII": ("\u00e4\u00f6\u00fcsecretsecret", "no BEGIN line", "ssh-keygen"),
    "empty": ("  ", "no BEGIN line", "ssh-keygen"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "seen", "step"), HOPELESS.values(), ids=HOPELESS)
def test_a_hopeless_key_is_named_and_never_shown(text: str, seen: str, step: str) -> None:
    with pytest.raises(InputError) as caught:
        load_private_key(text, "mta-1")
    assert seen in caught.value.observed
    assert caught.value.cause == "connection to mta-1"
    assert step in caught.value.next_step
    told = f"{caught.value} {caught.value.__cause__!r}"
    assert "secretsecret" not in told
    body = "".join(line for line in text.split() if "KEY" not in line)
    assert len(body) < 30 or not any(body[at : at + 12] in told for at in range(len(body) - 12))


E, R = public(ED25519), public(RSA)
SCAN = f"# mta-1:22 SSH-2.0-OpenSSH_9.2p1\nmta-1 {R}\n# mta-1:22 SSH-2.0-OpenSSH_9.2p1\nmta-1 {E}\n"
HOST_KEYS = {
    "plain": E,
    "comment": f"{E} root@mta-1",
    "known_hosts": f"mta-1.example.com {E}",
    "names and address": f"mta-1,192.0.2.1 {E} a comment",
    "another port": f"[mta-1.example.com]:2222 {E}",
    "hashed": f"|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {E}",
    "all of ssh-keyscan": SCAN,
    "all of ssh-keyscan in one line": SCAN.replace("\n", " "),
    "all of ssh-keyscan without breaks": SCAN.replace("\n", ""),
    "the same key twice": f"mta-1 {E}\n192.0.2.1 {E}",
    "quoted": f'"{E}"',
    "CRLF": f"{E}\r\n",
    "glued to the next line": f"{E}mta-2",
}


@pytest.mark.parametrize("text", HOST_KEYS.values(), ids=HOST_KEYS)
def test_a_host_key_is_found_in_what_was_pasted(text: str) -> None:
    assert parse_host_key(text, "mta-1") == ("ssh-ed25519", blob(ED25519))


@pytest.mark.parametrize(
    "key", [RSA, ECDSA, ec.generate_private_key(ec.SECP521R1())], ids=["rsa", "p256", "p521"]
)
def test_other_types_of_host_keys_do_too(key: object) -> None:
    kind, found = parse_host_key(f"mta-1 {public(key)} x", "mta-1")
    assert (kind, found) == (public(key).split()[0], blob(key))
    assert paramiko.PKey.from_type_string(kind, found).asbytes() == blob(key)


@pytest.mark.parametrize(
    ("text", "seen"),
    [(pem(ED25519, OPENSSH), "a private key"), ("SHA256:8Jq5zQ9nK3secretsecret", "a fingerprint"),
     (f"mta-1 {E}\nmta-2 {public(ed25519.Ed25519PrivateKey.generate())}", "2 different ssh-ed25519 keys"),
     (f"@revoked mta-1 {E}", "revoked"), (f"@cert-authority *.example.com {E}", "authority"),
     (E[:-4], "damaged"), (E[:30], "damaged"), ("ssh-ed25519", "damaged"), ("ssh-ed25519 \u00e9\u00e8", "damaged"),
     ("ssh-dss AAAAB3NzaC1kc3MAAACBAKsecretsecret", "not supported"), ("secretsecret", "no SSH public key"),
     ("", "no SSH public key"), ("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA", "damaged")],
    ids=["private key", "fingerprint", "two hosts", "revoked", "authority", "end lost", "cut off", "type alone", "no ASCII",
         "DSA", "a word", "empty", "type and blob differ"],
)  # fmt: skip
def test_what_is_no_host_key_is_named(text: str, seen: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_host_key(text, "mta-1")
    assert seen in caught.value.observed
    assert caught.value.cause == "connection to mta-1"
    assert "secretsecret" not in str(caught.value)
