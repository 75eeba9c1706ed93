"""`make up` and `make down`: the order in which everything starts, and how it stops."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from email_engine.fleet.inventory import plan_inventory
from email_engine.fleet.model import Fleet
from email_engine.fleet.names_file import write_names
from email_engine.fleet.parse import parse_fleet
from email_engine.paths import CONFIG, ROOT
from email_engine.store import migrate
from email_engine.store.engine import Store
from email_engine.store.fleet import inventory
from email_engine_airflow.pools import DESCRIPTION, POOL, SLOTS
from stack import airflow, chosen_ports, condition, connections, databases, locks, ports, repair, world
from stack.leftovers import end_leftovers
from stack.postgres import Cluster
from stack.processes import alive
from stack.progress import Progress
from stack.settings import Settings
from stack.space import check_space

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


def read_fleet(settings: Settings) -> Fleet:
    if not settings.fleet_file.exists():
        settings.fleet_file.parent.mkdir(parents=True, exist_ok=True)
        draft = settings.fleet_file.with_name(settings.fleet_file.name + ".new")
        shutil.copy(CONFIG / "fleet.yaml", draft)
        draft.rename(settings.fleet_file)
    return parse_fleet(settings.fleet_file.read_text(), str(settings.fleet_file))


def dag_count() -> int:
    return sum(1 for path in (ROOT / "dags").glob("*.py") if not path.name.startswith("_"))


def _start_supervisor(settings: Settings) -> None:
    """The lock goes from us to the supervisor without a gap, so that a killed `make up` leaves one or none."""
    settings.logs.mkdir(parents=True, exist_ok=True)
    lock = locks.take(condition.supervisor_lock(settings), "the start of the supervisor")
    try:
        with (settings.logs / "supervisor.log").open("ab") as out:
            subprocess.Popen(
                [sys.executable, "-m", "stack", "supervise", str(lock)], cwd=ROOT, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True, pass_fds=(lock,),
            )  # fmt: skip
    finally:
        os.close(lock)
    condition.wait("the supervisor", lambda: condition.report(settings) is not None, 30, settings, {})


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
    with progress.step("making the pool of work on PowerMTA hosts"):
        airflow.command(env, "pools", "set", POOL, str(SLOTS), DESCRIPTION)
    with progress.step("making keys and the lab's world"):
        clock = {"mode": "real"}
        world.write_world(settings, world.make_world(settings, databases.server_of(cluster), fleet, clock))
    with progress.step("writing Airflow's connections"):
        connections.write_file(connections.connections(settings, cluster, fleet), settings.connections_file)
        airflow.command(env, "connections", "import", "--overwrite", str(settings.connections_file))


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


@contextmanager
def alone(settings: Settings, what: str, progress: Progress) -> Iterator[None]:
    """One command at a time changes what runs; the next one waits and says for whom."""
    with locks.held(settings.state / "up.lock", what, progress.note):
        yield


def up(settings: Settings) -> int:
    """Starts what does not run and repairs what runs badly; a fresh start that fails, or Ctrl-C in it, stops everything."""
    progress = Progress()
    with alone(settings, "make up", progress):
        settings = replace(settings, ports=chosen_ports.remembered(settings.state) or settings.ports)
        if condition.supervisor_pid(settings):
            progress.note("already running")
            _say_of_ports(settings, progress)
            repair.repair(settings, cluster_of(settings), dag_count(), progress)
        else:
            settings = _start(settings, progress)
    print(
        WELCOME.format(
            address=settings.address, password=settings.secrets()["admin"], fleet=settings.fleet_file
        )
    )
    return 0


def _say_of_ports(settings: Settings, progress: Progress) -> None:
    if chosen_ports.asked() and not chosen_ports.choose(settings.ports).items() <= settings.ports.items():
        progress.note("the ports stay as they are while it runs. For others: make down, then make up again")


def _start(settings: Settings, progress: Progress) -> Settings:
    check_space(folders_of(settings))
    fleet = read_fleet(settings)
    chosen = replace(settings, ports=chosen_ports.choose(chosen_ports.remembered(settings.state)))
    settings = chosen.for_fleet(
        [host.name for host in fleet.mta_hosts], [instance.name for instance in fleet.mailwizz_instances]
    )
    if left := end_leftovers(settings):
        progress.note(f"ended what a killed supervisor had left: {', '.join(left)}")
    ports.check_free(settings.ports)
    chosen_ports.remember(settings.state, settings.ports)
    try:
        _bring_up(settings, fleet, progress)
    except BaseException:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stop(settings, progress)
        raise
    return settings


def folders_of(settings: Settings) -> list[Path]:
    """Where this machine's copy writes; the databases may live elsewhere."""
    return list(dict.fromkeys([settings.state, cluster_of(settings).writes_to, Path(tempfile.gettempdir())]))


def _bring_up(settings: Settings, fleet: Fleet, progress: Progress) -> None:
    cluster = cluster_of(settings)
    prepare(settings, cluster, fleet, progress)
    with progress.step("starting the processes"):
        _start_supervisor(settings)
    with progress.step("waiting for the lab"):
        condition.wait("the lab", lambda: repair.lab_answers(settings), 120, settings, {})
    with progress.step("waiting for Airflow"):
        api = airflow.Api(settings)
        api.wait_until_healthy(
            dag_count(), 240, lambda: condition.look(settings, {}), lambda: condition.since(settings)
        )
        # a restart may have lost pauses; the next quarter of an hour is far
        api.trigger("mta_health")


def down(settings: Settings) -> int:
    """Stops the processes, then PostgreSQL; state stays, the choice of ports too."""
    progress = Progress()
    with alone(settings, "make down", progress):
        stop(settings, progress)
    return 0


def stop(settings: Settings, progress: Progress) -> None:
    """What `down` does, for a caller that is alone already."""
    pid = condition.supervisor_pid(settings)
    if pid:
        with progress.step("stopping the processes"):
            _end(pid)
    left = end_leftovers(settings)
    if left:
        progress.note(f"ended what a killed supervisor had left: {', '.join(left)}")
    cluster = cluster_of(settings)
    if cluster.place.exists() and cluster.running():
        with progress.step("stopping PostgreSQL"):
            cluster.stop()
    elif not pid and not left:
        progress.note("nothing runs")


def _end(pid: int) -> None:
    """In order; one that does not listen is killed, and the kernel tells its children."""
    for number, seconds in ((signal.SIGTERM, 60.0), (signal.SIGKILL, 10.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.1)


def reset(settings: Settings) -> int:
    """Asks, stops everything, deletes the state folder."""
    try:
        answer = input(f"This stops everything and deletes {settings.state} with its databases. Type yes: ")
    except EOFError:
        answer = ""
    if answer.strip() != "yes":
        print("nothing was changed")
        return 1
    progress = Progress()
    with alone(settings, "make reset", progress):
        stop(settings, progress)
        cluster = cluster_of(settings)
        if cluster.place.exists():
            cluster.remove()
        shutil.rmtree(settings.state, ignore_errors=True)
    print("gone")
    return 0
