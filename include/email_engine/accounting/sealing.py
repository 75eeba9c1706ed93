"""Recipients' addresses as they are kept until they are dealt with: encrypted with a key made from that of the keyed hash."""

import hmac
import os
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from email_engine.accounting.recipients import SHORTEST_KEY, clean_address, key_from_environment

NONCE = 12
PURPOSE = b"email-engine sealed recipient 1"


@dataclass(frozen=True)
class Sealer:
    """AES-256-GCM; the same address is sealed differently each time, so that sealed ones cannot be compared."""

    key: bytes = field(repr=False)

    @cached_property
    def _cipher(self) -> AESGCM:
        return AESGCM(hmac.new(self.key, PURPOSE, "sha256").digest())

    def seal(self, address: str) -> bytes | None:
        """None where there is no address."""
        clean = clean_address(address)
        if clean is None:
            return None
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, clean.encode(), None)

    def opened(self, sealed: bytes | None) -> str | None:
        """The address in lower case; None for nothing, and for what another key sealed."""
        if not sealed:
            return None
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], None).decode()
        except (InvalidTag, ValueError):
            return None


def sealer_from_environment() -> Sealer | None:
    """With the key of the keyed hash (`recipients.VARIABLE`); None without one."""
    key = key_from_environment()
    return Sealer(key) if len(key) >= SHORTEST_KEY else None
