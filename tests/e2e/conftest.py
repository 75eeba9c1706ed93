"""The fixture `everything` is shared with tests/browser: see tests/stack_fixtures.py."""

import time
from collections.abc import Callable
from typing import Any

from tests.stack_fixtures import Everything, now, running, stack

__all__ = ["Everything", "eventually", "now", "open_questions", "running", "stack"]


def eventually(what: str, look: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def open_questions(everything: Everything) -> list[dict[str, Any]]:
    """As the page Required Actions gets them."""
    found = everything.api.get(
        "/dags/~/dagRuns/~/hitlDetails", response_received="false", state=["awaiting_input", "deferred"]
    )
    return [one for one in found["hitl_details"] if one["task_instance"]["dag_id"] == "pmta_config_approval"]
