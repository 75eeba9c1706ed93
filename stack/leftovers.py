"""What runs though no supervisor holds the lock: children of a killed one, which the kernel told to stop, and a supervisor
whose lock file was deleted."""

import json
import os
import signal
import time
from contextlib import suppress

from stack.processes import PROC, alive
from stack.settings import Settings

GRACE = 25.0
OURS = (b"airflow", b"\0lab\0")


def end_leftovers(settings: Settings) -> list[str]:
    """Waits for what the last report names, and ends what will not; gives the names of those that were still there.

    Only for a state folder without a supervisor. A number that another program has by now is left alone."""
    report = settings.state / "supervisor.json"
    try:
        found = json.loads(report.read_text())
        rows = found["children"]
        _end_supervisor(found["pid"])
        left = {name: int(row["pid"]) for name, row in rows.items() if row["pid"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        left = {}
    left = {name: pid for name, pid in left.items() if _ours(pid)}
    _signal(left, signal.SIGTERM)
    _signal(left, signal.SIGCONT)
    deadline = time.monotonic() + GRACE
    while any(map(alive, left.values())) and time.monotonic() < deadline:
        time.sleep(0.1)
    _signal(left, signal.SIGKILL)
    report.unlink(missing_ok=True)
    return sorted(left)


def _end_supervisor(pid: int) -> None:
    if _command(pid).rstrip(b"\0").rpartition(b"supervise")[0].endswith(b"\0stack\0"):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 2 * GRACE
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.1)


def _ours(pid: int) -> bool:
    with suppress(OSError):
        return alive(pid) and os.getpgid(pid) == pid and any(word in _command(pid) for word in OURS)
    return False


def _command(pid: int) -> bytes:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""


def _signal(pids: dict[str, int], number: int) -> None:
    for pid in pids.values():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
