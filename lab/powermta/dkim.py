"""DKIM signatures (RFC 6376) with the keys that a loaded configuration names, and the mailbox that shows what receivers got.

rsa-sha256, relaxed/relaxed: PowerMTA's defaults. A key file that cannot be read when the configuration is loaded signs nothing."""

import base64
import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lab.mail import Message
from lab.powermta.config_model import Model

_BLANKS = re.compile(r"[ \t]+")
SIGNED = ("From", "To", "Subject", "Date", "Message-ID")


@dataclass(frozen=True, slots=True)
class Signer:
    """`domain` as the directive says it: a name, or `*`."""

    selector: str
    domain: str
    key: RSAPrivateKey

    def signs_for(self, domain: str) -> bool:
        return self.domain in ("*", domain)

    def signature(self, headers: list[tuple[str, str]], body: str, domain: str) -> str:
        """The value of the DKIM-Signature header."""
        bodyhash = _base64(sha256(_relaxed_body(body).encode()).digest())
        value = (
            f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s={self.selector}; "
            f"h={':'.join(name.lower() for name, _ in headers)}; bh={bodyhash}; b="
        )
        lines = [_relaxed_header(name, text) for name, text in headers]
        hashed = "\r\n".join([*lines, _relaxed_header("DKIM-Signature", value)])
        return value + _base64(self.key.sign(hashed.encode(), PKCS1v15(), SHA256()))


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _relaxed_header(name: str, value: str) -> str:
    return f"{name.lower()}:{_BLANKS.sub(' ', value).strip()}"


def _relaxed_body(body: str) -> str:
    lines = [_BLANKS.sub(" ", line).rstrip() for line in body.split("\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return "".join(f"{line}\r\n" for line in lines)


def signers_of(model: Model, root: Path) -> dict[str, tuple[Signer, ...]]:
    """By virtual MTA, in the order of the configuration: the first whose domain fits signs."""
    known: dict[str, RSAPrivateKey | None] = {}
    found: dict[str, tuple[Signer, ...]] = {}
    for name, vmta in model.vmtas.items():
        mine = []
        for directive, value in vmta.settings:
            if directive != "domain-key":
                continue
            selector, domain, path = (part.strip() for part in value.split(",", 2))
            if path not in known:
                known[path] = _read(root / path.lstrip("/"))
            if key := known[path]:
                mine.append(Signer(selector, domain.lower(), key))
        found[name] = tuple(mine)
    return found


def _read(file: Path) -> RSAPrivateKey | None:
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return None
    return key if isinstance(key, RSAPrivateKey) else None


class Mailbox:
    """What receivers got, the newest messages; keeps nothing until `keep` is above 0."""

    def __init__(self) -> None:
        self.keep = 0
        self.at_receipt = False
        self._messages: deque[dict[str, str]] = deque()

    def empty(self) -> list[dict[str, str]]:
        """Everything that was kept, oldest first."""
        given = list(self._messages)
        self._messages.clear()
        return given

    def put(self, message: Message, vmta: str, queued: float, moment: float, signer: Signer | None) -> None:
        text = compose(message, queued, signer)
        self._messages.append({"at": _iso(moment), "queued": _iso(queued), "vmta": vmta, "text": text})
        while len(self._messages) > self.keep:
            self._messages.popleft()


def sender_domain(message: Message) -> str:
    return message.mail_from.rpartition("@")[2].lower()


def compose(message: Message, queued: float, signer: Signer | None) -> str:
    """The message with CRLF line ends as it leaves; its From is the address of its envelope."""
    values = (
        message.mail_from,
        message.rcpt,
        f"For you:  {message.job}",
        formatdate(queued),
        message.message_id,
    )
    headers = list(zip(SIGNED, values, strict=True))
    body = "Good  day,\r\nthis is mail of the lab. \r\n\r\n"
    signed = []
    if signer is not None:
        signed = [("DKIM-Signature", signer.signature(headers, body, sender_domain(message)))]
    return "".join(f"{name}: {value}\r\n" for name, value in (*signed, *headers)) + "\r\n" + body


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
