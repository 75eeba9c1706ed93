"""One real `make up` for all end-to-end and browser tests: PostgreSQL, lab, scheduler, API server, triggerer, DAG processor."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from email_engine.paths import CONFIG, ROOT
from email_engine.store.engine import Store
from stack import databases, up
from stack.airflow import Api
from stack.chosen_ports import PORTS
from stack.lab_client import LabClient
from stack.settings import Settings

DONE = ("success", "failed")


def free_offset() -> int:
    """A distance at which every default port is free, below those that the kernel gives to whoever connects (32,768 and more); two
    runs on one machine begin to look at different places."""
    first = 8_000 + os.getpid() % 32 * 500
    for offset in [*range(first, 24_000, 500), *range(8_000, first, 500)]:
        try:
            for port in PORTS.values():
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return offset
    raise RuntimeError("no free range of ports on this machine")


@dataclass
class Everything:
    """What a person at the keyboard has: the UI's API, the lab's knobs, the databases."""

    settings: Settings
    api: Api
    lab: LabClient
    store: Store

    def wait(self, dag: str, run_id: str, seconds: float = 120) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            run = self.api.get(f"/dags/{dag}/dagRuns/{run_id}")
            if run["state"] in DONE:
                return run
            time.sleep(0.5)
        raise AssertionError(f"{dag} {run_id} did not end in {seconds} s: {self.tasks(dag, run_id)}")

    def tasks(self, dag: str, run_id: str) -> dict[str, str]:
        found = self.api.get(f"/dags/{dag}/dagRuns/{run_id}/taskInstances", limit=100)["task_instances"]
        return {f"{t['task_id']}[{t['map_index']}]": t["state"] for t in found}

    def run(self, dag: str, **conf: Any) -> dict[str, Any]:
        """Triggers a run by hand and waits for its end."""
        return self.wait(dag, self.api.trigger(dag, **conf))

    def run_after_asset(self, dag: str, since: datetime, seconds: float = 120) -> dict[str, Any]:
        """The asset-triggered run of `dag` that started after `since`, at its end."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            runs = self.api.get(f"/dags/{dag}/dagRuns", order_by="-run_after", limit=20)["dag_runs"]
            for run in runs:
                if run["run_type"] == "asset_triggered" and datetime.fromisoformat(run["queued_at"]) >= since:
                    return self.wait(dag, run["dag_run_id"])
            time.sleep(0.5)
        raise AssertionError(f"no run of {dag} followed by itself within {seconds} s")

    def log(self, dag: str, run_id: str, task: str, map_index: int = -1) -> str:
        """Every try of one task instance, as text."""
        instance = self.api.get(
            f"/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}" + (f"/{map_index}" if map_index >= 0 else "")
        )
        return "\n".join(
            str(
                self.api.get(
                    f"/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/logs/{number}", map_index=map_index
                )
            )
            for number in range(1, instance["try_number"] + 1)
        )


@contextmanager
def running(state: Path, fleet: str) -> Iterator[Everything]:
    """`make up` with this fleet file in this folder, and its end."""
    offset = free_offset()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "EMAIL_ENGINE"))}
    env = inherited | {"EMAIL_ENGINE_STATE": str(state), "EMAIL_ENGINE_PORT_OFFSET": str(offset)}
    here = Settings(state=state, ports={name: port + offset for name, port in PORTS.items()})
    (state / "fleet.yaml").write_text(fleet)
    store: Store | None = None
    try:
        stack(env, "up")
        cluster = up.cluster_of(here)
        store = Store(databases.database_url(cluster, "email_engine", here.secrets()["engine_db"]))
        api, lab = Api(here), LabClient(here.control)
        api.client.timeout = 60.0  # a machine under load answers its first request late
        api.login()
        with closing(api.client), closing(lab.http):
            yield Everything(here, api, lab, store)
    finally:
        if store:
            store.dispose()
        stack(env, "down")
        up.cluster_of(here).remove()


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """The example fleet; aurora acts and borealis only observes."""
    before, borealis = (CONFIG / "fleet.yaml").read_text().split("name: borealis", 1)
    fleet = before + "name: borealis" + borealis.replace("mode: act", "mode: observe", 1)
    with running(tmp_path_factory.mktemp("up"), fleet) as found:
        yield found


def stack(env: dict[str, str], command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "stack", command], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=240
    )  # fmt: skip
    assert done.returncode == 0, (
        f"stack {command}:\n{done.stdout}\n{done.stderr}\n{end_of_logs(Path(env['EMAIL_ENGINE_STATE']))}"
    )
    return done.stdout


def end_of_logs(state: Path) -> str:
    return "\n".join(
        f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in (state / "logs").glob("*.log")
    )


def now() -> datetime:
    return datetime.now(UTC)
