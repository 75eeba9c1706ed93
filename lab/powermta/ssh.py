"""The door to a host: SSH with key login only, `pmta` and nothing else to run, SFTP below the host's root directory."""

import asyncio
import os
import shlex
import socket
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh

from lab.ports import LOOPBACK
from lab.powermta.command_output import Output
from lab.powermta.commands import run_command

if TYPE_CHECKING:
    from lab.powermta.host import Host

_PMTA = {"pmta", "/usr/bin/pmta", "/usr/sbin/pmta"}
_WRITING = asyncssh.FXF_WRITE | asyncssh.FXF_APPEND | asyncssh.FXF_CREAT


class SshDoor:
    """Listens on one address. `down` and `up` work at once: after `up` a client may connect again."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._opening: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._key_file: Path | None = None
        self._host_key: asyncssh.SSHKey | None = None
        self._authorized: asyncssh.SSHKey | None = None
        self._username = ""
        self._address = LOOPBACK
        self.port = 0

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    async def open(
        self, port: int, host_key_file: Path, authorized_key: str, username: str, address: str = LOOPBACK
    ) -> int:
        self._key_file, self._username, self._address = host_key_file, username, address
        self._host_key = _host_key(host_key_file)
        self._authorized = asyncssh.import_public_key(authorized_key)
        self._bind(port)
        await self._listen()
        return self.port

    def _bind(self, port: int) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self._address, port))
            self._socket.listen(64)
        except OSError:
            self._socket.close()
            self._socket = None
            raise
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]

    async def _listen(self) -> None:
        self._acceptor = await asyncssh.listen(
            sock=self._socket,
            server_factory=lambda: _Login(self._username, self._authorized, self._connections),
            server_host_keys=[self._host_key],
            process_factory=self._run,
            sftp_factory=lambda channel: _Files(channel, self._host),
            gss_host=None,
            agent_forwarding=False,
            allow_pty=False,
            compression_algs=None,
        )

    def down(self) -> None:
        """Closes the listener and cuts the connections."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if self._acceptor is not None:
            self._acceptor.close()
            self._acceptor = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for connection in list(self._connections):
            connection.abort()

    def up(self) -> None:
        """Opens the same port again."""
        if self._socket is None:
            self._bind(self.port)
            self._opening = asyncio.get_running_loop().create_task(self._listen())

    def change_host_key(self, restore: bool) -> str:
        """Shows another host key to new connections, or the one in the file again; returns its fingerprint."""
        if self._key_file is None:
            raise ValueError("SSH was never started on this host")
        self._host_key = (
            _host_key(self._key_file) if restore else asyncssh.generate_private_key("ssh-ed25519")
        )
        if self._acceptor is not None:
            self._acceptor.update(server_host_keys=[self._host_key])
        return self._host_key.get_fingerprint()

    def close(self) -> None:
        self.down()

    async def _run(self, process: "asyncssh.SSHServerProcess[str]") -> None:
        output = await self._command(process.command)
        process.stdout.write(output.stdout)
        process.stderr.write(output.stderr)
        process.exit(output.status)

    async def _command(self, line: str | None) -> Output:
        faults = self._host.faults
        try:
            words = shlex.split(line or "")
        except ValueError as error:
            return Output(2, "", f"sh: syntax error: {error}\n")
        if not words:
            return Output(1, "", "no shell for this account\n")
        if words[0] not in _PMTA or faults.command_missing:
            return Output(127, "", f"sh: {words[0]}: command not found\n")
        if delay := faults.delay(" ".join(words)):
            await asyncio.sleep(delay)
        return run_command(self._host, words[1:])


class _Login(asyncssh.SSHServer):
    """One account, one key."""

    def __init__(
        self,
        username: str,
        authorized: asyncssh.SSHKey | None,
        connections: set[asyncssh.SSHServerConnection],
    ) -> None:
        self._username, self._authorized, self._all = username, authorized, connections
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._all.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._all.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return (
            self._authorized is not None
            and username == self._username
            and key.public_data == self._authorized.public_data
        )


class _Files(asyncssh.SFTPServer):
    """SFTP below the host's root directory, with the faults that a person has set."""

    def __init__(self, channel: asyncssh.SSHServerChannel, host: "Host") -> None:
        super().__init__(channel, chroot=os.fsencode(host.root))
        self._faults = host.faults

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        await asyncio.sleep(self._faults.slow_seconds)
        if pflags & _WRITING:
            self._may_write()
        return super().open(path, pflags, attrs)

    def write(self, file_obj: object, offset: int, data: bytes) -> int | Awaitable[int]:
        if self._faults.disk_full:
            raise asyncssh.SFTPFailure("Failure: no space left on device")
        return super().write(file_obj, offset, data)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        self._may_write()
        super().posix_rename(oldpath, newpath)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        self._may_write()
        super().rename(oldpath, newpath)

    def remove(self, path: bytes) -> None:
        self._may_write()
        super().remove(path)

    def statvfs(self, path: bytes) -> os.statvfs_result | asyncssh.SFTPVFSAttrs | Awaitable[Any]:
        told = super().statvfs(path)
        percent = 0.0 if self._faults.disk_full else self._faults.disk_free_percent
        if percent is None or not isinstance(told, os.statvfs_result):
            return told
        free = int(told.f_blocks * percent / 100)
        return asyncssh.SFTPVFSAttrs(
            told.f_bsize, told.f_frsize, told.f_blocks, free, free, told.f_files, told.f_ffree, told.f_favail,
            told.f_fsid, told.f_flag, told.f_namemax,
        )  # fmt: skip

    def _may_write(self) -> None:
        if self._faults.permission_denied:
            raise asyncssh.SFTPPermissionDenied("Permission denied")


def _host_key(file: Path) -> asyncssh.SSHKey:
    """The private key in `file`; a new one is written there (and `.pub` beside it) if there is none."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        key = asyncssh.generate_private_key("ssh-ed25519", comment=file.name)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(key.export_private_key())
    key = asyncssh.read_private_key(file)
    public = file.with_name(file.name + ".pub")
    if not public.exists():
        public.write_bytes(key.export_public_key())
    return key
