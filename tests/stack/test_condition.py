"""A part that dies at once is told with the end of its log; a dead server is started again; nothing outlives its stop."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from email_engine.paths import ROOT
from stack import condition, locks, repair
from stack.airflow import _state_of
from stack.chosen_ports import PORTS
from stack.leftovers import end_leftovers
from stack.processes import alive
from stack.progress import Progress
from stack.settings import Settings
from stack.supervisor import Child, Supervisor
from stack.watch import Chore, ServerWatch

SCRIPT = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from stack import condition, locks, repair
from stack.supervisor import Child, Supervisor
state = Path(sys.argv[1])
locks.take(state / "supervisor.lock", condition.SUPERVISOR)
children = [Child(name, ["bash", "-c", words], os.environ, state / "logs" / f"{name}.log")
            for name, words in (pair.split("=", 1) for pair in sys.argv[2:])]
Supervisor(children, state / "supervisor.json").run()
"""
STAYS = "echo started; exec -a airflow-sleeper sleep 1000"


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    (tmp_path / "logs").mkdir()
    return Settings(state=tmp_path, ports=dict(PORTS))


@contextmanager
def supervised(here: Settings, **children: str) -> Iterator[subprocess.Popen[bytes]]:
    words = [f"{name}={script}" for name, script in children.items()]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(here.state), *words], cwd=ROOT, start_new_session=True
    )
    try:
        until(lambda: condition.report(here))
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        process.wait(30)


def until(what: Callable[[], object], seconds: float = 20) -> object:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("did not happen in time")


def pid_of(here: Settings, name: str) -> int | None:
    found = condition.report(here)
    return found["children"][name]["pid"] if found else None


def test_a_child_that_dies_at_once_is_told_with_its_last_words(here: Settings) -> None:
    with supervised(here, lab="echo No space left on device; exit 3"):
        began = time.monotonic()
        with pytest.raises(condition.NotReady) as caught:
            condition.wait("the lab", lambda: False, 60, here, {})
    told = str(caught.value)
    assert "lab does not come up: it ended 2 times (last with 3)" in told
    assert "lab.log:\nNo space left on device" in told
    assert time.monotonic() - began < 30, "long before the time is up"


def test_deaths_of_before_are_not_held_against_it(here: Settings) -> None:
    with supervised(here, lab="exit 3", scheduler=STAYS):
        until(lambda: condition.deaths(here)["lab"] >= 2)
        condition.wait("nothing", lambda: True, 1, here, condition.deaths(here))
        assert "lab" in condition.dead(here) or condition.deaths(here)["lab"] > 2
        assert "scheduler" not in condition.dead(here)


def test_a_supervisor_that_ends_is_told_with_its_log(here: Settings) -> None:
    (here.logs / "supervisor.log").write_text("MemoryError\n")
    with pytest.raises(condition.NotReady, match=r"(?s)the supervisor ended.*MemoryError"):
        condition.wait("the lab", lambda: False, 60, here, {})


def test_what_an_old_report_says_of_a_pid_that_somebody_else_has_is_not_believed(here: Settings) -> None:
    (here.state / "supervisor.json").write_text(json.dumps({"pid": os.getpid(), "at": 0, "children": {}}))
    assert condition.supervisor_pid(here) is None
    assert condition.report(here) is None


def test_a_second_supervisor_ends_at_once(here: Settings) -> None:
    with supervised(here, lab=STAYS) as first:
        second = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(here.state), f"lab={STAYS}"], cwd=ROOT, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert second.returncode != 0
        assert f"the supervisor (process {first.pid}" in second.stderr
        assert condition.supervisor_pid(here) == first.pid


def test_who_waits_to_be_started_again_can_be_hurried(here: Settings) -> None:
    hurried: list[str] = []
    watch = ServerWatch("postgresql", FakeServer(), print, print)
    watch.hurry = lambda: hurried.append("postgresql")  # type: ignore[method-assign]
    child = Child("lab", ["true"], {}, here.logs / "lab.log", not_before=time.monotonic() + 1000)
    supervisor = Supervisor([child], here.state / "supervisor.json", [watch])
    supervisor.revive_now()
    assert (child.not_before, hurried) == (0.0, ["postgresql"])
    supervisor.pipes.close()


def test_to_be_hurried_ends_no_supervisor(here: Settings) -> None:
    with supervised(here, lab=STAYS) as process:
        process.send_signal(signal.SIGUSR1)
        os.kill(pid_of(here, "lab") or 0, signal.SIGKILL)
        until(lambda: condition.deaths(here)["lab"] == 1)
        assert process.poll() is None


def test_a_supervisor_that_looks_at_nothing_is_found_out(here: Settings) -> None:
    with supervised(here, lab=STAYS) as process:
        assert condition.silent_for(here) < 10
        process.send_signal(signal.SIGSTOP)
        found = json.loads((here.state / "supervisor.json").read_text())
        (here.state / "supervisor.json").write_text(json.dumps(found | {"at": time.time() - 100}))
        assert condition.silent_for(here) > condition.SILENT


