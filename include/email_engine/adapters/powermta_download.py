"""A file of a host copied over SFTP, in flat memory and with an end, whatever is done to it meanwhile."""

from io import FileIO
from pathlib import Path, PurePosixPath

import paramiko

from email_engine.adapters.powermta_listing import RemoteFile, as_remote
from email_engine.errors import EngineError

WINDOW = 2 << 20
"""Bytes that are asked for at once. paramiko's own reading ahead of a whole file leaves a thread behind where it stops early."""
CHUNK = 32768


def download(sftp: paramiko.SFTPClient, path: str, target: Path) -> RemoteFile | None:
    """Copies what the file had when it was opened; None if it is not there.

    Gives the file as it was when the last byte was read: another size than that of `target` says that it was written to
    meanwhile. Raises OSError, EOFError or SSHException where the connection or the server fails, EngineError where there is
    no room for the copy."""
    try:
        source = sftp.open(path, "rb")
    except FileNotFoundError:
        return None
    with source, target.open("wb", buffering=0) as copy:
        size = source.stat().st_size or 0
        arrived = _copy(source, copy, size)
        after = as_remote(PurePosixPath(path).name, source.stat())
    if arrived < size == after.size:
        raise OSError(f"{arrived} of {size} bytes arrived")
    return after


def _copy(source: paramiko.SFTPFile, target: FileIO, size: int) -> int:
    """Up to `size` bytes; how many there were, less where the file was cut meanwhile."""
    arrived = asked = 0
    while arrived < size:
        if arrived == asked:
            asked = min(size, arrived + WINDOW)
            source.prefetch(asked)
        try:
            part = source.read(min(asked - arrived, CHUNK))
        except EOFError:
            break
        if not part:
            break
        try:
            target.write(part)
        except OSError as error:
            raise EngineError(
                f"{target.name!s} on this worker",
                error.strerror or type(error).__name__,
                "room for a copy of the file",
                "free space in the worker's temporary folder (TMPDIR)",
            ) from error
        arrived += len(part)
    return arrived
