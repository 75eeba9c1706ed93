"""A directory of a host over SFTP, whatever its names are made of."""

import stat
from dataclasses import dataclass

import paramiko
from paramiko.sftp import CMD_CLOSE, CMD_HANDLE, CMD_NAME, CMD_OPENDIR, CMD_READDIR

from email_engine.accounting.names import EntryKind


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One directory entry; `modified` in seconds since the epoch, by the host's clock. Bytes of `name` that are no UTF-8 are lone
    surrogates, as Python's file functions have them."""

    name: str
    size: int
    modified: int
    kind: EntryKind = EntryKind.FILE


def read_directory(sftp: paramiko.SFTPClient, path: str) -> tuple[RemoteFile, ...]:
    """Every entry but `.` and `..`, by name; () where the directory is not there.

    paramiko's own listing fails as a whole at the first name that is no UTF-8."""
    try:
        found = _entries(sftp, path)
    except FileNotFoundError:
        return ()
    return tuple(sorted((e for e in found if e.name not in (".", "..")), key=lambda entry: entry.name))


def _entries(sftp: paramiko.SFTPClient, path: str) -> list[RemoteFile]:
    kind, told = sftp._request(CMD_OPENDIR, path)  # type: ignore[attr-defined]
    if kind != CMD_HANDLE:
        raise paramiko.SFTPError("a handle of a directory was expected")
    handle = told.get_binary()
    found: list[RemoteFile] = []
    try:
        while True:
            try:
                kind, told = sftp._request(CMD_READDIR, handle)  # type: ignore[attr-defined]
            except EOFError:
                return found
            if kind != CMD_NAME:
                raise paramiko.SFTPError("names of a directory were expected")
            found += (_entry(told) for _ in range(told.get_int()))
    finally:
        sftp._request(CMD_CLOSE, handle)  # type: ignore[attr-defined]


def _entry(told: paramiko.Message) -> RemoteFile:
    name = told.get_string().decode("utf-8", "surrogateescape")
    told.get_string()  # a line as `ls -l` prints it
    return as_remote(name, paramiko.SFTPAttributes._from_msg(told))  # type: ignore[attr-defined]


def as_remote(name: str, seen: paramiko.SFTPAttributes) -> RemoteFile:
    """What the server told about a file; a server that tells no mode is not believed to mean a file."""
    mode = seen.st_mode or 0
    kinds = (
        (stat.S_ISREG, EntryKind.FILE),
        (stat.S_ISDIR, EntryKind.DIRECTORY),
        (stat.S_ISLNK, EntryKind.LINK),
    )
    kind = next((kind for test, kind in kinds if test(mode)), EntryKind.OTHER)
    return RemoteFile(name, seen.st_size or 0, int(seen.st_mtime or 0), kind)
