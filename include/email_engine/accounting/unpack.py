"""Compressed accounting files: gzip to plain CSV, within bounds."""

import gzip
import zlib
from pathlib import Path

from email_engine.errors import InputError

GZIP = b"\x1f\x8b"
BLOCK = 1 << 20
ALWAYS = 64 << 20
"""So many bytes may come out of any file."""
MOST_TIMES = 200
"""Accounting shrinks to a tenth or a thirtieth; what grows more than that times its size is no accounting."""
MOST = 8 << 30


def unpacked(path: Path, folder: Path, subject: str) -> Path:
    """The file itself, or what gzip holds, as a new file in `folder`; told by its first bytes, whatever it is called.

    Raises InputError: it is damaged or cut off, or would grow beyond all measure."""
    with path.open("rb") as file:
        if file.read(len(GZIP)) != GZIP:
            return path
    limit = min(MOST, max(ALWAYS, MOST_TIMES * path.stat().st_size))
    plain, size = folder / f"{len(list(folder.iterdir()))}.unpacked.csv", 0
    try:
        with gzip.open(path) as packed, plain.open("xb") as out:
            while block := packed.read(BLOCK):
                size += len(block)
                if size > limit:
                    break
                out.write(block)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        plain.unlink()
        raise InputError(
            subject,
            f"its gzip is damaged or cut off ({str(error)[:80]})",
            "a whole gzip file",
            "copy it again, or move it out of the folder",
        ) from None
    if size > limit:
        plain.unlink()
        raise InputError(
            subject,
            f"it unpacks to more than {limit >> 20:,} MB",
            f"at most {MOST_TIMES} times its size, or {ALWAYS >> 20} MB",
            "move it out of the folder and see what it is: accounting does not shrink so much",
        )
    return plain
