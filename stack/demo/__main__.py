"""`make demo`: brings up PostgreSQL and the lab on a manual clock, lives 42 days, proves, reports, cleans up."""

import fcntl
import gc
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from email_engine.paths import CONFIG, ROOT
from email_engine.store.engine import Store
from stack import airflow, condition, connections, databases, repair, up, world
from stack.chosen_ports import PORTS
from stack.dagruns import DagRunner
from stack.demo import scenario
from stack.demo.chronicle import Chronicle
from stack.demo.proofs import prove
from stack.demo.report import write_report
from stack.demo.story import Story
from stack.lab_client import LabClient
from stack.postgres import Cluster
from stack.progress import Progress
from stack.settings import Settings, settings

START = datetime(2026, 9, 7, tzinfo=UTC)
DAILY_QUOTA = 16_000
"""Messages a day and tenant: enough to warm seven IPs to 2,000 a day, little enough for ten minutes."""
DAYS = int(os.environ.get("DEMO_DAYS", "42"))


def free_ports(names: Iterator[str]) -> dict[str, int]:
    """Ports that nobody listens on now, so that a demo runs beside `make up`."""
    sockets = {name: socket.socket() for name in names}
    for each in sockets.values():
        each.bind(("127.0.0.1", 0))
    ports = {name: each.getsockname()[1] for name, each in sockets.items()}
    for each in sockets.values():
        each.close()
    return ports


@contextmanager
def running_lab(here: Settings, world_file: Path) -> Iterator[LabClient]:
    with (here.logs / "lab.log").open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", "run", "--with-parent", str(world_file)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        condition.wait("the lab", lambda: process.poll() is not None or repair.lab_answers(here), 60, here)
        if process.poll() is not None:
            raise RuntimeError(f"the lab ended at once:\n{(here.logs / 'lab.log').read_text()[-2000:]}")
        yield LabClient(here.control)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def spare_the_collector() -> None:
    """What Airflow has loaded never dies; the collector would look through all of it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


STOP = threading.Event()


def heed_signals() -> None:
    """Ctrl-C and SIGTERM end the demo cleanly."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    """A task that runs in this process may take the exception for its own failure, so the wish is noted as well."""
    STOP.set()
    raise KeyboardInterrupt


def main() -> int:
    began = time.monotonic()
    heed_signals()
    state = settings().state / "demo"
    with alone(state.with_name("demo.lock")):
        return _from_nothing(state, began)


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Two demos of one state folder would delete each other's databases."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(
                "a demo runs here already. Next: wait for its end, or set EMAIL_ENGINE_STATE"
            ) from None
        yield


def _from_nothing(state: Path, began: float) -> int:
    old = Cluster(state / "postgres")
    if old.place.exists():
        old.remove()
    shutil.rmtree(state, ignore_errors=True)
    here = Settings(state=state, ports=free_ports(iter(PORTS)))
    here.logs.mkdir(parents=True)
    example = (CONFIG / "fleet.yaml").read_text()
    here.fleet_file.write_text(re.sub(r"daily_quota: \d+", f"daily_quota: {DAILY_QUOTA}", example))
    cluster = Cluster(state / "postgres", durable=False)
    progress = Progress()
    try:
        return _live(here, cluster, progress, began)
    finally:
        with progress.step("stopping PostgreSQL"):
            cluster.remove()


def _live(here: Settings, cluster: Cluster, progress: Progress, began: float) -> int:
    fleet = up.read_fleet(here)
    with progress.step("starting PostgreSQL, making databases"):
        cluster.start()
        databases.ensure_all(cluster, here.secrets(), tuple(i.name for i in fleet.mailwizz_instances))
    env = airflow.environment(here, cluster)
    with progress.step("migrating Airflow's database and the engine's"):
        airflow.command(env, "db", "migrate")
        up.load_engine(here, cluster, fleet, START - timedelta(days=1))
    clock = {"mode": "manual", "start": START.isoformat()}
    world_file = world.write_world(here, world.make_world(here, databases.server_of(cluster), fleet, clock))
    made = connections.connections(here, cluster, fleet)
    store = Store(databases.database_url(cluster, "email_engine", here.secrets()["engine_db"]))
    with running_lab(here, world_file) as lab:
        runner = DagRunner(env | connections.as_environment(made), ROOT / "dags", here.logs / "airflow.log")
        with progress.step("loading the DAGs"):
            runner.prepare()
            spare_the_collector()
        chronicle = Chronicle(store)
        domain = next(ip.domain for ip in fleet.ips if str(ip.address) == scenario.BROKEN_DNS)
        story = Story(runner, lab, chronicle, progress.note, STOP)
        story.live(START, DAYS, scenario.turns(domain))
        proofs = prove(chronicle, story, lab, domain)
        seconds = time.monotonic() - began
        report = here.state / "report.html"
        write_report(
            report,
            chronicle.curves(),
            chronicle.initially("warming"),
            story.log,
            proofs,
            chronicle.totals(),
            seconds,
        )
    store.dispose()
    for claim, holds, seen in proofs:
        progress.note(f"{'shown    ' if holds else 'NOT SHOWN'}  {claim} ({seen})")
    progress.note(f"report: {report}   {seconds:.0f} s in all; Airflow's log: {here.logs / 'airflow.log'}")
    return 0 if all(holds for _, holds, _ in proofs) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; nothing was left running")
