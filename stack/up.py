"""`make up` and `make down`: the order in which everything starts, and how it stops."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx

from email_engine.fleet.inventory import plan_inventory
from email_engine.fleet.model import Fleet
from email_engine.fleet.parse import parse_fleet
from email_engine.home import CONFIG, ROOT
from email_engine.store import inventory, migrate
from email_engine.store.engine import Store
from email_engine_airflow.fleet_names import write_names
from stack import airflow, connections, databases, ports, world
from stack.postgres import Cluster
from stack.progress import Progress
from stack.settings import Settings, forget_ports, remember_ports
from stack.supervisor import alive

WELCOME = """
email-engine is up.

  Airflow    {address}     login: admin   password: {password}
  Fleet      {fleet}
  Lab        make lab        lists the knobs: list an IP, break a DNS record, fail a reload ...

  First: open {address}/dags, click `warmup_advance`, then Trigger (leave the form as it is).
         The deploy and the quota sync follow by themselves; the decision rows name their run.
  Then:  make down stops everything, make status tells how it fares, make logs shows why.
"""


def cluster_of(settings: Settings) -> Cluster:
    return Cluster(settings.state / "postgres")


def supervisor_pid(settings: Settings) -> int | None:
    """The supervisor of this state folder, if it runs."""
    try:
        pid = int(json.loads((settings.state / "supervisor.json").read_text())["pid"])
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return pid if alive(pid) else None


def read_fleet(settings: Settings) -> Fleet:
    if not settings.fleet_file.exists():
        settings.fleet_file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CONFIG / "fleet.yaml", settings.fleet_file)
    return parse_fleet(settings.fleet_file.read_text(), str(settings.fleet_file))


def dag_count() -> int:
    return sum(1 for path in (ROOT / "dags").glob("*.py") if not path.name.startswith("_"))


def _wait(what: str, ready: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} is not ready after {seconds:.0f} s; look at: make logs")
        time.sleep(0.2)


def _lab_answers(settings: Settings) -> bool:
    try:
        return httpx.get(f"{settings.control}/state", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _start_supervisor(settings: Settings) -> None:
    settings.logs.mkdir(parents=True, exist_ok=True)
    with (settings.logs / "supervisor.log").open("ab") as out:
        subprocess.Popen(
            [sys.executable, "-m", "stack", "supervise"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    _wait("the supervisor", lambda: supervisor_pid(settings) is not None, 20)


def prepare(settings: Settings, cluster: Cluster, fleet: Fleet, progress: Progress) -> None:
    """Databases, migrations, inventory, connections: all that must stand before a process starts."""
    with progress.step("starting PostgreSQL"):
        cluster.start()
        names = tuple(i.name for i in fleet.mailwizz_instances)
        databases.ensure_all(cluster, settings.secrets(), names)
    env = airflow.environment(settings, cluster)
    airflow.write_login(settings)
    with progress.step("migrating Airflow's database"):
        airflow.command(env, "db", "migrate")
    with progress.step("migrating the engine's database and loading the fleet"):
        load_engine(settings, cluster, fleet, datetime.now(UTC))
    with progress.step("making keys and the lab's world"):
        clock = {"mode": "real"}
        world.write_world(settings, world.make_world(settings, cluster, fleet, clock))
    with progress.step("writing Airflow's connections"):
        import_file = settings.state / "connections.json"
        try:
            connections.write_import_file(connections.connections(settings, cluster, fleet), import_file)
            airflow.command(env, "connections", "import", "--overwrite", str(import_file))
        finally:
            import_file.unlink(missing_ok=True)


def load_engine(settings: Settings, cluster: Cluster, fleet: Fleet, as_of: datetime) -> None:
    """Alembic's head, and the fleet file's inventory, as of a moment that the demo may choose."""
    url = databases.database_url(cluster, "email_engine", settings.secrets()["engine_db"])
    migrate.upgrade(url)
    store = Store(url)
    try:
        with store.session(tenant="*") as conn:
            inventory.lock(conn)
            plan = plan_inventory(fleet, inventory.load_fleet(conn), inventory.load_removed(conn))
            inventory.apply_inventory(conn, plan, as_of=as_of, dag_id=None, run_id=None, actor="make up")
    finally:
        store.dispose()
    write_names(settings.fleet_file, fleet)


def up(settings: Settings) -> int:
    """Starts what does not run yet; on any failure and on Ctrl-C everything stops again."""
    progress = Progress()
    if supervisor_pid(settings):
        progress.note("already running")
    else:
        fleet = read_fleet(settings)
        settings = forget_ports(settings).for_fleet(
            [host.name for host in fleet.mta_hosts], [instance.name for instance in fleet.mailwizz_instances]
        )
        ports.check_free(settings.ports)
        remember_ports(settings)
        try:
            _bring_up(settings, fleet, progress)
        except BaseException:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            down(settings, progress)
            raise
    print(
        WELCOME.format(
            address=settings.address, password=settings.secrets()["admin"], fleet=settings.fleet_file
        )
    )
    return 0


def _bring_up(settings: Settings, fleet: Fleet, progress: Progress) -> None:
    cluster = cluster_of(settings)
    prepare(settings, cluster, fleet, progress)
    with progress.step("starting the processes"):
        _start_supervisor(settings)
    with progress.step("waiting for the lab"):
        _wait("the lab", lambda: _lab_answers(settings), 120)
    with progress.step("waiting for Airflow"):
        airflow.Api(settings).wait_until_healthy(dag_count(), 120)


def down(settings: Settings, progress: Progress | None = None) -> int:
    """Stops the processes, then PostgreSQL; state stays."""
    progress = progress or Progress()
    pid = supervisor_pid(settings)
    if pid:
        with progress.step("stopping the processes"), suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            _wait("the end of the supervisor", lambda: not alive(pid), 60)
    cluster = cluster_of(settings)
    if cluster.place.exists() and cluster.running():
        with progress.step("stopping PostgreSQL"):
            cluster.stop()
    elif not pid:
        progress.note("nothing runs")
    forget_ports(settings)
    return 0


def reset(settings: Settings) -> int:
    """Asks, stops everything, deletes the state folder."""
    try:
        answer = input(f"This stops everything and deletes {settings.state} with its databases. Type yes: ")
    except EOFError:
        answer = ""
    if answer.strip() != "yes":
        print("nothing was changed")
        return 1
    down(settings)
    cluster = cluster_of(settings)
    if cluster.place.exists():
        cluster.remove()
    shutil.rmtree(settings.state, ignore_errors=True)
    print("gone")
    return 0


def log_files(settings: Settings, what: str | None) -> list[Path]:
    found = sorted(settings.logs.glob("*.log"))
    return [path for path in found if not what or path.stem == what]
