"""A block list that receivers name is asked at once, by a run of its own."""

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.run import current_run
from email_engine_airflow.start_run import start

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run


class AskNamedLists(EngineOperator):
    """Starts `rbl_sweep` for the lists that replies named and that did not answer since; skipped where there are none."""

    def work(self, context: Any) -> Any:
        from email_engine.pipelines.names import named_lists

        run: Run = current_run(context)
        with self.store() as store:
            lists = named_lists(store, run)
        if not lists:
            raise AirflowSkipException("no reply names a block list that was not asked")
        self.log.info("asked at once: %s", ", ".join(lists))
        raise start("rbl_sweep", f"named__{run.run_id}", {"lists": lists, "confirm_after": 10})
