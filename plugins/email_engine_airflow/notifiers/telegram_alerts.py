"""The net under the pipelines: a DAG run that failed without a word reaches people all the same.

`on_failure_callback=TelegramAlertsNotifier()` at DAG level. Airflow runs DAG callbacks in the dag-processor, where only `dag`,
`run_id`, `reason` and at most one task are sure to be known, and where an error would be seen by nobody. So everything is optional
here, and a failure to notify becomes one log line. A killed task writes no incident and calls no task callback, but the DAG's is
called: then this writes the incident and sends it. Where a task told its cause itself, nothing is said twice."""

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    from email_engine.adapters.telegram import Telegram
    from email_engine.store.telling.incidents import Trouble

DEFAULT = "telegram_alerts_default"
ENGINE = "email_engine_db"
WHY = {
    "timed_out": "it took longer than its time limit (`dagrun_timeout`); tasks that never began wait for their pool or a worker",
    "task_failure": "a task ended without saying why: it was killed, ran out of time or of memory",
}


class TelegramAlertsNotifier(BaseNotifier):
    """Notes an incident for a failed run of which no task told anything, and sends what is pending.

    `text`: what to say instead of "did not finish". It is no template: rendering could fail in a callback."""

    def __init__(
        self,
        telegram_alerts_conn_id: str = DEFAULT,
        text: str = "",
        engine_conn_id: str = ENGINE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.telegram_alerts_conn_id = telegram_alerts_conn_id
        self.text = text
        self.engine_conn_id = engine_conn_id

    def notify(self, context: Any) -> None:
        """For callbacks in the dag-processor and in tasks; never raises."""
        try:
            self._notify(context)
        except Exception as error:  # noqa: BLE001 - a callback must not hide the failure that it tells of
            self._tell(error)

    async def async_notify(self, context: Any) -> None:
        """For deadlines and human-in-the-loop notifiers in the triggerer; never raises."""
        import asyncio

        await asyncio.to_thread(self.notify, context)

    def _notify(self, context: Any) -> None:
        from datetime import UTC, datetime, timedelta

        from email_engine.errors import EngineError
        from email_engine.pipelines.outbox import deliver
        from email_engine.store.engine import DATABASE
        from email_engine.store.telling import incidents
        from email_engine_airflow.hooks.engine_db import EngineDbHook
        from email_engine_airflow.incident import base_url, database_away

        trouble = unexplained(context, self.text)
        try:
            store = EngineDbHook(self.engine_conn_id).get_conn()
            try:
                with store.session(tenant="*") as conn:
                    if not incidents.met_by(conn, str(trouble.dag_id), str(trouble.run_id)):
                        incidents.note(conn, trouble, datetime.now(UTC))
                # Airflow ends a callback after some 50 s: what it holds must soon be free again
                done = deliver(store, self._telegram, base_url(), lease=timedelta(seconds=60), limit=20)
            finally:
                store.dispose()
        except EngineError as error:
            if error.cause == DATABASE:
                database_away(error, link_of(context), self._telegram, self.log)
                return
            raise
        if done.failure is not None:
            raise done.failure

    def _telegram(self) -> "Telegram":
        from email_engine_airflow.hooks.telegram_alerts import TelegramAlertsHook

        return TelegramAlertsHook(self.telegram_alerts_conn_id).get_conn()

    def _tell(self, error: Exception) -> None:
        from email_engine.errors import EngineError

        # only our own errors are known to carry no secret
        what = str(error) if isinstance(error, EngineError) else type(error).__name__
        self.log.error("no Telegram message through connection %s: %s", self.telegram_alerts_conn_id, what)


def unexplained(context: Any, text: str = "") -> "Trouble":
    """What a callback can say of a run that failed without a word."""
    from email_engine.pipelines.trouble import of_run, origin
    from email_engine.store.telling.incidents import Trouble

    dag_id, run_id, ti = _names(context)
    task_id = str(ti.task_id) if ti is not None else None
    index = getattr(ti, "map_index", None)
    reason = str(context.get("reason") or "")
    error = context.get("exception")
    seen = f"{type(error).__name__}" if error else WHY.get(reason, reason or "no reason is known")
    return Trouble(
        cause=of_run(f"run of {dag_id}", dag_id, run_id),
        title=f"{dag_id} {text or 'did not finish'}",
        severity="critical",
        observed=f"run {run_id}: {seen}"[:1000],
        allowed="a run that ends well, or a task that says why it cannot",
        next_step="open the log, then clear the failed task: clearing any task is safe",
        origin=origin(dag_id, task_id or "*", None),
        dag_id=dag_id,
        run_id=run_id,
        task_id=task_id,
        map_index=index if isinstance(index, int) else None,
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


def link_of(context: Any) -> str:
    """The log of the task that the callback names, else the run."""
    from email_engine.pipelines.trouble import log_url
    from email_engine_airflow.incident import base_url

    dag_id, run_id, ti = _names(context)
    return log_url(
        base_url(),
        dag_id,
        run_id,
        str(ti.task_id) if ti is not None else None,
        getattr(ti, "map_index", None),
    )
