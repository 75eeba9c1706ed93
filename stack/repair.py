"""`make up` where a supervisor already runs: every part is looked at, and what is dead or sick is started again."""

import os
import signal
import time
from contextlib import suppress

import httpx

from stack import airflow, condition
from stack.postgres import Cluster
from stack.progress import Progress
from stack.settings import Settings

LISTENS = 60.0
"""Seconds within which a healthy part answers; a scheduler's heartbeat may be 30 s old."""
STARTS = 120.0


def lab_answers(settings: Settings) -> bool:
    try:
        return httpx.get(f"{settings.control}/clock", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def sick_children(settings: Settings, at_least: float = 0.0) -> list[str]:
    """Children that are dead, do not answer, or have shown no sign of life since they (or, `at_least`, the database) started."""
    sick = set(condition.dead(settings))
    if not lab_answers(settings):
        sick.add("lab")
    health = airflow.Api(settings).health(condition.since(settings, at_least))
    if health.get("api-server") == "unreachable":
        sick.add("api-server")
    else:
        sick |= {child for part, child in condition.CHILD_OF.items() if health.get(part) != "healthy"}
    return sorted(sick)


def repair(settings: Settings, cluster: Cluster, dags: int, progress: Progress) -> None:
    """Returns when everything is healthy. Raises NotReady, PostgresError or TimeoutError with what is not."""
    if (silent := condition.silent_for(settings)) > condition.SILENT:
        raise condition.NotReady(
            f"the supervisor (process {condition.supervisor_pid(settings)}) runs, but has not looked at anything for "
            f"{silent:.0f} s; it looks every second. Next: make down && make up"
        )
    repaired = 0.0
    if not cluster.reachable() or not cluster.answers():
        with progress.step("PostgreSQL does not answer; starting it again"):
            cluster.start()
        repaired = time.time()
    _hurry(settings)
    before = condition.deaths(settings)
    with progress.step("looking at every part"), suppress(condition.NotReady):
        condition.wait("everything", lambda: not sick_children(settings, repaired), LISTENS, settings, before)
    if sick := sick_children(settings, repaired):
        hung = [name for name in sick if _has_had_its_time(settings, name)]
        with progress.step(
            f"starting again: {', '.join(hung)}" if hung else f"waiting for {', '.join(sick)}"
        ):
            _start_again(settings, hung)
            before = condition.deaths(settings)
            condition.wait(
                ", ".join(sick), lambda: not sick_children(settings, repaired), STARTS, settings, before
            )
    airflow.Api(settings).wait_until_healthy(
        dags, STARTS, lambda: condition.look(settings, before), lambda: condition.since(settings, repaired)
    )


def _hurry(settings: Settings) -> None:
    """The supervisor tries at once what it would try again only later."""
    if (found := condition.report(settings)) is not None:
        with suppress(ProcessLookupError):
            os.kill(found["pid"], signal.SIGUSR1)


def _has_had_its_time(settings: Settings, name: str) -> bool:
    """Has it run long enough to answer? A busy machine is no reason to begin anew."""
    row = (condition.report(settings) or {}).get("children", {}).get(name, {})
    return time.time() - float(row.get("started_at", 0.0)) > STARTS


def _start_again(settings: Settings, names: list[str]) -> None:
    """Ends children that run and do not answer; the supervisor starts them anew."""
    rows = (condition.report(settings) or {}).get("children", {})
    for name in names:
        pid = rows.get(name, {}).get("pid")
        if pid:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    _hurry(settings)
