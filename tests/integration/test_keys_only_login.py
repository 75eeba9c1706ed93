"""The restricted login for DKIM keys: `deploy/email-engine-keys` as forced command of a real sshd."""

import getpass
import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from email_engine.adapters.powermta import PowerMta, PowerMtaEndpoint
from email_engine.adapters.powermta_keys import KeysByCommand, KeyStands, new_key, open_keys
from email_engine.adapters.powermta_ssh import run
from email_engine.dnsauth.dkim import public_key_of
from email_engine.errors import InputError, NotVerified, Refused

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SCRIPT = Path(__file__).resolve().parents[2] / "deploy/email-engine-keys"
pytestmark = pytest.mark.skipif(
    SSHD is None or not shutil.which("openssl"),
    reason="needs sshd and openssl (apt-get install openssh-server)",
)


def _ssh_key(file: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    file.chmod(0o600)
    return key


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A running sshd whose one key is restricted as docs/onboarding.md says."""
    base = tmp_path_factory.mktemp("sshd")
    pmta = base / "pmta"
    folder = pmta / "dkim"
    folder.mkdir(parents=True)
    host_key, client_key = _ssh_key(base / "host"), _ssh_key(base / "client")
    restricted = f'restrict,command="{SCRIPT} {folder} {pmta}" {_public(client_key)}\n'
    (base / "authorized_keys").write_text(restricted)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (base / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {base}/host\nAuthorizedKeysFile {base}/authorized_keys\n"
        f"PidFile {base}/pid\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
        "PermitRootLogin forced-commands-only\nSubsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    log = (base / "log").open("w")
    server = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(base / "sshd_config")], stderr=log)
    endpoint = PowerMtaEndpoint(
        "127.0.0.1", port, getpass.getuser(), _public(host_key), (base / "client").read_text(),
        keys_username=getpass.getuser(),
    )  # fmt: skip
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield SimpleNamespace(endpoint=endpoint, folder=folder, pmta=pmta, log=base / "log")
    finally:
        server.terminate()
        server.wait(10)
        log.close()


@pytest.fixture
def keys(door: SimpleNamespace) -> Iterator[KeysByCommand]:
    for file in (*door.folder.iterdir(), *door.pmta.glob("*.conf")):
        file.unlink()
    with PowerMta(door.endpoint) as mta, open_keys(mta) as opened:
        assert isinstance(opened, KeysByCommand)
        yield opened


def pem_of(bits: int = 2048, encryption: object = None) -> bytes:
    key = rsa.generate_private_key(65537, bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())  # type: ignore[arg-type]


def test_the_host_makes_a_key_that_never_leaves_it(door: SimpleNamespace, keys: KeysByCommand) -> None:
    path = f"{door.folder}/news1.example.s202611.pem"
    assert keys.public_key(path) is None
    public = keys.make(path)
    file = Path(path)
    assert public == keys.public_key(path) == public_key_of(file.read_bytes())
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert file.stat().st_gid == door.folder.stat().st_gid
    assert list(door.folder.iterdir()) == [file]
    with pytest.raises(Refused, match="does not give"):
        keys.private_key(path)


def test_a_key_is_installed_once_and_read_back(door: SimpleNamespace, keys: KeysByCommand) -> None:
    path, pem = f"{door.folder}/mail.example.pem", new_key()
    assert keys.install(path, pem) == public_key_of(pem)
    with pytest.raises(KeyStands):
        keys.install(path, new_key())
    with pytest.raises(KeyStands):
        keys.make(path)
    assert public_key_of(Path(path).read_bytes()) == public_key_of(pem)
    keys.remove(path)
    keys.remove(path)
    assert list(door.folder.iterdir()) == []


def test_a_key_that_a_configuration_names_is_not_removed(door: SimpleNamespace, keys: KeysByCommand) -> None:
    path = f"{door.folder}/mail.example.pem"
    keys.make(path)
    config = door.pmta / "email-engine.conf"
    config.write_text(f"<virtual-mta a>\n  domain-key s1,mail.example,{path}\n</virtual-mta>\n")
    with pytest.raises(Refused, match="still names the key"):
        keys.remove(path)
    assert Path(path).exists()
    config.write_text("# nothing\n")
    keys.remove(path)
    assert not Path(path).exists()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (pem_of(1024), "fewer than 2048 bits"),
        (b"", "no RSA private key"),
        (b"\x00" * 20_000, "more than 16384 bytes"),
        (pem_of(encryption=BestAvailableEncryption(b"secret")), "no RSA private key"),
        (
            Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "no RSA private key",
        ),
    ],
    ids=["short", "nothing", "too much", "passphrase", "ed25519"],
)
def test_what_is_no_good_key_is_refused_and_leaves_nothing(
    door: SimpleNamespace, keys: KeysByCommand, sent: bytes, said: str
) -> None:
    line = f"install-key {door.folder}/mail.example.pem"
    done = run(keys._session.transport(), line, 20, "host", sent)
    assert done.exit_status == 2
    assert said in done.stderr
    assert list(door.folder.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        "id",
        "bash -i",
        "make-key",
        "make-key {folder}",
        "make-key {folder}/",
        "make-key {folder}/../evil.pem",
        "make-key {folder}/sub/evil.pem",
        "make-key {folder}/.hidden.pem",
        "make-key {folder}/-rf.pem",
        "make-key {folder}/a..pem",
        "make-key {folder}/evil",
        "make-key {folder}/evil.sh",
        "make-key /etc/evil.pem",
        "make-key {folder}/evil.pem; touch {folder}/touched.pem",
        "make-key {folder}/evil.pem {folder}/two.pem",
        "make-key  {folder}/evil.pem",
        "make-key {folder}/evil.pem\ntouch {folder}/touched.pem",
        "make-key {folder}/$(touch touched).pem",
        "make-key {folder}/`id`.pem",
        "make-key {folder}/evil*.pem",
        "remove-key {folder}/*.pem",
        "show-key /etc/passwd",
        "cat {folder}/mail.example.pem",
        "/usr/lib/openssh/sftp-server",
    ],
)
def test_nothing_else_can_be_said(door: SimpleNamespace, keys: KeysByCommand, line: str) -> None:
    keys.make(f"{door.folder}/mail.example.pem")
    done = run(keys._session.transport(), line.format(folder=door.folder), 20, "host")
    assert done.exit_status == 2
    assert done.stdout == ""
    assert [file.name for file in door.folder.iterdir()] == ["mail.example.pem"]


def test_a_link_is_neither_followed_nor_replaced(door: SimpleNamespace, keys: KeysByCommand) -> None:
    target = door.pmta / "elsewhere.pem"
    target.write_bytes(new_key())
    link = door.folder / "mail.example.pem"
    link.symlink_to(target)
    with pytest.raises(KeyStands):
        keys.make(str(link))
    with pytest.raises(Refused):
        keys.public_key(str(link))
    with pytest.raises(Refused):
        keys.remove(str(link))
    assert link.is_symlink()


def test_it_has_no_shell_no_files_and_no_tunnel(door: SimpleNamespace, keys: KeysByCommand) -> None:
    transport = keys._session.transport()
    with transport.open_session() as shell:
        shell.settimeout(10)
        shell.invoke_shell()
        assert shell.recv(1000) == b""
        assert shell.recv_exit_status() == 2
    with pytest.raises((paramiko.SSHException, EOFError)):
        transport.open_sftp_client()
    with pytest.raises(paramiko.ChannelException):
        transport.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1))


def test_a_file_that_is_no_key_is_told(door: SimpleNamespace, keys: KeysByCommand) -> None:
    (door.folder / "mail.example.pem").write_text("not a key\n")
    with pytest.raises((Refused, NotVerified), match="no private key"):
        keys.public_key(f"{door.folder}/mail.example.pem")


def test_a_path_that_a_shell_could_misread_never_reaches_the_host(
    door: SimpleNamespace, keys: KeysByCommand
) -> None:
    with pytest.raises(InputError, match="command word"):
        keys.make(f"{door.folder}/a;id.pem")
    with PowerMta(replace(door.endpoint, keys_username="")) as mta, open_keys(mta) as plain:
        assert not plain.makes
