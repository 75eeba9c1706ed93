"""The supervisor keeps children alive and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from email_engine.paths import ROOT
from stack.processes import alive

SCRIPT = """
import os, sys
from pathlib import Path
from stack.supervisor import Child, Supervisor
place = Path(sys.argv[1])
sleeper = ["bash", "-c", f"echo $$ >> {place}/started; sleep 1000 & echo $! >> {place}/grandchildren; wait"]
Supervisor([Child("sleeper", sleeper, os.environ, place / "log")], place / "report.json").run()
"""


def until(what: Callable[[], object], seconds: float = 15) -> object:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("did not happen in time")


def pids(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.fixture
def supervisor(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=ROOT, start_new_session=True
    )
    until(lambda: (tmp_path / "report.json").exists() and pids(tmp_path / "grandchildren"))
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(30)


def test_a_child_that_dies_is_started_again(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    first = pids(tmp_path / "started")[0]
    os.kill(first, signal.SIGKILL)
    until(lambda: len(pids(tmp_path / "started")) == 2)
    until(lambda: json.loads((tmp_path / "report.json").read_text())["children"]["sleeper"]["restarts"] == 1)
    assert not alive(pids(tmp_path / "grandchildren")[0]), "what the dead child forked goes with it"


def test_stopping_leaves_no_child_and_no_grandchild(
    supervisor: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    supervisor.terminate()
    supervisor.wait(30)
    everyone = pids(tmp_path / "started") + pids(tmp_path / "grandchildren")
    assert everyone
    until(lambda: not any(alive(pid) for pid in everyone))
    assert not (tmp_path / "report.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_a_killed_supervisor_takes_its_children_along(
    supervisor: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    supervisor.kill()
    supervisor.wait()
    child = pids(tmp_path / "started")[0]
    until(lambda: not alive(child))
    for orphan in pids(tmp_path / "grandchildren"):
        if alive(orphan):
            os.kill(orphan, signal.SIGKILL)
