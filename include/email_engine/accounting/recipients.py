"""Recipients without their addresses: a keyed hash, the same for the same address, useless without the key."""

import hmac
import os
from collections.abc import Callable
from pathlib import Path

VARIABLE = "EMAIL_ENGINE_RECIPIENT_KEY"
SHORTEST_KEY = 16
Hash = Callable[[str], str | None]


def recipient_hash(key: bytes, address: str) -> str | None:
    """32 hexadecimal digits of HMAC-SHA-256 over the address in lower case; None if there is no address."""
    clean = address.strip().strip("<>").lower()
    return hmac.new(key, clean.encode(), "sha256").hexdigest()[:32] if "@" in clean else None


def hash_from_environment() -> Hash | None:
    """With the key of EMAIL_ENGINE_RECIPIENT_KEY, or of the file that EMAIL_ENGINE_RECIPIENT_KEY_FILE names; None without
    one, or with one of less than 16 bytes. Whoever has the key can find an address in the events; who loses it can join
    old events to new ones no more."""
    file = os.environ.get(f"{VARIABLE}_FILE")
    text = Path(file).read_text().strip() if file else os.environ.get(VARIABLE, "")
    key = text.encode()
    return (lambda address: recipient_hash(key, address)) if len(key) >= SHORTEST_KEY else None
