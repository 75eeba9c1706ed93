"""The fleet file gets its new lines: whole or not at all, and only if it is still what was planned on."""

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from email_engine.errors import InputError
from email_engine.fleet.config_file import read_text


class ReadOnly(InputError):
    """The fleet file is not the engine's to write."""


def replace_text(path: Path, before: str, after: str) -> None:
    """Writes `after`, with the line ends, rights and owner that the file has; a link keeps pointing to it. Writers wait for each other.

    Raises InputError: somebody changed the file meanwhile; ReadOnly: it cannot be written, or would change its owner."""
    target = path.resolve()
    try:
        with _alone(target.parent):
            raw = target.read_bytes()
            if read_text(target, "fleet file") != before:
                raise InputError(
                    str(path), "changed since the plan was made", "the file that was planned on", "nothing was written; start again"
                )  # fmt: skip
            _replace(target, (after.replace("\n", "\r\n") if b"\r\n" in raw else after).encode())
    except OSError as error:
        raise ReadOnly(
            str(path), f"cannot be replaced: {error.strerror or type(error).__name__}", "a fleet file that the engine may write",
            "give it and its folder to the engine's user, or set `fleet_file: show` in onboarding.yaml and add the lines yourself",
        ) from None  # fmt: skip


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; it ends with the process too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(target: Path, data: bytes) -> None:
    seen = target.stat()
    handle, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            made = os.fstat(file.fileno())
            if (made.st_uid, made.st_gid) != (seen.st_uid, seen.st_gid):
                os.fchown(file.fileno(), seen.st_uid, seen.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(seen.st_mode))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
