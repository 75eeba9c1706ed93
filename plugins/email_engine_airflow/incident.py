"""From an error in a task to one incident per cause; and the one cause that cannot be written down: the database is away."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow.sdk import Variable
from airflow.sdk.configuration import conf

from email_engine.errors import AccessDenied, EngineError, HostKeyChanged, InputError, Unreachable
from email_engine.pipelines.trouble import LONGEST, cause_and_title, log_url, of_run, origin

if TYPE_CHECKING:
    from email_engine.adapters.telegram import Telegram
    from email_engine.store.telling.incidents import Trouble

DATABASE_AWAY = "email_engine_database_away"
"""Airflow variable that remembers, while the engine's database cannot, that people were told."""
UNTOLD_FOR = timedelta(minutes=2)
"""A mark so old whose maker told nobody is a dead one's."""


def base_url() -> str:
    return conf.get("api", "base_url", fallback="") or "http://localhost:8080"


def task_url(context: Mapping[str, Any]) -> str:
    """The page of the task's log."""
    ti, run = context.get("ti"), context.get("dag_run")
    dag_id, run_id = getattr(run, "dag_id", ""), getattr(run, "run_id", "")
    task_id, index = getattr(ti, "task_id", ""), getattr(ti, "map_index", None)
    return log_url(base_url(), dag_id, run_id, task_id or None, index)


def trouble_of(
    error: EngineError, context: Mapping[str, Any], task_id: str, about: tuple[str, str] | None
) -> "Trouble":
    """`about`: what the task works on, as kind and name: ("host", "mta-1"), ("MailWizz", "mw-aurora"), ("tenant", "aurora")."""
    from email_engine.store.telling.incidents import Trouble

    ti, run = context.get("ti"), context["dag_run"]
    kind, name = about or ("", "")
    met_at = origin(run.dag_id, task_id, name)
    cause, title = cause_and_title(error, kind, name) or (
        of_run(f"task {met_at}", run.dag_id, run.run_id),
        _failed(run.dag_id, name),
    )
    observed = error.observed
    if not cause.endswith(error.subject):
        observed = f"{error.subject}: {observed}"
    if isinstance(error, InputError) and "\n" in str(error):
        observed = str(error).rpartition("\nNext: ")[0] or str(error)
    return Trouble(
        cause=cause,
        title=title,
        severity="critical" if isinstance(error, Unreachable | HostKeyChanged | AccessDenied) else "warning",
        observed=observed[:LONGEST],
        allowed=error.allowed[:LONGEST],
        next_step=error.next_step[:LONGEST],
        origin=met_at,
        dag_id=run.dag_id,
        run_id=run.run_id,
        task_id=task_id,
        map_index=getattr(ti, "map_index", None),
    )


def _failed(dag_id: str, name: str) -> str:
    return f"{dag_id} failed" + (f" for {name}" if name else "")


def database_away(error: EngineError, link: str, open_telegram: "Callable[[], Telegram]", log: Any) -> None:
    """Tells people once, directly, that the engine's database is away; never raises.

    Several pipelines meet it within the same second: each leaves its mark, and the one whose mark still stands a moment later
    speaks."""
    from email_engine.adapters import telegram_text

    try:
        now, mark = datetime.now(UTC), uuid4().hex
        known = _away()
        if known.get("told") or (known and now - datetime.fromisoformat(known["since"]) < UNTOLD_FOR):
            return
        Variable.set(DATABASE_AWAY, json.dumps({"mark": mark, "since": now.isoformat()}))
        time.sleep(1.0)
        if _away().get("mark") != mark:
            return
        title = "The engine's database is away; every pipeline waits for it"
        text = [title, f"Seen: {error.subject}: {error.observed}", f"Next: {error.next_step}",
                "Until it is back nothing is decided and nothing new is stopped; what stands still stays so. Told once."]  # fmt: skip
        block = telegram_text.render_alert(0, "critical", "\n".join(text), None, None, link)
        (message,) = telegram_text.pack(["<b>email-engine</b>"], [block])
        try:
            open_telegram().send(message.html)
        except BaseException:
            Variable.delete(DATABASE_AWAY)
            raise
        Variable.set(DATABASE_AWAY, json.dumps({"mark": mark, "since": now.isoformat(), "told": True}))
    except Exception as second:  # noqa: BLE001 - it must not hide the error that it tells of
        said = second if isinstance(second, EngineError) else type(second).__name__
        log.error("nobody could be told that the database is away: %s", said)


def database_is_back(open_telegram: "Callable[[], Telegram]", log: Any) -> None:
    """To be called where the database answered: closes what `database_away` told; never raises."""
    try:
        known = _away()
        if not known:
            return
        mark = uuid4().hex
        Variable.set(DATABASE_AWAY, json.dumps(known | {"mark": mark}))
        time.sleep(1.0)
        if _away().get("mark") != mark:
            return  # another task met it in the same second, and speaks
        since = datetime.fromisoformat(known["since"])
        if known.get("told"):
            open_telegram().send(
                f"🔵 <b>The engine's database answers again</b>\nIt was away since {since:%Y-%m-%d %H:%M} UTC."
            )
        Variable.delete(DATABASE_AWAY)
    except Exception as second:  # noqa: BLE001 - telling this is worth no failed task
        said = second if isinstance(second, EngineError) else type(second).__name__
        log.warning("nobody could be told that the database is back: %s", said)


def _away() -> dict[str, Any]:
    """What the variable remembers; `{}` if the database is not known to be away."""
    found: dict[str, Any] = json.loads(Variable.get(DATABASE_AWAY, default=None) or "{}")
    return found
