"""The last task of every pipeline: pending alerts leave as one message."""

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from email_engine_airflow.run import Run, current_run

if TYPE_CHECKING:
    from email_engine.store.alerts import Alert


class SendAlerts(BaseOperator):
    """Sends every pending alert as one aggregated message (several when longer than Telegram's limit).

    It is a teardown task: it runs whatever happened before it, and its own success never makes a failed run look
    fine. When Telegram is away it fails after its retries and the alerts stay pending for the next run of any pipeline.
    A dry run sends nothing. Returns `{"sent": <alerts>, "messages": <messages>}`."""

    def __init__(
        self,
        *,
        telegram_alerts_conn_id: str = "telegram_alerts_default",
        engine_conn_id: str = "email_engine_db",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.telegram_alerts_conn_id = telegram_alerts_conn_id
        self.engine_conn_id = engine_conn_id
        self.as_teardown(on_failure_fail_dagrun=False)

    def execute(self, context: Any) -> dict[str, int]:
        from contextlib import ExitStack
        from datetime import UTC, datetime

        from email_engine.adapters.telegram_text import pack, render_alert
        from email_engine.errors import EngineError
        from email_engine.store import alerts
        from email_engine_airflow.hooks.engine_db import EngineDbHook
        from email_engine_airflow.hooks.telegram_alerts import TelegramAlertsHook

        run = current_run(context)
        if run.dry_run:
            self.log.info("dry run: no alert is sent")
            return {"sent": 0, "messages": 0}
        failure: EngineError | None = None
        sent = messages = 0
        store = EngineDbHook(self.engine_conn_id).get_conn()
        with ExitStack() as stack:
            stack.callback(store.dispose)
            conn = stack.enter_context(store.session(tenant="*"))
            waiting = alerts.pending(conn)
            if not waiting:
                return {"sent": 0, "messages": 0}
            blocks = [
                render_alert(
                    a.id, a.event, a.object, a.severity, a.text, a.tenant, a.cleared_at, _raised_by(a, run)
                )
                for a in waiting
            ]
            try:
                telegram = TelegramAlertsHook(self.telegram_alerts_conn_id).get_conn()
                for message in pack(_header(run, len(waiting)), blocks):
                    telegram.send(message.html)
                    messages += 1
                    sent += len(message.completes)
                    alerts.mark_sent(conn, message.completes, datetime.now(UTC))
            except EngineError as error:
                failure = error
                alerts.mark_failed(conn, [a.id for a in waiting[sent:]], str(error))
        if failure is not None:
            raise failure
        self.log.info("alerts sent: %d, messages: %d", sent, messages)
        return {"sent": sent, "messages": messages}


def _raised_by(alert: "Alert", run: Run) -> str | None:
    """Where another run raised the alert than the one that sends it."""
    if not alert.dag_id or not alert.run_id or (alert.dag_id, alert.run_id) == (run.dag_id, run.run_id):
        return None
    return _url(alert.dag_id, alert.run_id)


def _url(dag_id: str, run_id: str) -> str:
    from urllib.parse import quote

    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
    return f"{base.rstrip('/')}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def _header(run: Run, count: int) -> list[str]:
    from email_engine.adapters.telegram_text import escape, link

    url = _url(run.dag_id, run.run_id)
    what = "1 alert" if count == 1 else f"{count} alerts"
    return [
        f"<b>email-engine</b> {what}, {escape(run.dag_id)} {run.as_of:%Y-%m-%d %H:%M} UTC - {link(url, 'run')}"
    ]
