"""Keeps the long-running processes alive: starts them in order, restarts what dies, stops all in reverse: those that
serve the others last, or a running task would wait for an API that is gone.

Each child leads its own process group, so nothing that it forked is left behind. If the supervisor itself is killed,
the kernel tells its children to stop (Linux).
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

GRACE = 25.0
PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Child:
    """One process: what to run and how it fares."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    serves: bool = False  # others need it until they have stopped
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    not_before: float = 0.0
    started: float = field(default=0.0)

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = _spawn(self.command, self.environment, out)
        self.started = time.monotonic()

    def died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def plan_restart(self) -> None:
        """The wait doubles up to 30 s and starts anew after five good minutes."""
        self.restarts = self.restarts + 1 if time.monotonic() - self.started < 300 else 1
        self.not_before = time.monotonic() + min(30.0, 2.0 ** (self.restarts - 1))
        self.process = None

    def signal(self, number: int) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _spawn(command: list[str], environment: Mapping[str, str], out: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        start_new_session=True, preexec_fn=_die_with_parent,
    )  # fmt: skip


class Supervisor:
    """Runs until SIGTERM or SIGINT; `report` is a JSON file that `make status` reads."""

    def __init__(self, children: list[Child], report: Path) -> None:
        self.children = children
        self.report = report
        self.stopping = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for child in self.children:
            if not self.stopping:
                child.start()
        while not self.stopping:
            self._tell()
            self._revive()
            time.sleep(1.0)
        self._stop_children()
        self.report.unlink(missing_ok=True)

    def _stop(self, number: int, frame: object) -> None:
        self.stopping = True

    def _revive(self) -> None:
        for child in self.children:
            if child.died():
                child.signal(signal.SIGKILL)
                child.plan_restart()
            if child.process is None and time.monotonic() >= child.not_before:
                child.start()

    def _tell(self) -> None:
        rows = {
            c.name: {"pid": c.process.pid if c.process else None, "restarts": c.restarts}
            for c in self.children
        }
        draft = self.report.with_suffix(".new")
        draft.write_text(json.dumps({"pid": os.getpid(), "children": rows}))
        draft.rename(self.report)

    def _stop_children(self) -> None:
        deadline = time.monotonic() + GRACE
        for serves in (False, True):
            _stop_all([child for child in reversed(self.children) if child.serves is serves], deadline)


def _stop_all(children: list[Child], deadline: float) -> None:
    for child in children:
        child.signal(signal.SIGTERM)
    for child in children:
        if child.process is not None:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.1, deadline - time.monotonic()))
            child.signal(signal.SIGKILL)


def alive(pid: int | None) -> bool:
    """Is this process there (and no zombie)?"""
    if pid is None:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
