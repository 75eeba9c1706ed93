"""Keeps the long-running processes alive: starts them in order, restarts what dies, stops all in reverse: those that
serve the others last, or a running task would wait for an API that is gone.

Each child leads its own process group, so nothing that it forked is left behind. If the supervisor itself is killed,
the kernel tells its children to stop (Linux). SIGUSR1 means: whoever waits to be started again, start now.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stack.log_pipes import LogPipes
from stack.processes import die_with_parent
from stack.watch import Chore, ServerWatch

GRACE = 25.0
BEAT = 1.0


@dataclass(slots=True)
class Child:
    """One process: what to run and how it fares."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    serves: bool = False  # others need it until they have stopped
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0  # within five minutes of each other
    deaths: int = 0
    last_exit: int | None = None
    not_before: float = 0.0
    started: float = 0.0
    started_at: float = 0.0  # by the clock of the wall, for others

    def start(self, out: int) -> None:
        self.process = subprocess.Popen(
            self.command, env=dict(self.environment), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=die_with_parent,
        )  # fmt: skip
        self.started, self.started_at = time.monotonic(), time.time()

    def died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def plan_restart(self) -> None:
        """The wait doubles up to 30 s and starts anew after five good minutes."""
        self.last_exit = self.process.returncode if self.process else None
        self.deaths += 1
        self.restarts = self.restarts + 1 if time.monotonic() - self.started < 300 else 1
        self.not_before = time.monotonic() + min(30.0, 2.0 ** (self.restarts - 1))
        self.process = None

    def signal(self, number: int) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def row(self) -> dict[str, object]:
        return {
            "pid": self.process.pid if self.process else None,
            "restarts": self.restarts,
            "deaths": self.deaths,
            "last_exit": self.last_exit,
            "started_at": self.started_at,
            "log": str(self.log),
        }


def tell(text: str) -> None:
    """A line of supervisor.log."""
    with suppress(OSError):
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}", flush=True)


class Supervisor:
    """Runs until SIGTERM or SIGINT; `report` is a JSON file that `make status` and `make up` read."""

    def __init__(
        self,
        children: list[Child],
        report: Path,
        watches: Sequence[ServerWatch] = (),
        chores: Sequence[Chore] = (),
    ) -> None:
        self.children = children
        self.report = report
        self.watches = watches
        self.chores = chores
        self.stopping = False
        self.pipes = LogPipes([child.log for child in children])

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGUSR1, self.revive_now)
        self.pipes.ensure()
        for watch in self.watches:
            watch.start()
        for child in self.children:
            if not self.stopping:
                child.start(self.pipes.writer(child.log))
        while not self.stopping:
            self.pipes.ensure()
            self._tell()
            self._revive()
            for chore in self.chores:
                chore.beat()
            time.sleep(BEAT)
        self._stop_children()
        for watch in self.watches:
            watch.stop()
        self.pipes.close()
        self.report.unlink(missing_ok=True)

    def revive_now(self, *_: object) -> None:
        """Nobody's wait goes on: what it needed is there again."""
        for child in self.children:
            child.not_before = 0.0
        for watch in self.watches:
            watch.hurry()

    def _stop(self, number: int, frame: object) -> None:
        self.stopping = True

    def _revive(self) -> None:
        for child in self.children:
            if child.died():
                child.signal(signal.SIGKILL)
                child.plan_restart()
                tell(f"{child.name} ended with {child.last_exit}; it is started again")
            if child.process is None and time.monotonic() >= child.not_before and not self.stopping:
                child.start(self.pipes.writer(child.log))

    def _tell(self) -> None:
        rows = {child.name: child.row() for child in self.children}
        watched = {watch.name: watch.row() for watch in self.watches}
        draft = self.report.with_suffix(".new")
        with suppress(OSError):  # a full disk ends no process
            draft.write_text(
                json.dumps({"pid": os.getpid(), "at": time.time(), "children": rows, "watched": watched})
            )
            draft.rename(self.report)

    def _stop_children(self) -> None:
        deadline = time.monotonic() + GRACE
        for serves in (False, True):
            _stop_all([child for child in reversed(self.children) if child.serves is serves], deadline)


def _stop_all(children: list[Child], deadline: float) -> None:
    for child in children:
        child.signal(signal.SIGTERM)
        child.signal(signal.SIGCONT)  # a stopped process hears it too
    for child in children:
        if child.process is not None:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.1, deadline - time.monotonic()))
            child.signal(signal.SIGKILL)
            child.process.wait()
