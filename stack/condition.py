"""What runs of this state folder, and waiting for it: a process that dies at once is told with the end of its log."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stack import locks
from stack.processes import alive, end_of_file
from stack.settings import Settings

DEATHS = 2
"""A child that dies so often while it is waited for will not come up; the first time may be bad luck."""
SILENT = 30.0
STARTS_WITHIN = 30.0
SUPERVISOR = "the supervisor"


class NotReady(RuntimeError):
    """Something did not come up; the text says what, how it ended and what its log says last."""


def supervisor_lock(settings: Settings) -> Path:
    return settings.state / "supervisor.lock"


def supervisor_pid(settings: Settings) -> int | None:
    """The supervisor of this state folder, if it runs: who holds the lock, whatever old files say."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        found = locks.holder(supervisor_lock(settings))
        if found is None:
            return None
        if found.get("what") == SUPERVISOR and isinstance(pid := found.get("pid"), int):
            return pid
        time.sleep(0.05)  # it starts and has the lock from who started it
    raise NotReady(
        f"{supervisor_lock(settings)} is held by {found}, which is no supervisor. Next: end that process"
    )


def report(settings: Settings) -> dict[str, Any] | None:
    """What the running supervisor wrote last; None before its first word, or when none runs."""
    pid = supervisor_pid(settings)
    try:
        found = json.loads((settings.state / "supervisor.json").read_text())
        return found if pid is not None and found["pid"] == pid else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def deaths(settings: Settings) -> dict[str, int]:
    """Child -> how often it ended since the supervisor started."""
    found = report(settings) or {}
    return {name: int(row.get("deaths", 0)) for name, row in found.get("children", {}).items()}


def wait(
    what: str,
    ready: Callable[[], bool],
    seconds: float,
    settings: Settings,
    before: Mapping[str, int] | None = None,
) -> None:
    """Until `ready`. Raises NotReady when the time is up, when the supervisor ended, or when a child dies again and again.

    `before` counts deaths that are none of ours; without it no child is looked at."""
    deadline = time.monotonic() + seconds
    while not ready():
        if before is not None:
            look(settings, before)
        if time.monotonic() > deadline:
            raise NotReady(f"{what} is not ready after {seconds:.0f} s; look at: make logs")
        time.sleep(0.2)


def look(settings: Settings, before: Mapping[str, int]) -> None:
    """Raises NotReady for a supervisor that is gone and for a child that ended `DEATHS` times since `before`."""
    if supervisor_pid(settings) is None:
        raise NotReady(
            f"the supervisor ended. The end of its log:\n{end_of_file(settings.logs / 'supervisor.log')}"
        )
    found = report(settings) or {}
    for name, row in found.get("children", {}).items():
        if row.get("deaths", 0) - before.get(name, 0) >= DEATHS:
            log = Path(row["log"])
            raise NotReady(
                f"{name} does not come up: it ended {DEATHS} times (last with {row['last_exit']}). "
                f"The end of {log}:\n{end_of_file(log) or '(empty)'}"
            )
    for name, row in found.get("watched", {}).items():
        if row.get("error"):
            raise NotReady(f"{name} cannot be started: {row['error']}")


def silent_for(settings: Settings) -> float:
    """Seconds since the supervisor last wrote its report; 0 where there is none yet."""
    found = report(settings)
    return max(0.0, time.time() - found["at"]) if found else 0.0


CHILD_OF = {"scheduler": "scheduler", "triggerer": "triggerer", "dag_processor": "dag-processor"}
"""Airflow's name for a part in its health page: the child that it is."""


def since(settings: Settings, at_least: float = 0.0) -> dict[str, float]:
    """Airflow's name of a part -> the time that a heartbeat must be younger than to say that it is well.

    That is when its process was started, or the database that it lives by."""
    found = report(settings) or {}
    base = max([at_least, *(row.get("started_at", 0.0) for row in found.get("watched", {}).values())])
    children = found.get("children", {})
    return {
        part: max(base, float(children.get(child, {}).get("started_at", 0.0)))
        for part, child in CHILD_OF.items()
    }


def dead(settings: Settings) -> list[str]:
    """Children that are not there at this moment."""
    found = report(settings) or {}
    return [name for name, row in found.get("children", {}).items() if not alive(row["pid"])]
