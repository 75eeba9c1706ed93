"""The command line behind the Makefile: up, down, status, logs, sql, url, doctor, reset; `supervise` is what `up` leaves running."""

import argparse
import json
import os
import subprocess
import sys

from email_engine.errors import EngineError
from email_engine.home import ROOT
from stack import airflow, up
from stack.databases import database_url
from stack.ports import PortTaken
from stack.postgres import PostgresError
from stack.settings import Settings, settings
from stack.supervisor import Child, Supervisor, alive


def supervise(here: Settings) -> int:
    """Runs the lab and Airflow's components until told to stop."""
    cluster = up.cluster_of(here)
    env = airflow.environment(here, cluster)
    lab = [sys.executable, "-m", "lab", "run", str(here.lab / "world.json")]
    children = [Child("lab", lab, env | {"PYTHONPATH": str(ROOT)}, here.logs / "lab.log", serves=True)]
    children += [
        Child(
            name,
            [sys.executable, "-m", "airflow", *words],
            env,
            here.logs / f"{name}.log",
            serves=name == "api-server",
        )
        for name, words in airflow.COMPONENTS.items()
    ]
    Supervisor(children, here.state / "supervisor.json").run()
    return 0


def status(here: Settings) -> int:
    """Exit 0 when all is healthy, 1 otherwise."""
    pid = up.supervisor_pid(here)
    if pid is None:
        print("down. Next: make up")
        return 1
    report = json.loads((here.state / "supervisor.json").read_text())
    running = up.cluster_of(here).running()
    print(f"{'postgresql':<16}{'running' if running else 'STOPPED'}")
    fine = running
    for name, child in report["children"].items():
        lives = alive(child["pid"])
        fine = fine and lives
        restarts = f", restarted {child['restarts']} times" if child["restarts"] else ""
        print(f"{name:<16}{'running' if lives else 'STOPPED'} (pid {child['pid']}{restarts})")
    for name, state in airflow.Api(here).health().items():
        fine = fine and state == "healthy"
        print(f"{'health of ' + name:<32}{state}")
    print(f"\n{here.address}   login: admin   password: {here.secrets()['admin']}")
    print(f"state: {here.state}   fleet: {here.fleet_file}   lab: {here.control}")
    return 0 if fine else 1


def logs(here: Settings, what: str | None, lines: int = 40) -> int:
    found = up.log_files(here, what)
    if not found:
        print(f"no log{' named ' + what if what else ''} in {here.logs}; there are: "
              f"{', '.join(p.stem for p in up.log_files(here, None)) or 'none yet'}")  # fmt: skip
        return 1
    for path in found:
        print(f"==> {path} <==")
        print("\n".join(path.read_text(errors="replace").splitlines()[-lines:]))
    return 0


def sql(here: Settings, query: str | None) -> int:
    """psql as the engine's own role, with every tenant in sight; one query or a prompt."""
    cluster = up.cluster_of(here)
    if not cluster.running():
        print("PostgreSQL is down. Next: make up")
        return 1
    one = ["-X", "-P", "pager=off", "-c", query] if query else ["-X"]
    own = {
        "PGHOST": str(cluster.socket_folder),
        "PGUSER": "email_engine",
        "PGDATABASE": "email_engine",
        "PGPASSWORD": here.secrets()["engine_db"],
        "PGOPTIONS": "-c email_engine.tenant=* -c search_path=email_engine",
    }
    return subprocess.run([str(cluster.program("psql")), *one], env=os.environ | own, check=False).returncode


def url(here: Settings) -> int:
    """The address of the engine's database, with its password, for `email-engine` in a terminal."""
    cluster = up.cluster_of(here)
    if not cluster.running():
        print("PostgreSQL is down. Next: make up", file=sys.stderr)
        return 1
    print(database_url(cluster, "email_engine", here.secrets()["engine_db"]))
    return 0


def doctor(here: Settings) -> int:
    """`email-engine doctor` with the environment of this machine's Airflow."""
    cluster = up.cluster_of(here)
    if not cluster.running():
        print("PostgreSQL is down. Next: make up", file=sys.stderr)
        return 1
    env = airflow.environment(here, cluster)
    return subprocess.run(
        [sys.executable, "-m", "email_engine.cli", "doctor"], env=env, check=False
    ).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="stack")
    parser.add_argument(
        "command", choices=["up", "down", "status", "logs", "sql", "url", "doctor", "reset", "supervise"]
    )
    parser.add_argument("what", nargs="?")
    arguments = parser.parse_args()
    here = settings()
    match arguments.command:
        case "up":
            return up.up(here)
        case "down":
            return up.down(here)
        case "status":
            return status(here)
        case "logs":
            return logs(here, arguments.what)
        case "sql":
            return sql(here, arguments.what)
        case "url":
            return url(here)
        case "doctor":
            return doctor(here)
        case "reset":
            return up.reset(here)
        case _:
            return supervise(here)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (PortTaken, PostgresError, EngineError, TimeoutError, RuntimeError) as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nstopped; nothing was left running", file=sys.stderr)
        sys.exit(130)
