"""From an error to the one thing that is wrong, in words: many tasks may meet it, people are told once."""

from urllib.parse import quote

from email_engine.errors import AccessDenied, EngineError, HostKeyChanged, Unreachable

LONGEST = 1000
"""Characters of what was seen, allowed and is to be done."""
BY_HAND = frozenset({"emergency_stop", "ip_transition"})
"""DAGs that only people trigger: a second failure is another person's, who must hear of it too."""


def of_run(cause: str, dag_id: str, run_id: str) -> str:
    """A cause that belongs to a pipeline; to this one run of it where only people trigger it."""
    return f"{cause} in {run_id}" if dag_id in BY_HAND else cause


def origin(dag_id: str, task_id: str, about: str | None) -> str:
    """Names a task beyond its runs: a mapped one by what it is about, for its index may be another's tomorrow."""
    return f"{dag_id}.{task_id}" + (f" {about}" if about else "")


def cause_and_title(error: EngineError, kind: str, name: str) -> tuple[str, str] | None:
    """The thing that is wrong and what happened to it in words; None where it is the task's own."""
    if error.cause == "fleet file":
        return error.cause, "The fleet file has mistakes; the fleet stays as it was"
    if error.cause:
        shown = f"{error.cause[:1].upper()}{error.cause[1:]}"
        return error.cause, _happened(error, shown) or f"{shown} does not work"
    if kind not in ("host", "MailWizz"):
        return None
    happened = _happened(error, name if kind == "host" else f"MailWizz {name}")
    return (f"{kind} {name}", happened) if happened else None


def _happened(error: EngineError, shown: str) -> str | None:
    if isinstance(error, HostKeyChanged):
        return f"{shown} shows another host key than the pinned one"
    if isinstance(error, AccessDenied):
        return f"{shown} refuses the engine's login"
    if isinstance(error, Unreachable):
        return f"{shown} cannot be reached"
    return None


def log_url(base: str, dag_id: str, run_id: str, task_id: str | None, map_index: int | None) -> str:
    """The log of a task in Airflow's UI; of the DAG run where no task is named."""
    run = f"{base.rstrip('/')}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
    if not task_id:
        return run
    mapped = f"/mapped/{map_index}" if isinstance(map_index, int) and map_index >= 0 else ""
    return f"{run}/tasks/{quote(task_id, safe='')}{mapped}"


def question_url(base: str, dag_id: str, run_id: str, task_id: str) -> str:
    """Where a person answers what that task asks."""
    return f"{log_url(base, dag_id, run_id, task_id, None)}/required_actions"


def open_questions_url(base: str) -> str:
    """The list of open questions: the sign in a row opens its question as wide as a phone, as a task's page does not."""
    return f"{base.rstrip('/')}/required_actions"
