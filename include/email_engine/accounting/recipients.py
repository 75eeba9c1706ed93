"""Recipients without their addresses: a keyed hash, the same for the same address, useless without the key."""

import hmac
import os
from collections.abc import Callable
from pathlib import Path

VARIABLE = "EMAIL_ENGINE_RECIPIENT_KEY"
SHORTEST_KEY = 16
Hash = Callable[[str], str | None]


def clean_address(address: str) -> str | None:
    """The address without brackets, in lower case; None if it is none."""
    clean = address.strip().strip("<>").lower()
    return clean if "@" in clean else None


def recipient_hash(key: bytes, address: str) -> str | None:
    """32 hexadecimal digits of HMAC-SHA-256 over the address in lower case; None if there is no address."""
    clean = clean_address(address)
    return hmac.new(key, clean.encode(), "sha256").hexdigest()[:32] if clean else None


def key_from_environment() -> bytes:
    """The key of EMAIL_ENGINE_RECIPIENT_KEY, or of the file that EMAIL_ENGINE_RECIPIENT_KEY_FILE names; empty without one."""
    file = os.environ.get(f"{VARIABLE}_FILE")
    return (Path(file).read_text().strip() if file else os.environ.get(VARIABLE, "")).encode()


def hash_from_environment() -> Hash | None:
    """None without a key, or with one of less than 16 bytes. Whoever has the key can find an address in the events; who loses it
    can join old events to new ones no more."""
    key = key_from_environment()
    return (lambda address: recipient_hash(key, address)) if len(key) >= SHORTEST_KEY else None
