"""A real MariaDB for tests, where its server is installed (Debian: mariadb-server): one a session, with TLS, over TCP on loopback and
a socket."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import URL, Engine, create_engine, text

MARIADBD = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin")
INSTALL = shutil.which("mariadb-install-db")
needs_mariadb = pytest.mark.skipif(
    not (MARIADBD and INSTALL),
    reason="no mariadbd and mariadb-install-db here: install mariadb-server to run these",
)
PASSWORD = "not-a-secret"
QUICK = ["--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M"]
ACCOUNT = "'email_engine'@'%'"
SELECT = f"GRANT SELECT ON mailwizz.* TO {ACCOUNT}"
UPDATE = (
    "GRANT UPDATE (hourly_quota, daily_quota, status, last_updated) "
    f"ON mailwizz.mw_delivery_server TO {ACCOUNT}"
)
"""What docs ask for and no more."""


@dataclass(frozen=True)
class Mariadb:
    """`admin`: the administrator's URL, by the socket; `ca`: who vouches for its certificate, which names localhost and not
    127.0.0.1; `stranger`: another authority's."""

    admin: URL
    port: int
    ca: Path
    stranger: Path

    def url(self, host: str = "127.0.0.1") -> URL:
        """The engine's own login, by TCP."""
        return URL.create("mysql+pymysql", "email_engine", PASSWORD, host, self.port, "mailwizz")

    def by_socket(self) -> URL:
        return self.admin.set(username="email_engine", password=PASSWORD, database="mailwizz")

    @contextmanager
    def mailwizz(self) -> Iterator[Engine]:
        """The database `mailwizz`, empty, with the engine's login; the administrator's engine on it."""
        admin = create_engine(self.admin)
        run(admin, "CREATE DATABASE mailwizz CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        run(admin, f"CREATE USER {ACCOUNT} IDENTIFIED BY '{PASSWORD}'", SELECT)
        inside = create_engine(self.admin.set(database="mailwizz"))
        try:
            yield inside
        finally:
            inside.dispose()
            run(admin, "SET GLOBAL read_only = 0", f"DROP USER {ACCOUNT}", "DROP DATABASE mailwizz")
            admin.dispose()


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as conn:
        for statement in statements:
            conn.execute(text(statement))


def _identity() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@contextmanager
def running_mariadb() -> Iterator[Mariadb]:
    """An own server in a folder of its own."""
    home = Path(tempfile.mkdtemp(prefix="ee-mdb-"))
    identity = _identity()
    account = pwd.getpwuid(int(str(identity.get("user", os.geteuid())))).pw_name
    ca, stranger, certificate, key = _certificates(home)
    if identity:
        for path in (home, certificate, key):
            shutil.chown(path, account, int(str(identity["group"])))
    common = ["--no-defaults", f"--datadir={home}/data"]
    tls = [f"--ssl-cert={certificate}", f"--ssl-key={key}", f"--ssl-ca={ca}"]
    port = _free_port()
    network = [f"--socket={home}/socket", "--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve"]
    with (home / "log").open("w") as log:
        subprocess.run(
            [str(INSTALL), *common, "--auth-root-authentication-method=normal", "--skip-test-db", f"--user={account}"],
            check=True, stdout=log, stderr=log, cwd="/", **identity,  # type: ignore[call-overload]
        )  # fmt: skip
        process = subprocess.Popen(
            [str(MARIADBD), *common, *QUICK, *network, *tls, f"--pid-file={home}/pid"],
            stdout=log, stderr=log, cwd="/", **identity,  # type: ignore[call-overload]
        )  # fmt: skip
        try:
            _wait(process, home / "log")
            query = {"unix_socket": f"{home}/socket"}
            admin = URL.create("mysql+pymysql", "root", "", database="mysql", query=query)
            yield Mariadb(admin, port, ca, stranger)
        finally:
            process.terminate()
            process.wait(30)
            shutil.rmtree(home, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if "ready for connections" in log.read_text():
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail(f"mariadbd did not start: {log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _certificates(home: Path) -> tuple[Path, Path, Path, Path]:
    """Files: the authority, a stranger, the server's certificate and key."""
    key, ca = _authority("MailWizz test authority")
    _, stranger = _authority("somebody else")
    own = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("localhost")]
    signed = (
        _certificate("localhost", "MailWizz test authority", own)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files = {
        "ca.pem": ca.public_bytes(Encoding.PEM), "stranger.pem": stranger.public_bytes(Encoding.PEM),
        "server.pem": signed.public_bytes(Encoding.PEM), "server.key": private,
    }  # fmt: skip
    for name, content in files.items():
        (home / name).write_bytes(content)
    return home / "ca.pem", home / "stranger.pem", home / "server.pem", home / "server.key"


def _authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    public = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    made = (
        _certificate(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(public, critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, made


def _certificate(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mariadb]:
    with running_mariadb() as server:
        yield server
