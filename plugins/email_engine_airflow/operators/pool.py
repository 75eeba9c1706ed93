"""Does the pool let anybody in?"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowRescheduleException

from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.pools import DESCRIPTION, POOL, SLOTS
from email_engine_airflow.run import current_run

PATIENCE = timedelta(minutes=5)
LOOK = timedelta(seconds=30)
BEGUN = (
    "running", "success", "failed", "skipped", "upstream_failed", "up_for_retry", "up_for_reschedule", "deferred",
    "restarting", "removed",
)  # fmt: skip


class WatchPool(EngineOperator):
    """Fails when no task of the pool began within five minutes of the run, for Airflow tells of a missing pool in one line of
    the scheduler's log. Between two looks it holds no worker slot.

    Args:
        task: task of the same run that stands in the pool."""

    def __init__(self, *, task: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.watched = task

    def work(self, context: Any) -> str:
        from email_engine.errors import EngineError

        run, ti = current_run(context), context["ti"]
        begun = ti.get_ti_count(
            dag_id=run.dag_id, task_ids=[self.watched], run_ids=[run.run_id], states=list(BEGUN)
        )
        if begun:
            return f"{begun} tasks began"
        now = datetime.now(UTC)
        since = getattr(context["dag_run"], "start_date", None) or now
        if now - since < PATIENCE:
            raise AirflowRescheduleException(now + LOOK)
        raise EngineError(
            f"Airflow pool {POOL}",
            f"no task of it began in {PATIENCE.total_seconds() / 60:.0f} minutes: it is missing, or all its slots are taken",
            "a pool with room",
            f"look under Admin > Pools; if it is missing: airflow pools set {POOL} {SLOTS} '{DESCRIPTION}'",
        ).because_of(f"pool {POOL}")
