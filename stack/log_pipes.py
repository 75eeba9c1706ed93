"""The supervisor's end of the logs: one pipe a log, and the process that empties them."""

import fcntl
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from email_engine.paths import ROOT
from stack.log_keeper import LIMIT

ROOM = 1_048_576
F_SETPIPE_SZ = 1031


class LogPipes:
    """Both ends stay open here: while the keeper is started again, nothing is lost and no writer is told to go away."""

    def __init__(self, logs: list[Path], limit: int = LIMIT) -> None:
        self.limit = limit
        self.logs = list(dict.fromkeys(logs))
        self._ends: dict[Path, tuple[int, int]] = {}
        self._keeper: subprocess.Popen[bytes] | None = None
        for log in self.logs:
            self._ends[log] = os.pipe()
            with suppress(OSError):
                fcntl.fcntl(self._ends[log][1], F_SETPIPE_SZ, ROOM)

    def writer(self, log: Path) -> int:
        """What a process gets as its stdout and stderr."""
        return self._ends[log][1]

    def ensure(self) -> None:
        """Starts the keeper if it does not run."""
        if self._keeper is None or self._keeper.poll() is not None:
            readers = {log: ends[0] for log, ends in self._ends.items()}
            words = [f"{reader}={log}" for log, reader in readers.items()]
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "stack.log_keeper", str(self.limit), *words], cwd=ROOT,
                stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=tuple(readers.values()),
            )  # fmt: skip

    def close(self, patience: float = 3.0) -> None:
        """Waits until what was said is written."""
        for ends in self._ends.values():
            for end in ends:
                os.close(end)
        self._ends.clear()
        if self._keeper is not None:
            for give_up in (self._keeper.terminate, self._keeper.kill):
                with suppress(subprocess.TimeoutExpired):
                    self._keeper.wait(patience)
                    return
                give_up()  # somebody that we do not know holds a pipe
            self._keeper.wait()
