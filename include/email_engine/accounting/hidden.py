"""Files that cannot be read as accounting though they are some: JSON of a webhook, and hidden recipients."""

import csv
import io
import re
from pathlib import Path

from email_engine.accounting.columns import BOM, Columns
from email_engine.errors import InputError

SAMPLE = 1 << 18
"""Bytes at the top of a file that are looked at."""
LEAST_ROWS = 3
_HIDDEN = re.compile(r"[0-9a-f]{16}|[0-9a-f]{64}|\.{3}")
"""A local part as `privacy-policy` leaves it: SipHash, HMAC-SHA256, or redacted (guide 3.3.11.16)."""


def refuse_json(line: bytes, subject: str) -> None:
    """Raises InputError where a file begins as JSON does."""
    if line.removeprefix(BOM).lstrip()[:1] in (b"{", b"["):
        raise InputError(
            subject,
            "JSON, as PowerMTA sends it to a webhook",
            "CSV with a header line",
            "keep an <acct-file> with a path ending in .csv and without http-webhook-url beside the webhook",
        )


def refuse_hidden(path: Path, columns: Columns, subject: str) -> None:
    """Raises InputError where all recipients at the top of a file are hashed or redacted: their bounces would suppress addresses
    that do not exist."""
    at = columns.at("rcpt")
    if at is None:
        return
    with path.open("rb") as file:
        text = file.read(SAMPLE).removeprefix(BOM).decode("utf-8", "replace").replace("\0", "?")
    try:
        rows = list(csv.reader(io.StringIO(text, newline="")))[1 : -1 if len(text) >= SAMPLE else None]
    except csv.Error:
        return
    given = [row[at].rpartition("@")[0] for row in rows if len(row) == columns.width and "@" in row[at]]
    if len(given) >= LEAST_ROWS and all(map(_HIDDEN.fullmatch, given)):
        raise InputError(
            subject,
            "its recipients are hashed or redacted (privacy-policy)",
            "recipients as they are",
            "delete `privacy-policy` in its <acct-file>, or keep a second <acct-file> without it for the engine; recipients are "
            "kept as a keyed hash of the engine's own",
        )
