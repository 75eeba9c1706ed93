"""A failed DAG run reaches people: `on_failure_callback=TelegramAlertsNotifier()` at DAG level.

Airflow runs DAG callbacks in the dag-processor, where only `dag`, `run_id`, `reason` and at most one task are sure to be
known, and where an error would be seen by nobody. So everything is optional here, and a failure to notify becomes one
log line. A killed task calls no task callback, but the DAG's is called: use it there."""

from typing import Any

from airflow.sdk import BaseNotifier

DEFAULT = "telegram_alerts_default"


class TelegramAlertsNotifier(BaseNotifier):
    """Sends one message that names DAG, run, failed task, reason, and links to the log.

    `text`: what to say instead of "DAG run failed". It is no template: rendering could fail in a callback."""

    def __init__(self, telegram_alerts_conn_id: str = DEFAULT, text: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.telegram_alerts_conn_id = telegram_alerts_conn_id
        self.text = text

    def notify(self, context: Any) -> None:
        """For callbacks in the dag-processor and in tasks; never raises."""
        try:
            from email_engine_airflow.hooks.telegram_alerts import TelegramAlertsHook

            client = TelegramAlertsHook(self.telegram_alerts_conn_id).get_conn()
            for message in failure_messages(context, self.text):
                client.send(message)
        except Exception as error:  # noqa: BLE001 - a callback must not hide the failure that it tells of
            self._tell(error)

    async def async_notify(self, context: Any) -> None:
        """For deadlines and human-in-the-loop notifiers in the triggerer; never raises."""
        try:
            from email_engine_airflow.hooks.telegram_alerts import TelegramAlertsHook

            client = await TelegramAlertsHook(self.telegram_alerts_conn_id).aget_conn()
            for message in failure_messages(context, self.text):
                await client.asend(message)
        except Exception as error:  # noqa: BLE001 - as above
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        from email_engine.errors import EngineError

        # only our own errors are known to carry no secret
        what = str(error) if isinstance(error, EngineError) else type(error).__name__
        self.log.error("no Telegram message through connection %s: %s", self.telegram_alerts_conn_id, what)


def failure_messages(context: Any, text: str = "") -> tuple[str, ...]:
    """The messages about one failed run or task; HTML."""
    from email_engine.adapters.telegram_text import Block, escape, escaped_lines, pack

    dag_id, run_id, ti = _names(context)
    title = text or ("task failed" if context.get("exception") else "DAG run failed")
    lines = [f"<b>Run</b> {escape(run_id)}"]
    if ti is not None:
        index = getattr(ti, "map_index", -1)
        mapped = f" [{index}]" if isinstance(index, int) and index >= 0 else ""
        lines.append(f"<b>Task</b> {escape(str(ti.task_id))}{mapped}")
    reason = context.get("exception") or context.get("reason")
    if reason:
        lines += [f"<b>Reason</b> {first}" for first in escaped_lines(str(reason))[:1]]
        lines += escaped_lines(str(reason))[1:20]
    lines.append(_link(dag_id, run_id, ti))
    return tuple(
        m.html for m in pack([f"🔴 <b>{escape(dag_id)}</b> {escape(title)}"], [Block(0, tuple(lines))])
    )


def _names(context: Any) -> tuple[str, str, Any]:
    """DAG id, run id and task instance (or None), from whatever a callback was given."""
    ti = context.get("task_instance") or context.get("ti")
    run = context.get("dag_run")
    given = (
        run
        if isinstance(run, dict)
        else {"dag_id": getattr(run, "dag_id", None), "run_id": getattr(run, "run_id", None)}
    )
    dag_id = getattr(context.get("dag"), "dag_id", None) or getattr(ti, "dag_id", None) or given.get("dag_id")
    run_id = context.get("run_id") or getattr(ti, "run_id", None) or given.get("run_id")
    return str(dag_id or "unknown DAG"), str(run_id or "unknown run"), ti


def _link(dag_id: str, run_id: str, ti: Any) -> str:
    from urllib.parse import quote

    from airflow.sdk.configuration import conf

    from email_engine.adapters.telegram_text import link

    base = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
    url = f"{base.rstrip('/')}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
    if ti is None:
        return link(url, "open the run")
    index = getattr(ti, "map_index", -1)
    mapped = f"/mapped/{index}" if isinstance(index, int) and index >= 0 else ""
    return link(f"{url}/tasks/{quote(str(ti.task_id), safe='')}{mapped}", "open the log")