def test_the_children_of_a_killed_supervisor_are_waited_for_and_strangers_are_not(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "trap '' TERM; exec -a airflow-deaf sleep 1000"
    with supervised(here, scheduler=STAYS, deaf=script) as process:
        pids = {name: pid_of(here, name) for name in ("scheduler", "deaf")}
        process.kill()
        process.wait()
    stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        report = here.state / "supervisor.json"
        found = json.loads(report.read_text())
        found["children"]["lab"] = {"pid": stranger.pid}
        report.write_text(json.dumps(found))
        monkeypatch.setattr("stack.leftovers.GRACE", 1.0)
        assert "deaf" in end_leftovers(here)
        until(lambda: not any(alive(pid) for pid in pids.values()))
        assert stranger.poll() is None
        assert not report.exists()
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"children": 3}', '{"pid": 1, "children": {"lab": {}}}'])
def test_a_broken_report_is_no_trouble(here: Settings, text: str) -> None:
    (here.state / "supervisor.json").write_text(text)
    assert end_leftovers(here) == []
    assert condition.report(here) is None


def test_the_last_words_of_children_are_kept_when_the_supervisor_is_killed(here: Settings) -> None:
    words = "trap 'sleep 0.5; echo last words; exit' TERM; echo started; while :; do sleep 0.1; done"
    with supervised(here, scheduler=words) as process:
        log = here.logs / "scheduler.log"
        until(lambda: log.exists() and log.read_text())
        process.kill()
        process.wait()
        until(lambda: "last words" in log.read_text())


class FakeServer:
    """Dies and refuses to start at a test's word."""

    def __init__(self) -> None:
        self.up, self.starts, self.trouble = True, 0, ""

    def pid(self) -> int | None:
        return 7 if self.up else None

    def reachable(self) -> bool:
        return self.up

    def start(self) -> None:
        self.starts += 1
        if self.trouble:
            raise OSError(self.trouble)
        self.up = True


def test_a_dead_server_is_started_again_and_who_needs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stack.watch.BEAT", 0.02)
    server, told, after = FakeServer(), list[str](), list[bool]()
    watch = ServerWatch("postgresql", server, told.append, lambda: after.append(True))
    watch.start()
    server.trouble = "No space left on device"
    server.up = False
    until(lambda: watch.error)
    assert watch.row()["error"] == "No space left on device"
    until(lambda: server.starts > 3)
    assert sum("No space left" in line for line in told) == 1, "one cause, one line"
    server.trouble = ""
    watch.hurry()
    until(lambda: after)
    watch.stop()
    assert (watch.restarts, watch.error) == (1, None)
    server.up = False
    starts = server.starts
    time.sleep(0.2)
    assert server.starts == starts, "after its end nothing is started behind anybody's back"


def test_a_chore_that_fails_is_told_and_tried_again() -> None:
    told: list[str] = []

    def trim() -> None:
        raise OSError("disk")

    chore = Chore(trim, 0.05, told.append)
    until(lambda: (chore.beat(), len(told) >= 2)[1])
    assert set(told) == {"trim failed: disk"}


@pytest.mark.parametrize(
    ("part", "since", "state"),
    [
        ({"status": "healthy", "latest_scheduler_heartbeat": "1970-01-01T00:01:40+00:00"}, 50.0, "healthy"),
        ({"status": "healthy", "latest_scheduler_heartbeat": "1970-01-01T00:01:40+00:00"}, 150.0, "starting"),
        ({"status": "healthy", "latest_scheduler_heartbeat": None}, 150.0, "starting"),
        ({"status": "healthy"}, None, "healthy"),
        ({"status": "unhealthy", "latest_scheduler_heartbeat": None}, 150.0, "unhealthy"),
        ({"status": None}, 150.0, "absent"),
    ],
)
def test_a_heartbeat_of_before_the_start_says_nothing(
    part: dict[str, str | None], since: float | None, state: str
) -> None:
    assert _state_of("scheduler", part, since) == state


def test_a_lock_in_the_hands_of_no_supervisor_is_told(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(condition, "STARTS_WITHIN", 0.2)
    descriptor = locks.take(condition.supervisor_lock(here), "an editor")
    try:
        with pytest.raises(condition.NotReady, match="which is no supervisor"):
            condition.supervisor_pid(here)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(("age", "ends"), [(500.0, True), (5.0, False)])
def test_what_hangs_is_started_again_and_what_has_just_started_is_waited_for(
    here: Settings, monkeypatch: pytest.MonkeyPatch, age: float, ends: bool
) -> None:
    monkeypatch.setattr(repair, "LISTENS", -1.0)  # one look
    answers = iter([["lab"], ["lab"]])
    monkeypatch.setattr(repair, "sick_children", lambda *_: next(answers, []))
    monkeypatch.setattr(repair.airflow.Api, "wait_until_healthy", lambda *_: None)
    cluster = FakeServer()
    cluster.answers = lambda: True  # type: ignore[attr-defined]
    with supervised(here, lab=STAYS):
        first = pid_of(here, "lab")
        later = time.time() + age
        monkeypatch.setattr(repair, "time", SimpleNamespace(time=lambda: later))
        repair.repair(here, cluster, 1, Progress())  # type: ignore[arg-type]
        if ends:
            until(lambda: pid_of(here, "lab") not in (first, None))
        assert alive(first) is not ends
