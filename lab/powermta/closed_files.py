"""What a person or a broken script leaves in the folder of closed accounting files."""

import os
import shutil
from pathlib import Path
from urllib.parse import unquote_to_bytes

from lab.powermta.host_files import DONE_DIRECTORY

KINDS = ("file", "directory", "link", "nothing")


def put_beside(root: Path, name: str, text: str, kind: str, now: float) -> str:
    """Replaces what has that name. `name`: percent-encoded bytes; `text`: of a file, or what a link points at."""
    raw = unquote_to_bytes(name)
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, allowed: {', '.join(KINDS)}")
    if not raw or b"/" in raw or b"\0" in raw or raw in (b".", b"..") or len(raw) > 255:
        raise ValueError(f"{name!r} is no name that a file can have")
    path = os.path.join(os.fsencode(root / DONE_DIRECTORY.lstrip("/")), raw)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
    if kind == "file":
        with open(path, "wb") as file:
            file.write(text.encode())
        os.utime(path, (now, now))
    elif kind == "directory":
        os.mkdir(path)
    elif kind == "link":
        os.symlink(text.encode() or b"nowhere", path)
    return name
