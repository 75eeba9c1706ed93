"""The door to a host, tried by two SSH clients: asyncssh and paramiko."""

import asyncio
import io
import socket
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import paramiko
import pytest


@dataclass
class Door:
    """A host with its door open in a loop of its own, and what a client needs."""

    bench: Any
    port: int
    key: asyncssh.SSHKey
    host_key_file: Path
    loop: asyncio.AbstractEventLoop

    def knob(self, name: str, *arguments: Any, **named: Any) -> Any:
        async def turn() -> Any:
            return self.bench.host.knobs()[name](*arguments, **named)

        return asyncio.run_coroutine_threadsafe(turn(), self.loop).result(10)

    def client(self, use: Callable[[asyncssh.SSHClientConnection], Awaitable[Any]], **options: Any) -> Any:
        """Connects with the pinned host key and runs `use` on the connection."""

        async def connect() -> Any:
            chosen = {"username": "pmta", "client_keys": [self.key], "known_hosts": self.pinned()} | options
            async with asyncssh.connect("127.0.0.1", self.port, config=None, **chosen) as connection:
                return await use(connection)

        return asyncio.run(asyncio.wait_for(connect(), 10))

    def run(self, command: str, **options: Any) -> asyncssh.SSHCompletedProcess:
        return self.client(lambda connection: connection.run(command), **options)

    def pinned(self) -> bytes:
        public = self.host_key_file.with_name(self.host_key_file.name + ".pub").read_text()
        return f"[127.0.0.1]:{self.port} {public}".encode()

    def paramiko(self) -> paramiko.SSHClient:
        client = paramiko.SSHClient()
        kind, text = self.host_key_file.with_name(self.host_key_file.name + ".pub").read_text().split()[:2]
        entry = paramiko.hostkeys.HostKeyEntry.from_line(f"[127.0.0.1]:{self.port} {kind} {text}")
        client.get_host_keys().add(f"[127.0.0.1]:{self.port}", kind, entry.key)
        key = paramiko.Ed25519Key.from_private_key(io.StringIO(self.key.export_private_key().decode()))
        client.connect(
            "127.0.0.1", self.port, "pmta", pkey=key, allow_agent=False, look_for_keys=False, timeout=10
        )
        return client


@pytest.fixture
def door(bench, tmp_path: Path) -> Iterator[Door]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    file = tmp_path / "keys" / "mta-1"
    authorized = key.export_public_key().decode().strip()
    port = asyncio.run_coroutine_threadsafe(bench.host.start_ssh(0, file, authorized, "pmta"), loop).result(
        10
    )
    yield Door(bench, port, key, file, loop)

    async def close() -> None:
        bench.host.close()
        await asyncio.sleep(0.05)

    asyncio.run_coroutine_threadsafe(close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_a_missing_host_key_is_made_and_its_public_half_written_beside_it(door: Door) -> None:
    assert stat.S_IMODE(door.host_key_file.stat().st_mode) == 0o600
    assert door.host_key_file.with_name("mta-1.pub").read_text().startswith("ssh-ed25519 ")


def test_pmta_answers_with_output_and_status(door: Door) -> None:
    done = door.run("pmta show version")
    assert (done.exit_status, done.stdout, done.stderr) == (0, "PowerMTA v5.0r5\n", "")
    failed = door.run("/usr/sbin/pmta check config")
    assert (failed.exit_status, failed.stdout) == (1, "")
    assert "unknown command" in str(failed.stderr)


def test_quoted_queue_names_arrive_whole(door: Door) -> None:
    door.bench.vmtas("a")
    door.bench.submit(2, "a")
    assert door.run("pmta pause queue '*/a'").stdout == "1 queue(s) paused.\n"
    assert '"paused": true' in str(door.run("pmta --json show queues '*/a'").stdout)


@pytest.mark.parametrize(
    "command", ["id", "cat /etc/passwd", "sh -c 'pmta reload'", "sudo pmta reload", "pmtad --debug"]
)
def test_nothing_but_pmta_can_be_run(door: Door, command: str) -> None:
    done = door.run(command)
    assert done.exit_status == 127
    assert "command not found" in str(done.stderr)


def test_a_shell_is_not_given(door: Door) -> None:
    async def ask(connection: asyncssh.SSHClientConnection) -> int | None:
        return (await (await connection.create_process(term_type=None)).wait()).exit_status

    assert door.client(ask) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"client_keys": [asyncssh.generate_private_key("ssh-ed25519")]},
        {"username": "root"},
        {"client_keys": None, "password": "secret", "preferred_auth": "password"},
    ],
    ids=["another key", "another user", "a password"],
)
def test_only_the_one_key_of_the_one_user_opens_the_door(door: Door, options: dict[str, Any]) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        door.run("pmta show version", **options)


def test_a_client_that_pins_the_key_sees_a_changed_one(door: Door) -> None:
    door.knob("change_host_key")
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        door.run("pmta show version")
    with pytest.raises(paramiko.BadHostKeyException):
        door.paramiko()
    door.knob("change_host_key", restore=True)
    assert door.run("pmta show version").exit_status == 0


def test_a_host_that_is_down_refuses_and_one_that_is_up_again_answers(door: Door) -> None:
    door.knob("down")
    with pytest.raises(ConnectionRefusedError):
        door.run("pmta show version")
    assert door.bench.host.state()["ssh"] == {"port": door.port, "open": False}
    door.knob("down")
    door.knob("up")
    door.knob("up")
    assert door.run("pmta show version").exit_status == 0


