"""Airflow's processes are stopped, then an IP: the shell's brake needs none of them. Runs last on the shared stack."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stack.settings import Settings
from tests.e2e.conftest import Everything

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ADDRESS, VMTA = "198.51.100.12", "aurora-12"


def of_airflow(settings: Settings) -> list[int]:
    """Scheduler, API server, DAG processor, triggerer and running tasks of this stack."""
    home = f"AIRFLOW_HOME={settings.airflow_home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment, command = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if home in environment.split(b"\0") and b"airflow" in command:
            found.append(int(folder.name))
    return found


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def shell(everything: Everything, *words: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "EMAIL_ENGINE"))}
    env["EMAIL_ENGINE_CONNECTIONS"] = str(everything.settings.connections_file)
    return subprocess.run(
        [sys.executable, "-m", "email_engine.cli", *words], env=env, capture_output=True, text=True, check=False, timeout=90
    )  # fmt: skip


def paused(everything: Everything) -> list[bool]:
    queues = everything.lab.state()["powermta"]["mta-1"]["queues"]
    return [q["paused"] for q in queues if q["name"].endswith(f"/{VMTA}")]


def test_an_ip_is_stopped_and_let_go_by_the_shell_alone(everything: Everything) -> None:
    everything.lab.knob("put_mail_in_queue", host="mta-1", vmta=VMTA, domain="gmail.com", n=100)
    assert everything.settings.connections_file.stat().st_mode & 0o077 == 0
    pids = of_airflow(everything.settings)
    assert len(pids) >= 4, "scheduler, API server, DAG processor and triggerer"
    with stopped(pids):
        done = shell(everything, "stop", ADDRESS, "--reason", "Airflow is down")
        assert done.returncode == 0, done.stderr
        assert "stand still, read back in PowerMTA and MailWizz" in done.stdout
        assert paused(everything)
        assert all(paused(everything))
        let_go = shell(everything, "release", ADDRESS, "--reason", "it is back")
        assert let_go.returncode == 0, let_go.stderr
        assert not any(paused(everything))
