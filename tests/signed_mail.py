"""Verifying the lab's mail with dkimpy, against what DNS gives at that moment."""

from collections.abc import Callable
from typing import Any

import dkim
from dkim.util import InvalidTagValueList

from email_engine.adapters.dns_resolver import Resolver
from email_engine.dns_answers import Found, Question
from lab.testing import RunningLab
from tests.dns_lab import PATIENCE

Txt = Callable[[bytes, int], bytes | None]


def zone_of(lab: RunningLab) -> Txt:
    """The lab's DNS as dkimpy asks it; every name is asked once."""
    resolver = Resolver([("127.0.0.1", lab.world["dns"]["port"])], **PATIENCE)
    known: dict[str, bytes | None] = {}

    def txt(name: bytes, timeout: int = 5) -> bytes | None:
        asked = name.decode().rstrip(".")
        if asked not in known:
            answer = resolver.resolve_many([Question(asked, "TXT")]).popitem()[1]
            known[asked] = answer.records[0].encode() if isinstance(answer, Found) else None
        return known[asked]

    return txt


def verifies(text: str, txt: Txt) -> bool:
    """Is the message signed, and does the signature stand?"""
    try:
        return bool(dkim.DKIM(text.encode()).verify(dnsfunc=txt)) and "dkim-signature" in text.lower()
    except (dkim.DKIMException, InvalidTagValueList):
        return False


def selector_of(text: str) -> str | None:
    """Whose key signed it; None where nothing did."""
    head, _, _ = text.partition("\r\n\r\n")
    for line in head.split("\r\n"):
        if line.lower().startswith("dkim-signature:"):
            return next(
                (p.strip()[2:] for p in line.partition(":")[2].split(";") if p.strip().startswith("s=")), None
            )
    return None


def publish(lab: RunningLab, selector: str, domain: str, public_key: str | None) -> None:
    """A person publishes a key record (None: an empty p=)."""
    lab.knob(
        "dns.set_record",
        name=f"{selector}._domainkey.{domain}",
        type="TXT",
        values=[f"v=DKIM1; k=rsa; p={public_key or ''}"],
    )


def delivered(lab: RunningLab, host: str = "mta-1") -> list[dict[str, Any]]:
    got: list[dict[str, Any]] = lab.knob("delivered", host=host)
    return got