def test_down_cuts_the_connections_that_are_open(door: Door) -> None:
    async def use(connection: asyncssh.SSHClientConnection) -> None:
        await asyncio.to_thread(door.knob, "down")
        await connection.run("pmta show version")

    with pytest.raises((asyncssh.ConnectionLost, asyncssh.ChannelOpenError, ConnectionResetError)):
        door.client(use)


def test_a_taken_port_is_an_os_error(door: Door, bench) -> None:
    async def second() -> None:
        await bench.host.start_ssh(
            door.port, door.host_key_file, door.key.export_public_key().decode(), "pmta"
        )

    with pytest.raises(OSError, match="in use"):
        asyncio.run(second())


def test_a_missing_command_is_127(door: Door) -> None:
    door.knob("command_missing")
    assert door.run("pmta show version").exit_status == 127
    door.knob("command_missing", on=False)
    assert door.run("pmta show version").exit_status == 0


def test_a_hanging_command_keeps_its_caller_waiting(door: Door) -> None:
    door.knob("hang_command", 60, "reload")
    assert door.run("pmta show version").exit_status == 0
    with pytest.raises(asyncio.TimeoutError):
        door.client(lambda connection: connection.run("pmta reload", timeout=0.3))
    door.knob("hang_command", 0)
    door.knob("slow", 0.2)
    loop_time = asyncio.new_event_loop()
    began = loop_time.time()
    assert door.run("pmta reload").exit_status == 0
    assert loop_time.time() - began >= 0.2
    loop_time.close()


def test_paramiko_runs_commands_and_moves_files(door: Door) -> None:
    client = door.paramiko()
    try:
        _, out, _ = client.exec_command("pmta test config", timeout=10)
        assert out.channel.recv_exit_status() == 0
        files = client.open_sftp()
        assert sorted(files.listdir("/")) == ["etc", "var"]
        temporary, final = "/etc/pmta/.email-engine.conf.new", "/etc/pmta/email-engine.conf"
        with files.open(temporary, "wb") as new:
            new.write(b"<virtual-mta a>\n</virtual-mta>\n")
        files.chmod(temporary, 0o640)
        files.posix_rename(temporary, final)
        assert stat.S_IMODE(files.stat(final).st_mode or 0) == 0o640
        with files.open(final, "rb") as back:
            assert back.read() == b"<virtual-mta a>\n</virtual-mta>\n"
        _, out, _ = client.exec_command("pmta reload", timeout=10)
        assert out.read() == b"Configuration reloaded.\n"
        assert list(door.bench.host.state()["vmtas"]) == ["a"]
    finally:
        client.close()


def test_closed_accounting_files_can_be_listed_read_and_removed(door: Door) -> None:
    door.bench.vmtas("a")
    door.bench.submit(3, "a")
    door.bench.pass_time(hours=1)

    async def fetch(connection: asyncssh.SSHClientConnection) -> tuple[list[str], bytes, list[str]]:
        async with connection.start_sftp_client() as files:
            names = [name for name in await files.listdir("/var/log/pmta/done") if not name.startswith(".")]
            async with files.open(f"/var/log/pmta/done/{names[0]}", "rb") as file:
                content = await file.read()
            await files.remove(f"/var/log/pmta/done/{names[0]}")
            left = [name for name in await files.listdir("/var/log/pmta/done") if not name.startswith(".")]
            return names, content, left

    names, content, left = door.client(fetch)
    assert names == ["acct-2026-11-01-0000.csv"]
    assert content.startswith(b"type,timeLogged,")
    assert left == []


def test_nothing_outside_the_root_can_be_reached(door: Door, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")

    async def climb(connection: asyncssh.SSHClientConnection) -> bool:
        async with connection.start_sftp_client() as files:
            return await files.exists("/../secret") or await files.exists(str(tmp_path / "secret"))

    assert door.client(climb) is False


@pytest.mark.parametrize(
    ("knob", "error"),
    [("disk_full", asyncssh.SFTPFailure), ("permission_denied", asyncssh.SFTPPermissionDenied)],
)
def test_writing_can_be_made_to_fail(door: Door, knob: str, error: type[Exception]) -> None:
    async def write(connection: asyncssh.SSHClientConnection) -> None:
        async with connection.start_sftp_client() as files, files.open("/etc/pmta/new.conf", "wb") as file:
            await file.write(b"x" * 1000)

    door.knob(knob)
    with pytest.raises(error):
        door.client(write)
    door.knob(knob, on=False)
    door.client(write)
    assert (door.bench.root / "etc/pmta/new.conf").read_bytes() == b"x" * 1000


def test_renaming_needs_permission_too(door: Door) -> None:
    async def rename(connection: asyncssh.SSHClientConnection) -> None:
        async with connection.start_sftp_client() as files:
            await files.posix_rename("/etc/pmta/email-engine.conf", "/etc/pmta/other.conf")

    door.knob("permission_denied")
    with pytest.raises(asyncssh.SFTPPermissionDenied):
        door.client(rename)


def test_the_port_listens_on_loopback_only(door: Door) -> None:
    with socket.socket() as outside:
        assert outside.connect_ex(("127.0.0.2", door.port)) != 0
