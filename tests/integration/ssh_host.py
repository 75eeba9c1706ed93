"""A bare SSH and SFTP server on loopback whose `pmta` is a Python function: for faults that a good host never shows."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import asyncssh

Answer = Callable[[str], tuple[int, str, str]]


class _Server(asyncssh.SSHServer):
    def __init__(self, host: "SshHost") -> None:
        self.host = host

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.host.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        self.host.logins.append(username)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "pmta" and key.export_public_key() == self.host.authorized.export_public_key()


class SshHost:
    """`logins`: who tried to log in; `commands`: what was run; `answer`: replace it to change what `pmta` says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.logins: list[str] = []
        self.commands: list[str] = []
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.answer: Answer = lambda command: (0, '{"status":"success","data":{}}', "")
        self.hang = False
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.authorized = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def host_key_text(self) -> str:
        return self.host_key.export_public_key().decode().strip()

    @property
    def private_key_text(self) -> str:
        return self.authorized.export_private_key().decode()

    def __enter__(self) -> Self:
        self._thread.start()
        self._acceptor = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(20)
        self.port = self._acceptor.get_port()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    async def _start(self) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Server(self),
            server_host_keys=[self.host_key],
            process_factory=self._process,
            sftp_factory=lambda chan: asyncssh.SFTPServer(chan, chroot=str(self.root).encode()),
        )

    async def _stop(self) -> None:
        self._acceptor.close()
        await self._acceptor.wait_closed()
        for connection in self.connections:
            connection.abort()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.05)

    async def _process(self, process: asyncssh.SSHServerProcess) -> None:
        command = process.command or ""
        self.commands.append(command)
        if self.hang:
            await asyncio.sleep(60)
        status, out, err = self.answer(command)
        process.stdout.write(out)
        process.stderr.write(err)
        process.exit(status)
