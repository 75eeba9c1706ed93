"""One SSH session to one PowerMTA host: pinned host key, one key, one attempt, every wait bounded."""

import re
import shlex
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import paramiko

from email_engine.adapters.ssh_keys import load_private_key, parse_host_key
from email_engine.addresses import parse_address
from email_engine.errors import AccessDenied, EngineError, HostKeyChanged, InputError, Refused, Unreachable

SAFE_WORD = re.compile(r"[A-Za-z0-9@%+=:,./*_{}\[\]-]{1,512}")
MAX_OUTPUT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PowerMtaEndpoint:
    """How to reach one host. `host_key`: its public key, `ssh-ed25519 AAAA...`; `private_key`: ours, PEM text (`ssh_keys` puts
    right what pasting broke).

    Timeouts in seconds: `connect_timeout` for the connection, key exchange and login each, `command_timeout` for
    one remote command or one file operation. `keys_username`: another login of the same host, whose forced command is
    `email-engine-keys`; `keys_private_key`: its key where that is another."""

    host: str
    port: int
    username: str
    host_key: str
    private_key: str = field(repr=False)
    pmta_command: str = "pmta"
    connect_timeout: float = 10.0
    command_timeout: float = 60.0
    keys_username: str = ""
    keys_private_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        parse_address("PowerMTA host", self.host, self.port)

    @property
    def subject(self) -> str:
        return f"PowerMTA host {self.username}@{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a remote command answered; `exit_status` is -1 when the server closed without telling one."""

    exit_status: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """The command's own words in short, for messages."""
        text = " | ".join(
            line.strip() for line in (self.stderr + "\n" + self.stdout).splitlines() if line.strip()
        )
        return text if len(text) <= 600 else text[:600] + " ..."


def connect(endpoint: PowerMtaEndpoint) -> paramiko.Transport:
    """Connects, compares the host key with the pinned one, and only then logs in.

    Raises:
        Unreachable: no connection, or no SSH server behind it.
        HostKeyChanged: another key answered; no login was tried.
        AccessDenied: the host refused our user or key.
    """
    subject = endpoint.subject
    kind, pinned = parse_host_key(endpoint.host_key, subject)
    key = load_private_key(endpoint.private_key, subject)
    sock = _socket(endpoint)
    # Small packets in both directions: without it every command waits 40 ms for a delayed acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(sock)
    try:
        _handshake(transport, endpoint, kind, pinned)
        _login(transport, endpoint, key)
    except BaseException:
        transport.close()
        sock.close()
        raise
    return transport


def _socket(endpoint: PowerMtaEndpoint) -> socket.socket:
    try:
        return socket.create_connection((endpoint.host, endpoint.port), timeout=endpoint.connect_timeout)
    except socket.gaierror as error:
        cause, step = (
            f"the name does not resolve ({error.strerror})",
            "correct `host` in the connection, or the DNS",
        )
    except TimeoutError:
        cause = f"no answer within {endpoint.connect_timeout:g} s"
        step = "see whether the host is up and a firewall lets this machine reach the port"
    except ConnectionRefusedError:
        cause = "the connection was refused"
        step = "see whether sshd runs on that host and port, or correct the port in its connection"
    except OSError as error:
        cause, step = f"no connection ({error.strerror or error})", "see whether the host is up and reachable"
    raise Unreachable(endpoint.subject, cause, "an SSH server", step)


def _handshake(transport: paramiko.Transport, endpoint: PowerMtaEndpoint, kind: str, pinned: bytes) -> None:
    options = transport.get_security_options()
    wanted = ["rsa-sha2-512", "rsa-sha2-256"] if kind == "ssh-rsa" else [kind]
    options.key_types = [
        *(t for t in wanted if t in options.key_types),
        *(t for t in options.key_types if t not in wanted),
    ]
    transport.banner_timeout = endpoint.connect_timeout
    transport.handshake_timeout = endpoint.connect_timeout
    transport.auth_timeout = endpoint.connect_timeout
    began = time.monotonic()
    try:
        transport.start_client(timeout=endpoint.connect_timeout)
        offered = transport.get_remote_server_key()
    except (paramiko.SSHException, EOFError, OSError) as error:
        if (
            time.monotonic() - began >= endpoint.connect_timeout
        ):  # paramiko says that in several ways, or not at all
            raise Unreachable(
                endpoint.subject,
                f"something answers, but its SSH handshake takes longer than {endpoint.connect_timeout:g} s",
                "an SSH server",
                "see how busy that host and the line to it are, or raise `connect_timeout` in the connection",
            ) from error
        raise Unreachable(
            endpoint.subject,
            f"something answers, but the SSH handshake failed ({error or type(error).__name__})",
            "an SSH server",
            "see that host and port in the connection are sshd's, and sshd's log on the host",
        ) from error
    if offered.asbytes() != pinned:
        raise HostKeyChanged(
            endpoint.subject,
            f"host key {offered.get_name()} {offered.fingerprint}",
            f"the pinned {kind} key of the connection",
            "nothing was sent; compare with the key on the host's console: if the host was reinstalled, put its new "
            "public key into the connection's `host_key`, otherwise somebody stands in between",
        )


