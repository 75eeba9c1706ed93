"""What the supervisor looks after beside its children: PostgreSQL, which is started again when it is gone, and chores."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

BEAT = 1.0
LONGEST_WAIT = 30.0


class Server(Protocol):
    """A server that is no child of ours: `stack.postgres.Cluster`."""

    def pid(self) -> int | None: ...
    def reachable(self) -> bool: ...
    def start(self) -> None: ...


class ServerWatch:
    """Starts the server again whenever it is gone; the waits between tries double up to 30 s. Runs in a thread."""

    def __init__(
        self, name: str, server: Server, tell: Callable[[str], None], after: Callable[[], None]
    ) -> None:
        self.name = name
        self.restarts = 0
        self.started_at = 0.0
        self.error: str | None = None
        self._server, self._tell, self._after = server, tell, after
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float = 70.0) -> None:
        """Waits for a start that is under way, so that no server comes up behind the back of who stops it."""
        self._stopping.set()
        self._hurry.set()
        self._thread.join(patience)

    def hurry(self) -> None:
        """Try again now."""
        self._hurry.set()

    def row(self) -> dict[str, object]:
        return {
            "pid": self._server.pid(),
            "restarts": self.restarts,
            "error": self.error,
            "started_at": self.started_at,
        }

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            failures = 0 if self._look() else failures + 1
            self._hurry.wait(min(LONGEST_WAIT, BEAT * 2**failures) if failures else BEAT)
            self._hurry.clear()

    def _look(self) -> bool:
        try:
            if self._server.reachable():
                self.error = None
                return True
            self._tell(f"{self.name} is gone; it is started again")
            self._server.start()
        except Exception as error:  # noqa: BLE001 - whatever it was, it is told and tried again
            if str(error) != self.error:
                self._tell(f"{self.name} cannot be started: {error}")
            self.error = str(error)
            return False
        self.restarts += 1
        self.started_at = time.time()
        self.error = None
        self._tell(f"{self.name} runs again (pid {self._server.pid()})")
        self._after()
        return True


class Chore:
    """Something to do at once and then every so often, in a thread; what goes wrong is told and tried again next time."""

    def __init__(self, what: Callable[[], object], every: float, tell: Callable[[str], None]) -> None:
        self._what, self._every, self._tell = what, every, tell
        self._due = 0.0
        self._thread: threading.Thread | None = None

    def beat(self) -> None:
        if time.monotonic() >= self._due and (self._thread is None or not self._thread.is_alive()):
            self._due = time.monotonic() + self._every
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            self._what()
        except Exception as error:  # noqa: BLE001 - a chore must not end the supervisor
            self._tell(f"{getattr(self._what, '__name__', 'a chore')} failed: {error}")
