"""The last task of every pipeline: pending alerts leave."""

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from email_engine_airflow.clients import airflow_clients
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class SendAlerts(BaseOperator):
    """Sends every pending alert as one aggregated message (several when longer than Telegram's limit), but what another run told within
    the last minute, which that run sends itself; if it is killed, the next one does.

    It is a teardown task: it runs whatever happened before it, and its own success never makes a failed run look
    fine. No row is held while Telegram is asked. When Telegram is away it fails after its retries and the alerts stay pending
    for the next run of any pipeline; when Telegram wants a pause, they wait for its end and the task is done.
    It is no EngineOperator: its own failure must become no incident, for that would be one more alert which cannot leave, and
    a run that is refused for an unknown key must still tell what failed in it.
    A dry run sends nothing. Returns `{"sent": <alerts>, "messages": <messages>, "waiting": <alerts>}`.

    Args:
        also_quiet: news that would wait for another message leaves too, because somebody expects it."""

    def __init__(self, *, also_quiet: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.also_quiet = also_quiet
        self.as_teardown(on_failure_fail_dagrun=False)

    def execute(self, context: Any) -> dict[str, int]:
        from email_engine.pipelines.outbox import deliver
        from email_engine_airflow.hooks.engine_db import EngineDbHook
        from email_engine_airflow.incident import base_url, database_is_back

        run = current_run(context)
        if run.dry_run:
            self.log.info("dry run: no alert is sent")
            return {"sent": 0, "messages": 0, "waiting": 0}
        open_telegram = airflow_clients().telegram
        store = EngineDbHook().get_conn()
        try:
            done = deliver(
                store, open_telegram, base_url(), also_quiet=self.also_quiet, of_run=(run.dag_id, run.run_id)
            )
            self._look_for_a_lost_run(store, run, context.get("ti"))
        finally:
            store.dispose()
        database_is_back(open_telegram, self.log)
        if done.failure is not None:
            raise done.failure
        self.log.info("alerts sent: %d, messages: %d, waiting: %d", done.sent, done.messages, done.waiting)
        return {"sent": done.sent, "messages": done.messages, "waiting": done.waiting}

    def _look_for_a_lost_run(self, store: "Store", run: "Run", ti: Any) -> None:
        """An earlier run of this pipeline had failed without a word: over, when this one has no failed task."""
        from email_engine.pipelines.lost_runs import lost_runs, runs_again

        lost = lost_runs(store, run)
        if not lost or ti is None:
            return
        states = ti.get_task_states(dag_id=run.dag_id, run_ids=[run.run_id]).get(run.run_id, {})
        if not {"failed", "upstream_failed"} & {str(state) for state in states.values()}:
            runs_again(store, run, lost)
