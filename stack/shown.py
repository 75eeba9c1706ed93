"""What `make status`, `logs`, `sql`, `decisions` and `url` print; each gives its exit status (see `stack.__main__`)."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from email_engine.errors import InputError
from stack import airflow, condition, up
from stack.databases import database_url
from stack.processes import alive
from stack.settings import Settings
from stack.space import low_space

DOWN = "PostgreSQL is down. Next: make up"
DECISIONS = """WITH newest AS (
 SELECT d.* FROM decisions d WHERE dag_id = '{dag}' AND run_id = (
  SELECT run_id FROM decisions WHERE dag_id = '{dag}' ORDER BY id DESC LIMIT 1))
"""
IN_SHORT = """SELECT left(run_id, 60) AS "newest run of {dag}", count(*) AS decisions
 FROM newest GROUP BY run_id;
"""
ALIKE = """SELECT count(*) AS n, left(min(subject), 15) AS "e.g.", left(action, 10) AS action,
 rtrim(regexp_replace(regexp_replace(left(regexp_replace((array_agg(reason ORDER BY subject))[1], '\\s+', ' ', 'g'), 160),
   '([^ ]{{40}})', E'\\\\1 ', 'g'),
  '(.{{1,40}})( |$)', E'\\\\1\\n', 'g'), E'\\n') AS reason
 FROM newest GROUP BY action, regexp_replace(reason, '[0-9]+', '0', 'g') ORDER BY n, action LIMIT 12;
"""
"""Decisions that differ in their numbers alone are one line; the rarest stand first; a reason is broken between words."""


def status(here: Settings) -> int:
    """0 when all is healthy, 1 otherwise."""
    lines, fine = condition_lines(here)
    with suppress(BrokenPipeError):  # a reader that goes away does not make it well
        print("\n".join(lines), flush=True)
    return 0 if fine else 1


def condition_lines(here: Settings) -> tuple[list[str], bool]:
    """What runs, as lines; and whether everything is well."""
    running = up.cluster_of(here).reachable()
    if condition.supervisor_pid(here) is None:
        alone = " (PostgreSQL runs alone: a `make up` was killed)" if running else ""
        return [f"down{alone}. Next: make up"], False
    found = condition.report(here) or {"children": {}, "watched": {}}
    fine = running and bool(found["children"])
    lines = [f"{'postgresql':<16}{'running' if running else 'STOPPED'}"]
    lines += [f"  {row['error']}" for row in found.get("watched", {}).values() if row.get("error")]
    for name, child in found["children"].items():
        lives = alive(child["pid"])
        fine = fine and lives
        restarts = f", restarted {child['restarts']} times" if child["restarts"] else ""
        lines.append(f"{name:<16}{'running' if lives else 'STOPPED'} (pid {child['pid']}{restarts})")
    for name, state in airflow.Api(here).health().items():
        fine = fine and state == "healthy"
        lines.append(f"{'health of ' + name:<32}{state}")
    if full := low_space(up.folders_of(here)):
        fine = False
        lines += ["", *full]
    lines += ["", f"{here.address}   login: admin   password: {here.secrets()['admin']}"]
    lines.append(f"state: {here.state}   fleet: {here.fleet_file}   lab: {here.control}")
    return lines, fine


def log_files(here: Settings, what: str | None) -> list[Path]:
    found = sorted(here.logs.glob("*.log"))
    return [path for path in found if not what or path.stem == what]


def logs(here: Settings, what: str | None, lines: int = 40) -> int:
    """0, or 1 when there is no such log."""
    found = log_files(here, what)
    if not found:
        print(f"no log{' named ' + what if what else ''} in {here.logs}; there are: "
              f"{', '.join(p.stem for p in log_files(here, None)) or 'none yet'}")  # fmt: skip
        return 1
    for path in found:
        print(f"==> {path} <==")
        said = path.read_text(errors="replace").splitlines()
        before = path.with_name(path.name + ".1")
        if len(said) < lines and before.exists():  # it was just begun anew
            said = before.read_text(errors="replace").splitlines()[-lines:] + said
        print("\n".join(said[-lines:]))
    return 0


def sql(here: Settings, query: str | None) -> int:
    """psql as the engine's own role, with every tenant in sight; one query or a prompt. Its own exit status, 1 if down."""
    cluster = up.cluster_of(here)
    if not cluster.reachable():
        print(DOWN, file=sys.stderr)
        return 1
    one = ["-X", "-P", "pager=off", "-c", query] if query else ["-X"]
    own = {
        "PGHOST": str(cluster.socket_folder),
        "PGUSER": "email_engine",
        "PGDATABASE": "email_engine",
        "PGPASSWORD": here.secrets()["engine_db"],
        "PGOPTIONS": "-c email_engine.tenant=* -c search_path=email_engine",
    }
    ended = subprocess.run([str(cluster.program("psql")), *one], env=os.environ | own, check=False).returncode
    if ended == -signal.SIGPIPE:  # `| head`
        return 0
    return 128 - ended if ended < 0 else ended


def decisions(here: Settings, dag: str | None) -> int:
    """What the newest run of one pipeline decided, in at most 80 columns."""
    dag = dag or "warmup_advance"
    if not re.fullmatch(r"[a-z0-9_]{1,60}", dag):
        raise InputError("DAG", repr(dag[:60]), "the id of a pipeline", "make decisions DAG=warmup_advance")
    query = "".join(text.format(dag=dag) for text in (DECISIONS, IN_SHORT, DECISIONS, ALIKE))
    return sql(here, query)


def url(here: Settings) -> int:
    """The address of the engine's database, with its password, for `email-engine` in a terminal."""
    cluster = up.cluster_of(here)
    if not cluster.reachable():
        print(DOWN, file=sys.stderr)
        return 1
    print(database_url(cluster, "email_engine", here.secrets()["engine_db"]))
    return 0


def doctor(here: Settings) -> int:
    """`email-engine doctor` with the environment of this machine's Airflow."""
    cluster = up.cluster_of(here)
    if not cluster.running():
        print(DOWN, file=sys.stderr)
        return 1
    env = airflow.environment(here, cluster)
    return subprocess.run(
        [sys.executable, "-m", "email_engine.cli", "doctor"], env=env, check=False
    ).returncode
