"""The session under `PowerMta`: opened once, closed once, and the files of the host."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self, TypeVar

import paramiko
from paramiko.sftp import CMD_EXTENDED, CMD_EXTENDED_REPLY

from email_engine.accounting.names import EntryKind
from email_engine.adapters.powermta_download import download
from email_engine.adapters.powermta_listing import RemoteFile, read_directory
from email_engine.adapters.powermta_ssh import PowerMtaEndpoint, connect, file_error
from email_engine.errors import InputError

NEW_SUFFIX = ".email-engine.new"
PROBE_SUFFIX = ".email-engine.clock"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FileSystem:
    """Sizes in bytes; `files` are inodes, 0 where the file system does not count them."""

    path: str
    size: int
    free: int
    files: int
    free_files: int


class Session:
    """One SSH session, opened on first use."""

    def __init__(self, endpoint: PowerMtaEndpoint) -> None:
        self.endpoint = endpoint
        self._transport: paramiko.Transport | None = None
        self._sftp: paramiko.SFTPClient | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.endpoint.subject}>"

    def __enter__(self) -> Self:
        self._session()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session; safe to call twice."""
        if self._transport is not None:
            self._transport.close()
        self._transport = self._sftp = None

    def transport(self) -> paramiko.Transport:
        """The open session, for commands."""
        return self._session()

    def _session(self) -> paramiko.Transport:
        if self._transport is None:
            self._transport = connect(self.endpoint)
        return self._transport

    def _files(self) -> paramiko.SFTPClient:
        if self._sftp is None:
            sftp = self._session().open_sftp_client()
            channel = sftp.get_channel() if sftp else None
            if sftp is None or channel is None:
                raise paramiko.SSHException("the host offers no SFTP")
            channel.settimeout(self.endpoint.command_timeout)
            self._sftp = sftp
        return self._sftp

    def read(self, path: str) -> bytes | None:
        """The file's bytes; None if it is not there."""

        def fetch(sftp: paramiko.SFTPClient) -> bytes | None:
            try:
                with sftp.open(path, "rb") as handle:
                    handle.prefetch()
                    return handle.read()
            except FileNotFoundError:
                return None

        return self._file("read", path, fetch)

    def fetch(self, path: str, target: Path) -> RemoteFile | None:
        """Copies a file of any size to `target`; None if it is not there. What it gives says whether it changed: see `download`."""
        return self._file("read", path, lambda sftp: download(sftp, path, target))

    def write(self, path: str, data: bytes, *, like: str | None = None, mode: int = 0o640) -> None:
        """Writes a file with `mode` and the group of `like` (else of its directory), and checks its size."""

        def put(sftp: paramiko.SFTPClient) -> None:
            with sftp.open(path, "wb") as handle:
                handle.chmod(mode)
                handle.set_pipelined(True)
                handle.write(data)
            sftp.chmod(path, mode)
            model = _stat(sftp, like or path) or sftp.stat(str(PurePosixPath(path).parent))
            own = sftp.stat(path)
            if None not in (model.st_gid, own.st_uid, own.st_gid) and own.st_gid != model.st_gid:
                sftp.chown(path, own.st_uid or 0, model.st_gid or 0)
            if own.st_size != len(data):
                raise OSError(f"{own.st_size} of {len(data)} bytes arrived")

        self._file("write", path, put)

    def replace(self, path: str, data: bytes, *, mode: int = 0o640) -> None:
        """Writes beside the target and renames over it: readers see the old file or the new one, never half."""
        beside = path + NEW_SUFFIX
        self.write(beside, data, like=path, mode=mode)
        self.rename(beside, path)

    def entries(self, path: str) -> tuple[RemoteFile, ...]:
        """All that stands in a directory, by name, whatever the names are made of; empty if the directory is not there."""
        return self._file("list", path, lambda sftp: read_directory(sftp, path))

    def listdir(self, path: str) -> tuple[RemoteFile, ...]:
        """Regular files in a directory, by name; empty if the directory is not there."""
        return tuple(entry for entry in self.entries(path) if entry.kind is EntryKind.FILE)

    def exists(self, path: str) -> bool:
        """Is there a file or folder of that name?"""
        return self._file("look at", path, lambda sftp: _stat(sftp, path) is not None)

    def remove(self, path: str) -> None:
        """Deletes a file; one that is not there is fine."""

        def delete(sftp: paramiko.SFTPClient) -> None:
            try:
                sftp.remove(path)
            except FileNotFoundError:
                return

        self._file("remove", path, delete)

    def file_system(self, path: str) -> FileSystem | None:
        """Free space where `path` lies; None where the path is not there or the server does not tell (statvfs)."""

        def ask(sftp: paramiko.SFTPClient) -> FileSystem | None:
            try:
                kind, told = sftp._request(CMD_EXTENDED, "statvfs@openssh.com", path)  # type: ignore[attr-defined]
            except (TimeoutError, ConnectionError):
                raise
            except OSError:
                return None
            if kind != CMD_EXTENDED_REPLY:
                return None
            _, size, blocks, _, free, files, _, free_files, *_ = (told.get_int64() for _ in range(11))
            return (
                FileSystem(path, blocks * size, free * size, files, free_files) if blocks and size else None
            )

        return self._file("look at", path, ask)

    def clock_offset(self, beside: str) -> timedelta:
        """How far the host's clock is ahead of ours: by the time of a file just written, which is removed again.

        Raises an EngineError where nothing can be written. Exact to a second or two."""
        path = beside + PROBE_SUFFIX

        def probe(sftp: paramiko.SFTPClient) -> timedelta:
            before = time.time()
            try:
                with sftp.open(path, "wb") as handle:
                    handle.write(b"email-engine looks at the clock\n")
                seen = sftp.stat(path).st_mtime
            finally:
                with contextlib.suppress(FileNotFoundError):
                    sftp.remove(path)
            if seen is None:
                raise OSError("the server tells no times of files")
            off = seen - (before + time.time()) / 2
            return timedelta(seconds=off + 0.5)  # times of files are whole seconds, cut off

        return self._file("write", path, probe)

    def rename(self, source: str, target: str) -> None:
        """Atomic, over an existing target."""
        self._file("rename to", target, lambda sftp: sftp.posix_rename(source, target))

    def rename_new(self, source: str, target: str) -> None:
        """Atomic, never over an existing target: raises FileExistsError, also where the server says no more than that it failed."""

        def rename(sftp: paramiko.SFTPClient) -> bool:
            try:
                sftp.rename(source, target)
            except OSError:
                if _stat(sftp, target) is None:
                    raise
                return False
            return True

        if not self._file("rename to", target, rename):
            raise FileExistsError(target)

    def _file(self, what: str, path: str, work: Callable[[paramiko.SFTPClient], T]) -> T:
        if not path.startswith("/") or not path.isprintable() or ".." in PurePosixPath(path).parts:
            raise InputError(
                self.endpoint.subject, f"path {path!r}", "an absolute path", "correct it in fleet.yaml"
            )
        try:
            return work(self._files())
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise file_error(self.endpoint.subject, what, path, error) from error


def _stat(sftp: paramiko.SFTPClient, path: str) -> paramiko.SFTPAttributes | None:
    try:
        return sftp.stat(path)
    except FileNotFoundError:
        return None
