"""The command line behind the Makefile: up, down, status, logs, sql, decisions, url, doctor, reset; `up` leaves `supervise` running.

Exit status: 0 done, or all is healthy; 1 not so (status: something is stopped or unhealthy; logs: there is no such log;
sql, decisions, url: the database is down; reset: not confirmed); 2 refused or failed, with what is wrong and the next step
on stderr; 130 stopped by Ctrl-C. `sql` otherwise ends as psql does. A reader that goes away (`| head`) changes nothing.
"""

import argparse
import errno
import os
import sys

from email_engine.errors import EngineError
from email_engine.paths import ROOT
from stack import airflow, condition, locks, shown, task_logs, up
from stack.ports import PortTaken
from stack.postgres_programs import PostgresError
from stack.settings import Settings, settings
from stack.space import DiskFull, low_space
from stack.supervisor import Child, Supervisor, tell
from stack.watch import Chore, ServerWatch

HOUR = 3600.0
OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
COMMANDS = ["up", "down", "status", "logs", "sql", "decisions", "url", "doctor", "reset", "supervise"]


def supervise(here: Settings, lock: str | None) -> int:
    """Runs the lab and Airflow's components until told to stop. `lock`: the descriptor of a lock that is held already."""
    path = condition.supervisor_lock(here)
    if lock is None:
        locks.take(path, condition.SUPERVISOR)
    else:
        os.set_inheritable(int(lock), False)
        locks.sign(int(lock), condition.SUPERVISOR)
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

    def trim_task_logs() -> None:
        task_logs.trim(here.airflow_home / "logs")

    def watch_disk() -> None:
        for line in low_space(up.folders_of(here)):
            tell(line)

    chores = [Chore(trim_task_logs, HOUR, tell), Chore(watch_disk, HOUR / 12, tell)]
    watch = ServerWatch("postgresql", cluster, tell, lambda: supervisor.revive_now())
    supervisor = Supervisor(children, here.state / "supervisor.json", [watch], chores)
    supervisor.run()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="stack", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("what", nargs="?")
    arguments = parser.parse_args()
    here = settings()
    match arguments.command:
        case "up":
            return up.up(here)
        case "down":
            return up.down(here)
        case "reset":
            return up.reset(here)
        case "url":
            return shown.url(here)
        case "status":
            return shown.status(here)
        case "logs":
            return shown.logs(here, arguments.what)
        case "sql":
            return shown.sql(here, arguments.what)
        case "decisions":
            return shown.decisions(here, arguments.what)
        case "doctor":
            return shown.doctor(here)
        case _:
            return supervise(here, arguments.what)


def run() -> int:
    """`main` with its errors as text and its exit status; a closed stdout is no error."""
    try:
        status = main()
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `| head`: what was asked is known, only nobody reads it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (PortTaken, PostgresError, EngineError, DiskFull, TimeoutError, RuntimeError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in OF_THE_DISK:
            raise
        print(f"\n{error}. Next: make room there, or give this user the right to write", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(run())
