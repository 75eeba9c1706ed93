"""`make up` where a supervisor already runs: every part is looked at, and what is dead or sick is started again."""

import os
import signal
from contextlib import suppress

import httpx

from stack import airflow, condition
from stack.postgres import Cluster
from stack.progress import Progress
from stack.settings import Settings

LISTENS = 45.0
"""Seconds within which a healthy part answers; a scheduler's heartbeat may be 30 s old."""
STARTS = 120.0
CHILD_OF = {"scheduler": "scheduler", "triggerer": "triggerer", "dag_processor": "dag-processor"}
"""Airflow's name for a part in its health page: the child that it is."""


def lab_answers(settings: Settings) -> bool:
    try:
        return httpx.get(f"{settings.control}/clock", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def sick_children(settings: Settings) -> list[str]:
    """Children that do not answer or that Airflow calls unhealthy."""
    sick = [] if lab_answers(settings) else ["lab"]
    health = airflow.Api(settings).health()
    if health.get("api-server") == "unreachable":
        return [*sick, "api-server"]
    return [*sick, *(child for part, child in CHILD_OF.items() if health.get(part) != "healthy")]


def repair(settings: Settings, cluster: Cluster, dags: int, progress: Progress) -> None:
    """Returns when everything is healthy. Raises NotReady, PostgresError or TimeoutError with what is not."""
    if (silent := condition.silent_for(settings)) > condition.SILENT:
        raise condition.NotReady(
            f"the supervisor (process {condition.supervisor_pid(settings)}) runs, but has not looked at anything for "
            f"{silent:.0f} s; it looks every second. Next: make down && make up"
        )
    if not cluster.reachable() or not cluster.answers():
        with progress.step("PostgreSQL does not answer; starting it again"):
            cluster.start()
    _hurry(settings)
    before = condition.deaths(settings)
    with progress.step("looking at every part"), suppress(condition.NotReady):
        condition.wait("everything", lambda: not sick_children(settings), LISTENS, settings, before)
    if sick := sick_children(settings):
        with progress.step(f"starting again: {', '.join(sick)}"):
            _start_again(settings, sick)
            before = condition.deaths(settings)
            condition.wait(", ".join(sick), lambda: not sick_children(settings), STARTS, settings, before)
    airflow.Api(settings).wait_until_healthy(dags, STARTS, lambda: condition.look(settings, before))


def _hurry(settings: Settings) -> None:
    """The supervisor tries at once what it would try again only later."""
    if (found := condition.report(settings)) is not None:
        with suppress(ProcessLookupError):
            os.kill(found["pid"], signal.SIGUSR1)


def _start_again(settings: Settings, names: list[str]) -> None:
    """Ends children that run and do not answer; the supervisor starts them anew."""
    rows = (condition.report(settings) or {}).get("children", {})
    for name in names:
        pid = rows.get(name, {}).get("pid")
        if pid:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    _hurry(settings)
