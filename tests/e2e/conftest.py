"""The fixture `everything` is shared with tests/browser: see tests/stack_fixtures.py."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.stack_fixtures import Everything, now, running, stack

ANSWERED: Counter[str] = Counter()
"""How often each task was answered: it parks once more each time that it asks again."""

__all__ = ["Everything", "eventually", "now", "open_questions", "respond", "running", "stack"]


def eventually(what: str, look: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def open_questions(everything: Everything, dag: str = "pmta_config_approval") -> list[dict[str, Any]]:
    """As the page Required Actions gets them."""
    found = everything.api.get(
        f"/dags/{dag}/dagRuns/~/hitlDetails", response_received="false", state=["awaiting_input", "deferred"]
    )
    return list(found["hitl_details"])


def respond(everything: Everything, question: dict[str, Any], option: str, **given: str) -> int:
    """Answers when the scheduler has heard that the task is parked, as every person does: who answers sooner is asked again, for
    it takes the end of the asking for that of the answering. The HTTP status."""
    ti = question["task_instance"]
    heard = (
        f"state success for task instance TaskInstanceKey(dag_id='{ti['dag_id']}', task_id='{ti['task_id']}', "
        f"run_id='{ti['dag_run_id']}', try_number={ti['try_number']}, map_index={ti['map_index']})"
    )
    log = everything.settings.state / "logs" / "scheduler.log"
    parked = 1 + ANSWERED[heard]
    eventually(
        "that the scheduler hears of it", lambda: log.read_text(errors="replace").count(heard) >= parked, 90
    )
    answer = everything.api.client.patch(
        f"/api/v2/dags/{ti['dag_id']}/dagRuns/{ti['dag_run_id']}/taskInstances/{ti['task_id']}/{ti['map_index']}/hitlDetails",
        json={"chosen_options": [option], "params_input": given},
    )
    ANSWERED[heard] += answer.status_code == 200
    return int(answer.status_code)