def _login(transport: paramiko.Transport, endpoint: PowerMtaEndpoint, key: paramiko.PKey) -> None:
    cause = None
    try:
        if transport.auth_publickey(endpoint.username, key):
            cause = "the key alone is not enough, the host asks for a second proof"
    except paramiko.BadAuthenticationType as error:
        cause = f"the host takes no keys, only {', '.join(error.allowed_types)}"
    except paramiko.AuthenticationException:
        cause = f"the host refused key {key.fingerprint}"
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise Unreachable(
            endpoint.subject,
            f"the connection broke during the login ({error or type(error).__name__})",
            "a login by key",
            "read sshd's log on the host",
        ) from error
    if cause:
        raise AccessDenied(
            endpoint.subject,
            cause,
            "a login by key",
            "add this key's public half to ~/.ssh/authorized_keys of that user on the host, or correct `login` and "
            "`private_key` in the connection",
        ) from None


def command_line(command: str, args: Sequence[str], subject: str) -> str:
    """`pmta_command` and validated words as one shell line; raises InputError for a word a shell could misread."""
    words = [*command.split(), *args]
    for word in words:
        if not SAFE_WORD.fullmatch(word):
            raise InputError(
                subject,
                f"command word {word!r}",
                "letters, digits and @%+=:,./*_{}[]- only",
                "correct the name in fleet.yaml, or `pmta_command` in the connection",
            )
    return shlex.join(words)


def run(
    transport: paramiko.Transport, line: str, timeout: float, subject: str, sent: bytes = b""
) -> CommandResult:
    """Runs one command with `sent` on its standard input; `timeout` seconds bound the whole of it. Raises Unreachable when it hangs or breaks off."""
    deadline = time.monotonic() + timeout
    try:
        channel = transport.open_session(timeout=timeout)
        try:
            channel.settimeout(timeout)
            channel.exec_command(line)
            if sent:
                channel.sendall(sent)
            channel.shutdown_write()
            out = _drain(channel.recv, channel, deadline)
            err = _drain(channel.recv_stderr, channel, deadline)
            if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            status = channel.exit_status
        finally:
            channel.close()
    except TimeoutError as error:
        raise Unreachable(
            subject,
            f"`{line}` did not end within {timeout:g} s",
            "an answer",
            "log in and try it by hand: PowerMTA may hang or its disk be slow; `command_timeout` in the connection "
            "is the limit",
        ) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise Unreachable(
            subject,
            f"the connection broke while `{line}` ran ({error or type(error).__name__})",
            "an answer",
            "what the command did is not known; the next run looks again",
        ) from error
    return CommandResult(status, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def _drain(receive: Callable[[int], bytes], channel: paramiko.Channel, deadline: float) -> bytes:
    parts, size = [], 0
    while size < MAX_OUTPUT:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        channel.settimeout(left)
        part = receive(65536)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


CLOSED = "Socket is closed"
"""What paramiko says, as a bare OSError, when the line breaks while it writes."""


def file_error(subject: str, what: str, path: str, error: Exception) -> EngineError:
    """An SFTP failure as one of ours, with the probable cause."""
    if isinstance(error, PermissionError):
        return Refused(
            subject,
            f"{what} {path}: permission denied",
            "write right for our SSH user",
            "give the SSH user's group (usually `pmta`) the right on that file and its directory",
        )
    if isinstance(error, FileNotFoundError):
        return Refused(
            subject, f"{what} {path}: not there", "the directory to exist", "correct the path in fleet.yaml"
        )
    broken = isinstance(error, TimeoutError | EOFError | paramiko.SSHException | ConnectionError)
    if broken or str(error) == CLOSED:
        return Unreachable(
            subject,
            f"{what} {path}: the connection broke ({error or type(error).__name__})",
            "an answer",
            "the next run looks at what is there and finishes or undoes it",
        )
    return Refused(
        subject,
        f"{what} {path}: {error}",
        "the file operation to succeed",
        "see free disk space, quotas and the file system's state on the host",
    )
